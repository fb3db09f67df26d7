"""Runs that go on from earlier ones."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE runs ADD COLUMN resumed_uid text, ADD COLUMN reuse bytea")
    op.execute(
        "CREATE INDEX runs_resumed ON runs (resumed_uid) "
        "WHERE phase NOT IN (5, 6, 7) AND resumed_uid IS NOT NULL"
    )
