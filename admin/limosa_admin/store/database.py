"""The connection to Postgres: transactions, notifications, and what a broken connection means."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.store.schema import HEAD, server

CHANNEL = "limosa"
"""Postgres notification channel; payloads are "run <uid>", "queue" and "token"."""

_OPTIONS = "-c statement_timeout=30000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000 -c timezone=UTC"

_NUL = "the request has a text with a NUL character, which nothing here is called; remove it"
_UNTRANSLATABLE = "22P05"
"""Postgres's code for a NUL inside of JSON."""


class SchemaError(Exception):
    """The database is at another migration than this program; the message says what to do."""


class Database:
    """One Postgres database. Safe from several threads; each transaction takes a connection of the pool."""

    def __init__(self, url: str, pool_size: int = 20) -> None:
        self._engine = sa.create_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
            connect_args={
                "options": _OPTIONS,
                "connect_timeout": 10,
                "application_name": "limosa-admin",
                # The listener only waits; without these it would not notice that the other side is gone.
                "keepalives_idle": 30,
                "keepalives_interval": 10,
                "keepalives_count": 3,
            },
        )
        sa.event.listen(self._engine, "before_cursor_execute", _refuse_nul)

    @property
    def engine(self) -> sa.Engine:
        """For migrations and the listener; everything else goes through a transaction."""
        return self._engine

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A read-committed transaction, committed at the end of the block."""
        with _refusals(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A read-only transaction whose statements all see one moment."""
        with _refusals(), self._engine.connect() as connection:
            reader = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with reader.begin():
                yield reader

    def check_schema(self) -> None:
        """Raises SchemaError unless the database is at this program's migration."""
        found = self.revision()
        if found != HEAD:
            state = f"at migration {found}" if found else "empty"
            raise SchemaError(
                f"the database is {state} and this program needs {HEAD}: "
                "run `python -m limosa_admin migrate`, or start with `serve --migrate`"
            )

    def revision(self) -> str | None:
        """The migration the database is at, None when it has none."""
        with _refusals(), self._engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()

    def ping(self) -> None:
        """Raises RequestError(UNAVAILABLE) unless the database answers."""
        with self.transaction() as connection:
            connection.execute(sa.text("SELECT 1"))

    def signing_key(self) -> bytes:
        """Key that signs addresses of transfers; the same in every process on this database."""
        with self.transaction() as connection:
            return bytes(connection.execute(sa.select(server.c.signing_key)).scalar_one())

    def close(self) -> None:
        """Closes the pool's connections."""
        self._engine.dispose()


_NOTIFY = sa.text("SELECT pg_notify(:channel, topic) FROM unnest(CAST(:topics AS text[])) AS topic")


def notify(connection: sa.Connection, *topics: str) -> None:
    """Tells every admin process, at commit, what changed."""
    if topics:
        connection.execute(_NOTIFY, {"channel": CHANNEL, "topics": list(topics)})


def _refuse_nul(
    _connection: object, _cursor: object, _statement: str, parameters: Any, _context: object, many: bool
) -> None:
    """Refuses texts that Postgres cannot hold, before the driver fails on them as on a bug of ours."""
    for row in parameters if many else [parameters]:
        for value in row.values() if isinstance(row, Mapping) else row or ():
            texts = value if isinstance(value, (list, tuple)) else [value]
            if any(isinstance(text, str) and "\0" in text for text in texts):
                raise RequestError(Reason.INVALID, _NUL)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except exc.TimeoutError as error:
        message = "all database connections of this server are busy; try again in a moment"
        raise RequestError(Reason.UNAVAILABLE, message) from error
    except exc.DataError as error:
        if getattr(error.orig, "pgcode", None) != _UNTRANSLATABLE:
            raise
        raise RequestError(Reason.INVALID, _NUL) from error
    except (exc.OperationalError, exc.InterfaceError, exc.InternalError) as error:
        raise RequestError(
            Reason.UNAVAILABLE, f"the database does not answer: {_first_line(error)}"
        ) from error


def _first_line(error: exc.DBAPIError) -> str:
    return str(error.orig).strip().split("\n", 1)[0]
