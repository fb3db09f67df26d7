"""The tables as they are at the newest migration.

A test upgrades an empty database and checks that it equals this metadata.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

HEAD = "0015"
"""Newest migration; a server refuses a database that is at another one."""

metadata = sa.MetaData()

_ACTIVE = "phase NOT IN (5, 6, 7)"
"""Not SUCCEEDED, FAILED or ABORTED; what the queries say by `runs.IS_ACTIVE`."""

server = sa.Table(
    "server",
    metadata,
    # One row. What must be the same for every admin process on this database.
    sa.Column("id", sa.SmallInteger, sa.CheckConstraint("id = 1", name="server_one_row"), primary_key=True),
    # Grows when the database is restored from a backup, so that claims made after it win over those lost with it.
    sa.Column("generation", sa.BigInteger, nullable=False),
    # Signs the addresses of transfers through admin.
    sa.Column("signing_key", sa.LargeBinary, nullable=False),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("sha256", sa.Text, nullable=False, unique=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("projects", ARRAY(sa.Text), nullable=False),
    # From the bootstrap file, and gone when it is no longer in there.
    sa.Column("bootstrap", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("expires_at", sa.DateTime(timezone=True)),
)

# Cookies of browsers ("session") and one-time login links ("link"); both die with their token.
logins = sa.Table(
    "logins",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("token_id", sa.ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
)

specs = sa.Table(
    "specs",
    metadata,
    # sha256 (hex) of `body`, which is kept as it was sent.
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

entities = sa.Table(
    "entities",
    metadata,
    # Newest is greatest.
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("digest", sa.ForeignKey("specs.digest"), nullable=False, index=True),
    # The same for equal specs however they are serialised.
    sa.Column("meaning", sa.Text, nullable=False),
    sa.Column("interface", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.UniqueConstraint("kind", "project", "domain", "name", "version", name="entities_identity"),
    sa.Index("entities_newest", "kind", "project", "domain", "id"),
)

clusters = sa.Table(
    "clusters",
    metadata,
    # uid of the cluster's kube-system namespace.
    sa.Column("uid", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
    sa.Column("free_slots", sa.Integer, nullable=False),
    # Project-domains it takes runs of; empty: all.
    sa.Column("serves", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
    # Projects its operator's token is limited to; empty: all.
    sa.Column("projects", ARRAY(sa.Text), nullable=False, server_default=sa.text("'{}'")),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("uid", sa.Text, primary_key=True),
    # Order of creation.
    sa.Column("number", sa.BigInteger, sa.Identity(), nullable=False, unique=True),
    sa.Column("project", sa.Text, nullable=False),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("request_digest", sa.Text, nullable=False),
    sa.Column("target_kind", sa.SmallInteger, nullable=False),
    sa.Column("target_name", sa.Text, nullable=False),
    sa.Column("target_version", sa.Text, nullable=False),
    sa.Column("closure_digest", sa.ForeignKey("specs.digest"), nullable=False),
    sa.Column("inputs", sa.LargeBinary, nullable=False),
    sa.Column("labels", JSONB, nullable=False),
    sa.Column("annotations", JSONB, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("created_by", sa.Text, nullable=False),
    # The state as last published, and the version (epoch, seq) it has.
    sa.Column("phase", sa.SmallInteger, nullable=False),
    sa.Column("state", sa.LargeBinary, nullable=False),
    sa.Column("state_seq", sa.BigInteger, nullable=False),
    # The claim: who works on it and in which epoch.
    sa.Column("cluster_uid", sa.ForeignKey("clusters.uid")),
    sa.Column("epoch_generation", sa.BigInteger, nullable=False),
    sa.Column("epoch_number", sa.BigInteger, nullable=False),
    sa.Column("abort_requested", sa.Boolean, nullable=False),
    sa.Column("abort_reason", sa.Text, nullable=False),
    # Grows with every change of the run or of a snapshot of it, in the order of commits: what watchers go by.
    sa.Column("change", sa.BigInteger, nullable=False),
    # Greater ones are claimed first.
    sa.Column("priority", sa.Integer, nullable=False, server_default=sa.text("0")),
    sa.Column("cache_mode", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    # Node items launched at once; 0: no limit of its own.
    sa.Column("max_parallelism", sa.Integer, nullable=False, server_default=sa.text("0")),
    # The run and node that it was made for; null and empty for a run that a person made. The parent may be gone.
    sa.Column("parent_uid", sa.Text),
    sa.Column("parent_name", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.Column("parent_node", sa.Text, nullable=False, server_default=sa.text("''")),
    # 0 for a run that a person made, one more for each parent.
    sa.Column("depth", sa.SmallInteger, nullable=False, server_default=sa.text("0")),
    # Name of a launch plan with a limit of its own, and that limit; empty and 0 for all others.
    sa.Column("lane", sa.Text, nullable=False, server_default=sa.text("''")),
    sa.Column("lane_limit", sa.Integer, nullable=False, server_default=sa.text("0")),
    # The run that it goes on from, which may be gone, and the serialised Reuse; null for a run from the start.
    sa.Column("resumed_uid", sa.Text),
    sa.Column("reuse", sa.LargeBinary),
    sa.UniqueConstraint("project", "domain", "name", name="runs_name"),
    sa.Index("runs_newest", "project", "domain", "number"),
    sa.Index("runs_target", "project", "domain", "target_name", "number"),
    # What clusters work on: of each, and to be counted.
    sa.Index(
        "runs_active",
        "cluster_uid",
        postgresql_where=sa.text(f"{_ACTIVE} AND cluster_uid IS NOT NULL"),
    ),
    # The queue, in its order.
    sa.Index("runs_waiting", "number", postgresql_where=sa.text(f"{_ACTIVE} AND cluster_uid IS NULL")),
    # The queue in the order of claims: of each lane, the greatest priority first, then the oldest.
    sa.Index(
        "runs_queue",
        sa.text("hashtextextended((((project || '/') || domain) || '/') || lane, 0)"),
        sa.text("priority DESC"),
        "number",
        postgresql_where=sa.text(
            f"{_ACTIVE} AND cluster_uid IS NULL AND NOT abort_requested AND parent_uid IS NULL"
        ),
    ),
    # Those to be ended that nobody works on: few, in a queue that may be long.
    sa.Index(
        "runs_unclaimed_aborts",
        "number",
        postgresql_where=sa.text(f"{_ACTIVE} AND cluster_uid IS NULL AND abort_requested"),
    ),
    # Those that need what another left.
    sa.Index(
        "runs_resumed",
        "resumed_uid",
        postgresql_where=sa.text("resumed_uid IS NOT NULL"),
    ),
    # Children that have not ended: they follow their parents.
    sa.Index(
        "runs_children",
        "parent_uid",
        postgresql_where=sa.text(f"{_ACTIVE} AND parent_uid IS NOT NULL"),
    ),
)

snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("run_uid", sa.ForeignKey("runs.uid", ondelete="CASCADE"), primary_key=True),
    sa.Column("node_path", sa.Text, primary_key=True),
    # -1: the node itself.
    sa.Column("index", sa.Integer, primary_key=True, autoincrement=False),
    # -1: the node item itself.
    sa.Column("launch", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("epoch_generation", sa.BigInteger, nullable=False),
    sa.Column("epoch_number", sa.BigInteger, nullable=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    # Nothing follows within its epoch.
    sa.Column("final", sa.Boolean, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    # Value of runs.change when it was written.
    sa.Column("change", sa.BigInteger, nullable=False),
    sa.Index("snapshots_change", "run_uid", "change"),
)

# By key, the commit that has the result. Not bound to the run's row: whoever deletes a run deletes these first.
cache_entries = sa.Table(
    "cache_entries",
    metadata,
    # Order of creation.
    sa.Column("number", sa.BigInteger, sa.Identity(), nullable=False, unique=True),
    sa.Column("project", sa.Text, primary_key=True),
    sa.Column("domain", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("cache_version", sa.Text, nullable=False),
    sa.Column("run_uid", sa.Text, nullable=False),
    sa.Column("run_name", sa.Text, nullable=False),
    sa.Column("node_path", sa.Text, nullable=False),
    # -1: the node itself.
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("commit_uri", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    # NULL: never.
    sa.Column("last_used_at", sa.DateTime(timezone=True)),
    sa.Column("hits", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("cache_entries_task", "project", "domain", "task", "number"),
    sa.Index("cache_entries_run", "run_uid"),
)

# By key, the node item that makes the result, until when nothing was heard of it.
cache_reservations = sa.Table(
    "cache_reservations",
    metadata,
    sa.Column("project", sa.Text, primary_key=True),
    sa.Column("domain", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("run_uid", sa.Text, nullable=False),
    sa.Column("run_name", sa.Text, nullable=False),
    sa.Column("node_path", sa.Text, nullable=False),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Index("cache_reservations_run", "run_uid"),
)

# Runs that refer to what others made, and those others, which may be gone; see the module `uses`.
uses = sa.Table(
    "uses",
    metadata,
    sa.Column("of_uid", sa.Text, primary_key=True),
    sa.Column("run_uid", sa.ForeignKey("runs.uid", ondelete="CASCADE"), primary_key=True),
    sa.Index("uses_run", "run_uid"),
)

# What people and programs told gates; of each gate the first.
signals = sa.Table(
    "signals",
    metadata,
    sa.Column("run_uid", sa.ForeignKey("runs.uid", ondelete="CASCADE"), primary_key=True),
    sa.Column("node_path", sa.Text, primary_key=True),
    # A serialised Signal.
    sa.Column("body", sa.LargeBinary, nullable=False),
)

# Calls of eager nodes that have not ended: an operator is to know of them.
calls = sa.Table(
    "calls",
    metadata,
    sa.Column("run_uid", sa.ForeignKey("runs.uid", ondelete="CASCADE"), primary_key=True),
    sa.Column("node_path", sa.Text, primary_key=True),
    sa.Column("call", sa.Text, primary_key=True),
)
