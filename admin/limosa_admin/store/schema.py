"""The tables as they are at the newest migration.

A test upgrades an empty database and checks that it equals this metadata.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

HEAD = "0003"
"""Newest migration; a server refuses a database that is at another one."""

metadata = sa.MetaData()

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
    sa.Column("closure_digest", sa.ForeignKey("specs.digest"), nullable=False, index=True),
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
    sa.UniqueConstraint("project", "domain", "name", name="runs_name"),
    sa.Index("runs_newest", "project", "domain", "number"),
    sa.Index("runs_target", "project", "domain", "target_name", "number"),
    sa.Index("runs_active", "cluster_uid", postgresql_where=sa.text("phase < 5")),
    # The queue, in its order.
    sa.Index("runs_waiting", "number", postgresql_where=sa.text("phase < 5 AND cluster_uid IS NULL")),
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
