"""Runs that runs made, priorities, limits of launch plans, and a queue that is claimed from in the same time however long it is."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ACTIVE = "phase NOT IN (5, 6, 7)"


def upgrade() -> None:
    op.execute("""
    ALTER TABLE runs
        ADD COLUMN priority integer NOT NULL DEFAULT 0,
        ADD COLUMN cache_mode smallint NOT NULL DEFAULT 0,
        ADD COLUMN max_parallelism integer NOT NULL DEFAULT 0,
        ADD COLUMN parent_uid text,
        ADD COLUMN parent_name text NOT NULL DEFAULT '',
        ADD COLUMN parent_node text NOT NULL DEFAULT '',
        ADD COLUMN depth smallint NOT NULL DEFAULT 0,
        ADD COLUMN lane text NOT NULL DEFAULT '',
        ADD COLUMN lane_limit integer NOT NULL DEFAULT 0
    """)
    op.execute("DROP INDEX runs_active, runs_waiting")
    waiting = f"{_ACTIVE} AND cluster_uid IS NULL"
    op.execute(f"CREATE INDEX runs_active ON runs (cluster_uid) WHERE {_ACTIVE}")
    op.execute(
        f"CREATE INDEX runs_held ON runs (project, domain, lane) WHERE {_ACTIVE} AND cluster_uid IS NOT NULL"
    )
    op.execute(f"CREATE INDEX runs_waiting ON runs (number) WHERE {waiting}")
    op.execute(
        "CREATE INDEX runs_queue ON runs (project, domain, lane, priority DESC, number) "
        f"WHERE {waiting} AND NOT abort_requested AND parent_uid IS NULL"
    )
    op.execute(f"CREATE INDEX runs_unclaimed_aborts ON runs (number) WHERE {waiting} AND abort_requested")
    op.execute(f"CREATE INDEX runs_children ON runs (parent_uid) WHERE {_ACTIVE} AND parent_uid IS NOT NULL")
