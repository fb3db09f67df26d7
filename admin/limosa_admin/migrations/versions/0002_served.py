"""Which project-domains a cluster serves."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE clusters ADD COLUMN serves text[] NOT NULL DEFAULT '{}'")
