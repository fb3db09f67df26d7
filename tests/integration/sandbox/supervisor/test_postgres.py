import os
import socket
import subprocess
from pathlib import Path

import psycopg2
import pytest

from limosa_sandbox.postgres.identity import choose_identity
from limosa_sandbox.postgres.server import (
    PostgresError,
    PostgresSettings,
    make_data,
    running_postgres,
    server_command,
    stop_leftover,
    wait_ready,
)


@pytest.fixture
def settings(tmp_path: Path) -> PostgresSettings:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Closed to all but its owner, as a person's home is.
    home = tmp_path / "private"
    home.mkdir(mode=0o700)
    return PostgresSettings(home / "postgres", port, "pass word/@:")


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def test_committed_rows_survive_a_kill_of_the_server(settings: PostgresSettings, tmp_path: Path) -> None:
    make_data(settings)
    with (tmp_path / "log").open("ab") as log:
        server = subprocess.Popen(
            server_command(settings), stdout=log, stderr=log, preexec_fn=choose_identity().prepare()
        )
    wait_ready(settings, lambda: server.poll() is None)
    query(settings.url, "CREATE TABLE t (n int)")
    query(settings.url, "INSERT INTO t SELECT generate_series(1, 100)")
    server.kill()
    server.wait(10)
    assert (settings.data / "postmaster.pid").exists()
    with running_postgres(settings, tmp_path / "log") as url:
        assert query(url, "SELECT count(*), current_setting('fsync') FROM t") == [(100, "on")]


def test_a_server_that_outlived_its_sandbox_is_stopped(settings: PostgresSettings, tmp_path: Path) -> None:
    make_data(settings)
    with (tmp_path / "log").open("ab") as log:
        server = subprocess.Popen(
            server_command(settings), stdout=log, stderr=log, preexec_fn=choose_identity().prepare()
        )
    wait_ready(settings, lambda: server.poll() is None)
    stop_leftover(settings)
    assert server.wait(10) == 0
    assert "database system is shut down" in (tmp_path / "log").read_text()


def test_an_interrupted_first_start_leaves_nothing_in_the_way(
    settings: PostgresSettings, tmp_path: Path
) -> None:
    half = settings.directory / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("half")
    with running_postgres(settings, tmp_path / "log") as url:
        assert query(url, "SELECT 1") == [(1,)]
    assert not half.exists()
    assert not (settings.directory / "password.new").exists()


def test_a_server_that_cannot_start_is_told_at_once(settings: PostgresSettings, tmp_path: Path) -> None:
    make_data(settings)
    (settings.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with (
        pytest.raises(PostgresError, match="ended while starting"),
        running_postgres(settings, tmp_path / "log"),
    ):
        pass
    assert "no_such_setting" in (tmp_path / "log").read_text()


def test_a_home_only_root_may_enter_stays_closed(settings: PostgresSettings, tmp_path: Path) -> None:
    with running_postgres(settings, tmp_path / "log"):
        assert settings.directory.parent.stat().st_mode & 0o777 == 0o700
        owner = settings.data.stat().st_uid
    assert (owner != 0) if os.geteuid() == 0 else (owner == os.geteuid())
