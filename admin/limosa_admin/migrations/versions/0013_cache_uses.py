"""Which runs took cached results, and of which runs."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE cache_uses (
            run_uid text NOT NULL REFERENCES runs (uid) ON DELETE CASCADE,
            of_uid text NOT NULL,
            PRIMARY KEY (of_uid, run_uid)
        )
    """)
    # Runs are deleted with what they used.
    op.execute("CREATE INDEX cache_uses_run ON cache_uses (run_uid)")
