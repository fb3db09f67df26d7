"""What people and programs told gates."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE signals (
            run_uid text NOT NULL REFERENCES runs (uid) ON DELETE CASCADE,
            node_path text NOT NULL,
            body bytea NOT NULL,
            PRIMARY KEY (run_uid, node_path)
        )
    """)
