"""Making, starting and stopping one Postgres.

Its data directory is made once, under a name of its own that is renamed when complete, so that an
interrupted start leaves nothing half made. `fsync`, `synchronous_commit` and `full_page_writes` are on.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil

from limosa_sandbox.postgres.binaries import find_binaries
from limosa_sandbox.postgres.identity import STOP_SIGNAL, choose_identity

_USER = "limosa"
_STOP_TIMEOUT_S = 10.0


class PostgresError(RuntimeError):
    """Postgres could not be made or started; the message holds what it said."""


@dataclass(frozen=True)
class PostgresSettings:
    """Settings of one server.

    Attributes:
        directory: holds the data directory and nothing else.
        port: loopback TCP port.
        password: of the one user, over SCRAM.
        database: created where it is absent.
    """

    directory: Path
    port: int
    password: str = field(repr=False)
    database: str = "limosa"

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.directory / "data"

    @property
    def url(self) -> str:
        """The database's libpq URL, with the password."""
        password = quote(self.password, safe="")
        return f"postgresql://{_USER}:{password}@127.0.0.1:{self.port}/{self.database}"


def make_data(settings: PostgresSettings) -> None:
    """Makes the data directory where there is none.

    Raises:
        PostgresError: initdb failed.
        PostgresMissing: there are no programs.
    """
    binaries = find_binaries(settings.data)
    identity = choose_identity()
    settings.directory.mkdir(parents=True, exist_ok=True)
    if settings.data.exists():
        identity.own(settings.data)
        return
    fresh = settings.directory / "data.new"
    if fresh.exists():
        shutil.rmtree(fresh)
    fresh.mkdir(mode=0o700)
    password = fresh.with_name("password.new")
    password.write_text(settings.password)
    password.chmod(0o600)
    identity.own(fresh)
    identity.own(password)
    command = [
        str(binaries / "initdb"),
        *("--pgdata", str(fresh), "--username", _USER, "--pwfile", str(password)),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=identity.prepare(),
        env=_environment(),
    )
    password.unlink()
    if done.returncode:
        raise PostgresError(f"initdb failed with exit code {done.returncode}: {done.stderr.strip()[-2000:]}")
    fresh.rename(settings.data)


def server_command(settings: PostgresSettings) -> list[str]:
    """Returns the command line of the server, which logs to standard error."""
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(settings.port),
        "unix_socket_directories": "",
        "shared_buffers": "64MB",
        "max_connections": "120",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    flags = [item for name, value in options.items() for item in ("-c", f"{name}={value}")]
    return [str(find_binaries(settings.data) / "postgres"), "-D", str(settings.data), *flags]


def stop_leftover(settings: PostgresSettings) -> None:
    """Ends a server of this data directory that outlived its sandbox, and clears a stale lock file.

    Postgres itself takes the file of a dead server for a live one when its pid went to another process.
    """
    lock = settings.data / "postmaster.pid"
    process = _postmaster(lock, settings.data)
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(STOP_SIGNAL)
            try:
                process.wait(_STOP_TIMEOUT_S)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(_STOP_TIMEOUT_S)
    lock.unlink(missing_ok=True)


def _postmaster(lock: Path, data: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(int(lock.read_text().splitlines()[0]))
        mine = process.name().startswith("postgres") and str(data) in process.cmdline()
    except (FileNotFoundError, ValueError, IndexError, psutil.Error):
        return None
    return process if mine else None


def wait_ready(
    settings: PostgresSettings, alive: Callable[[], bool] = lambda: True, timeout_s: float = 30.0
) -> None:
    """Waits until the server takes connections, and creates the database where it is absent.

    Raises:
        PostgresError: it did not within `timeout_s` seconds, or `alive` says that its process ended.
    """
    import psycopg2

    maintenance = settings.url.rpartition("/")[0] + "/postgres"
    limit = time.monotonic() + timeout_s
    while True:
        try:
            connection = psycopg2.connect(maintenance, connect_timeout=3)
            break
        except psycopg2.OperationalError as error:
            if not alive():
                raise PostgresError("Postgres ended while starting; see its log") from None
            if time.monotonic() > limit:
                raise PostgresError(f"Postgres took no connection within {timeout_s:g} s: {error}") from None
            time.sleep(0.02)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (settings.database,))
            if cursor.fetchone() is None:
                cursor.execute(f'CREATE DATABASE "{settings.database}"')
    finally:
        connection.close()


@contextmanager
def running_postgres(settings: PostgresSettings, log: Path) -> Iterator[str]:
    """Runs a server for a block of code, for tests and tools; yields its URL."""
    make_data(settings)
    stop_leftover(settings)
    with log.open("ab") as output:
        process = subprocess.Popen(
            server_command(settings),
            stdout=output,
            stderr=output,
            env=_environment(),
            preexec_fn=choose_identity().prepare(STOP_SIGNAL),
        )
    try:
        wait_ready(settings, lambda: process.poll() is None)
        yield settings.url
    finally:
        process.send_signal(STOP_SIGNAL)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    """Only what programs need: settings of a user's own Postgres (PG*) must not leak in."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C", "TZ": "UTC"}
