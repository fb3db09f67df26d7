"""The process: everything put together, started, and stopped in order."""

import contextlib
import dataclasses
import logging
import signal
import socket
import threading
import time
from collections.abc import Iterator

import grpc
import uvicorn

from limosa_admin import VERSION
from limosa_admin.authentication import Authenticator
from limosa_admin.bootstrap import load_tokens
from limosa_admin.request_errors import RequestError
from limosa_admin.rpc.server import Parts, grpc_server
from limosa_admin.run_view import RunView
from limosa_admin.settings import AdminSettings, SettingsError, split_listen
from limosa_admin.store.changes import Changes
from limosa_admin.store.database import Database
from limosa_admin.store.schema import HEAD
from limosa_admin.transfers import Transfers
from limosa_admin.waiting import Waiting
from limosa_admin.web.site import application
from limosa_store import open_store

_log = logging.getLogger(__name__)

DATABASE_WAIT_S = 30.0
"""How long a start waits for the database: both may have just been started, and Postgres replays its log after a crash."""
_PAUSE_S = 0.2


class Admin:
    """One running admin.

    Attributes:
        grpc_address: "host:port" of gRPC.
        http_url: Base URL of the pages as this host reaches them.
    """

    def __init__(self, settings: AdminSettings) -> None:
        """Binds both ports; nothing is served yet. Raises SettingsError, StoreError or RequestError."""
        self._socket = _listen(settings.http_listen)
        host, port = self._socket.getsockname()[:2]
        self.http_url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        if not settings.public_url:
            settings = dataclasses.replace(settings, public_url=self.http_url)
        self._settings = settings
        self._database = Database(settings.database_url)
        self._parts = _parts(settings, self._database)
        self._grpc = grpc_server(self._parts)
        self.grpc_address = _bind(self._grpc, settings.grpc_listen)
        config = uvicorn.Config(
            application(self._parts),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=3,
            lifespan="off",
        )
        self._http = uvicorn.Server(config)
        self._http_thread = threading.Thread(
            target=self._http.run, kwargs={"sockets": [self._socket]}, name="http", daemon=True
        )

    def start(self) -> None:
        """Serves, from threads of its own."""
        self._parts.changes.start()
        self._parts.authenticator.forget_on(self._parts.changes)
        self._grpc.start()
        self._http_thread.start()
        addresses = {"grpc": self.grpc_address, "http": self.http_url, "version": VERSION}
        _log.info("ready", extra=addresses)

    def stop(self) -> None:
        """Takes no new calls, ends waiting ones, lets the others finish, within `drain_s`."""
        _log.info("stopping")
        self._parts.stopping.set()
        self._http.should_exit = True
        self._parts.changes.stop()
        self._grpc.stop(self._settings.drain_s).wait()
        self._http_thread.join(self._settings.drain_s)
        self._database.close()
        _log.info("stopped")


def run(settings: AdminSettings, *, migrate: bool) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        settings: How.
        migrate: Bring the database to this program's migration first.

    Raises:
        SettingsError, SchemaError, StoreError, RequestError: It could not start.
    """
    with _database(settings) as database:
        _await(database)
        if migrate and database.revision() != HEAD:
            # Alembic is heavy and seldom needed.
            from limosa_admin.store.migrating import migrate as upgrade

            upgrade(database)
        database.check_schema()
        load_tokens(database, settings.bootstrap_tokens_file)
    admin = Admin(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    admin.start()
    stop.wait()
    admin.stop()


def _await(database: Database) -> None:
    """Returns when the database answers. Raises RequestError when it does not within `DATABASE_WAIT_S`."""
    limit = time.monotonic() + DATABASE_WAIT_S
    waits = False
    while True:
        try:
            database.ping()
            return
        except RequestError as error:
            if time.monotonic() > limit:
                raise
            if not waits:
                _log.warning("waiting for the database", extra={"error": error.message})
            waits = True
        time.sleep(_PAUSE_S)


def _parts(settings: AdminSettings, database: Database) -> Parts:
    store = open_store(settings.store)
    transfers = Transfers(store, database.signing_key(), settings.public_url, settings.max_upload_bytes)
    return Parts(
        settings=settings,
        database=database,
        store=store,
        changes=Changes(database),
        authenticator=Authenticator(database),
        transfers=transfers,
        view=RunView(database, store, Waiting(database, settings.max_active_runs), settings.public_url),
        stopping=threading.Event(),
    )


@contextlib.contextmanager
def _database(settings: AdminSettings) -> Iterator[Database]:
    database = Database(settings.database_url, pool_size=2)
    try:
        yield database
    finally:
        database.close()


def _listen(address: str) -> socket.socket:
    host, port = split_listen("LIMOSA_ADMIN_HTTP_LISTEN", address)
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SettingsError(
            f"LIMOSA_ADMIN_HTTP_LISTEN={address} cannot be listened on: {error.strerror}"
        ) from error


def _bind(server: grpc.Server, address: str) -> str:
    host, _ = split_listen("LIMOSA_ADMIN_GRPC_LISTEN", address)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        message = (
            f"LIMOSA_ADMIN_GRPC_LISTEN={address} cannot be listened on; another process may hold the port"
        )
        raise SettingsError(message) from error
    return f"{f'[{host}]' if ':' in host else host}:{port}"
