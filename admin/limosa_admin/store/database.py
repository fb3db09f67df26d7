"""The connection to Postgres: transactions, notifications, and what a broken connection means."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.store.schema import HEAD, server

CHANNEL = "limosa"
"""Postgres notification channel; payloads are "run <uid>", "queue" and "token"."""

_OPTIONS = "-c statement_timeout=30000 -c lock_timeout=10000 -c idle_in_transaction_session_timeout=60000 -c timezone=UTC"

PING_AFTER_S = 1.0
"""A pooled connection that was not used for longer is tried before it is used."""

_NUL = "the request has a text with a NUL character, which nothing here is called; remove it"
_MOST_SINGLE = 4
"""Single statements at a time: one that writes new runs, and claims, of which all but one wait for each other."""
_UNTRANSLATABLE = "22P05"
"""Postgres's code for a NUL inside of JSON."""


class SchemaError(Exception):
    """The database is at another migration than this program; the message says what to do."""


class Database:
    """One Postgres database. Safe from several threads; each transaction takes a connection of a pool."""

    def __init__(self, url: str, pool_size: int = 20) -> None:
        self._engine = _engine(url, pool_size)
        # Connections that begin no transactions of their own: a single statement is one round trip on them.
        self._single = _engine(
            url,
            min(pool_size, _MOST_SINGLE),
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
        )

    @property
    def engine(self) -> sa.Engine:
        """For migrations and the listener; everything else goes through a transaction."""
        return self._engine

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A read-committed transaction, committed at the end of the block."""
        with _refusals(), self._engine.begin() as connection:
            yield connection

    def single(self, statement: str, *given: Any) -> Sequence[sa.Row[Any]]:
        """Carries out one statement in a transaction of its own and gives its rows, in one round trip.

        Each connection has it planned once: for statements that are carried out often, and do not change.

        Args:
            statement: With `$1`, `$2` … for what is given.
            given: Values that the driver knows.
        """
        with _refusals(), self._single.connect() as connection:
            prepared: dict[str, str] = connection.info.setdefault("prepared", {})
            if statement not in prepared:
                name = f"single_{len(prepared)}"
                connection.exec_driver_sql(f"PREPARE {name} AS {statement}")
                values = ", ".join(["%s"] * len(given))
                prepared[statement] = f"EXECUTE {name} ({values})" if given else f"EXECUTE {name}"
            return connection.exec_driver_sql(prepared[statement], given).all()

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
        """Closes the pools' connections."""
        self._engine.dispose()
        self._single.dispose()


_NOTIFY = sa.text("SELECT pg_notify(:channel, topic) FROM unnest(CAST(:topics AS text[])) AS topic")


def notify(connection: sa.Connection, *topics: str) -> None:
    """Tells every admin process, at commit, what changed."""
    if topics:
        connection.execute(_NOTIFY, {"channel": CHANNEL, "topics": list(topics)})


def _engine(url: str, pool_size: int, **options: Any) -> sa.Engine:
    engine = sa.create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        connect_args={
            "options": _OPTIONS,
            "connect_timeout": 10,
            "application_name": "limosa-admin",
            # The listener only waits; without these it would not notice that the other side is gone.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        },
        **options,
    )
    sa.event.listen(engine, "before_cursor_execute", _refuse_nul)
    sa.event.listen(engine, "checkin", _note_use)
    sa.event.listen(engine, "checkout", _try_idle)
    return engine


def _note_use(_connection: object, record: sa.pool.ConnectionPoolEntry) -> None:
    record.info["used"] = time.monotonic()


def _try_idle(connection: Any, record: sa.pool.ConnectionPoolEntry, _proxy: object) -> None:
    """Tries a connection that was idle; to try each one each time would be a round trip more for every transaction."""
    used = record.info.get("used")
    if used is None or time.monotonic() - used <= PING_AFTER_S:
        return
    before, connection.autocommit = connection.autocommit, True
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.autocommit = before
    except connection.Error as error:
        # The pool takes another connection then.
        raise exc.DisconnectionError(str(error)) from error


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
