import concurrent.futures

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from limosa_admin.store.database import Database, SchemaError
from limosa_admin.store.migrating import alembic_config, migrate
from limosa_admin.store.schema import HEAD, metadata


def test_migrations_lead_to_the_metadata(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert ScriptDirectory.from_config(alembic_config(connection)).get_current_head() == HEAD
    database.check_schema()
    database.close()


def test_an_unmigrated_database_is_refused_with_the_remedy(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with pytest.raises(SchemaError, match="limosa_admin migrate"):
        database.check_schema()
    database.close()


def test_processes_that_migrate_together_wait_for_each_other(empty_database_url: str) -> None:
    databases = [Database(empty_database_url) for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(migrate, databases))
    with databases[0].transaction() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM server")).scalar() == 1
    for database in databases:
        database.close()
