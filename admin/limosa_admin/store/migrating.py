"""Bringing the database to this program's migration."""

import pathlib

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from limosa_admin.store.database import Database, SchemaError

_LOCK = 0x11305A
"""Advisory lock that lets one process migrate at a time."""


def migrate(database: Database, target: str = "head") -> None:
    """Upgrades the database; processes that start together wait for each other.

    Raises:
        SchemaError: The database is at a migration this program does not know.
    """
    with database.engine.connect() as connection:
        # Migrations may take longer than any request may.
        connection.execute(sa.text("SET statement_timeout = 0"))
        connection.execute(sa.text("SET lock_timeout = 0"))
        connection.execute(sa.text("SELECT pg_advisory_lock(:id)"), {"id": _LOCK})
        connection.commit()
        try:
            command.upgrade(alembic_config(connection), target)
            connection.commit()
        except CommandError as error:
            raise SchemaError(
                f"the database cannot be migrated: {error}; is it of a newer version?"
            ) from error
        finally:
            connection.rollback()
            connection.execute(sa.text("SELECT pg_advisory_unlock(:id)"), {"id": _LOCK})
            connection.commit()
            # The settings above must not reach the connection's next user.
            connection.invalidate()


def alembic_config(connection: sa.Connection) -> Config:
    """Alembic's configuration for the migrations in this package, on an open connection."""
    config = Config()
    folder = pathlib.Path(__file__).parent.parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
