"""Alembic's entry: runs migrations on the connection that `migrating` hands over."""

from alembic import context

from limosa_admin.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, compare_type=True
)
with context.begin_transaction():
    context.run_migrations()
