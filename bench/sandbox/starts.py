"""How long a start takes: of the whole platform from an empty home, and of its Postgres alone."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from limosa_sandbox.postgres.server import PostgresSettings, running_postgres


def platform() -> float:
    """Seconds of `limosa demo start` as a person types it, until it says that the platform is ready."""
    with _folder() as folder:
        environ = {
            **os.environ,
            "LIMOSA_HOME": str(folder / "home"),
            "LIMOSA_CONFIG": str(folder / "config.toml"),
        }
        try:
            began = time.perf_counter()
            _demo(environ, "start")
            took = time.perf_counter() - began
            _demo(environ, "status")
            return took
        finally:
            _demo(environ, "stop")


def postgres() -> float:
    """Seconds of what no start can do without: initdb, server, database, first connection; same programs and flags."""
    with _folder() as folder:
        settings = PostgresSettings(folder / "postgres", _free_port(), "bench")
        began = time.perf_counter()
        with running_postgres(settings, folder / "log"):
            return time.perf_counter() - began


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="limosa-"))
    # Where the bench is root, Postgres is somebody else and has to pass through.
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _demo(environ: dict[str, str], verb: str) -> None:
    line = [sys.executable, "-c", "from limosa.cli.main import main; main()", "demo", verb]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"limosa demo {verb} failed:\n{done.stdout}\n{done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
