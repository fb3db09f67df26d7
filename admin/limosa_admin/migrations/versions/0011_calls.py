"""Calls of eager nodes that have not ended."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE calls (
            run_uid text NOT NULL REFERENCES runs (uid) ON DELETE CASCADE,
            node_path text NOT NULL,
            call text NOT NULL,
            PRIMARY KEY (run_uid, node_path, call)
        )
    """)
