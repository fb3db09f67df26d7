"""Uses are followed from run to run, also through runs that have ended."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Not of cached results alone any more.
    op.execute("ALTER TABLE cache_uses RENAME TO uses")
    op.execute("ALTER INDEX cache_uses_run RENAME TO uses_run")
    op.execute("DROP INDEX runs_resumed")
    op.execute("CREATE INDEX runs_resumed ON runs (resumed_uid) WHERE resumed_uid IS NOT NULL")
