"""What of the queue a cluster may take, and the queue in its order."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE clusters ADD COLUMN projects text[] NOT NULL DEFAULT '{}'")
    op.execute("CREATE INDEX runs_waiting ON runs (number) WHERE phase < 5 AND cluster_uid IS NULL")
