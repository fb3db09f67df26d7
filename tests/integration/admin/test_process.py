"""The process from outside: its commands, its start, its end."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import grpc
import pytest

from limosa_admin import serve
from limosa_admin.bootstrap import load_tokens
from limosa_admin.cli import main
from limosa_admin.identity import Role
from limosa_admin.request_errors import RequestError
from limosa_admin.settings import AdminSettings, SettingsError
from limosa_admin.store import tokens
from limosa_admin.store.database import Database, SchemaError
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1 import admin_pb2_grpc

TOKEN = "process-test-token-0123456789"


@pytest.fixture
def environment(empty_database_url: str, tmp_path: pathlib.Path) -> dict[str, str]:
    entry = {"token": TOKEN, "subject": "root", "role": "operator", "projects": []}
    (tmp_path / "tokens.json").write_text(json.dumps([entry]))
    return {
        **os.environ,
        "LIMOSA_DATABASE_URL": empty_database_url,
        "LIMOSA_STORAGE_URL": f"file://{tmp_path}/objects",
        "LIMOSA_ADMIN_GRPC_LISTEN": f"127.0.0.1:{_free_port()}",
        "LIMOSA_ADMIN_HTTP_LISTEN": f"127.0.0.1:{_free_port()}",
        "LIMOSA_ADMIN_BOOTSTRAP_TOKENS_FILE": str(tmp_path / "tokens.json"),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(environment: dict[str, str], process: subprocess.Popen[str]) -> None:
    url = f"http://{environment['LIMOSA_ADMIN_HTTP_LISTEN']}/readyz"
    ends = time.monotonic() + 60
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                if response.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    pytest.fail("admin did not become ready")


def test_sigterm_ends_waiting_calls_and_the_process(environment: dict[str, str]) -> None:
    line = [sys.executable, "-m", "limosa_admin", "serve", "--migrate"]
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_ready(environment, process)
        answers: list[object] = []
        channel = grpc.insecure_channel(environment["LIMOSA_ADMIN_GRPC_LISTEN"])
        stub = admin_pb2_grpc.OperatorServiceStub(channel)
        metadata = [("authorization", f"Bearer {TOKEN}")]
        stub.Sync(pb.SyncRequest(cluster_uid="c1"), metadata=metadata, timeout=20)
        waiting = threading.Thread(
            target=lambda: answers.append(
                stub.Sync(pb.SyncRequest(cluster_uid="c1", wait_ms=20_000), metadata=metadata, timeout=30)
            )
        )
        waiting.start()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        waiting.join(15)
        assert answers == [pb.SyncResponse()]
        _, log = process.communicate(timeout=15)
        assert process.returncode == 0
    finally:
        process.kill()
    lines = [json.loads(text) for text in log.splitlines()]
    assert {"ready", "call", "stopping", "stopped"} <= {line["message"] for line in lines}
    assert any(line.get("method", "").endswith("/Sync") and line["request_id"] for line in lines)
    assert TOKEN not in log


def test_what_keeps_it_from_starting_is_one_line_with_a_remedy(environment: dict[str, str]) -> None:
    line = [sys.executable, "-m", "limosa_admin", "serve"]
    refused = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("limosa-admin: the database is empty and this program needs")
    assert "serve --migrate" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_busy_port_and_an_absent_database_are_named(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "DATABASE_WAIT_S", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = {**environment, "LIMOSA_ADMIN_HTTP_LISTEN": f"127.0.0.1:{taken.getsockname()[1]}"}
        with pytest.raises(SettingsError, match=r"LIMOSA_ADMIN_HTTP_LISTEN=.* cannot be listened on"):
            serve.run(AdminSettings.from_env(busy), migrate=True)
    absent = {**environment, "LIMOSA_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    with pytest.raises(RequestError, match="the database does not answer"):
        serve.run(AdminSettings.from_env(absent), migrate=False)


def test_a_start_waits_for_a_database_that_comes_up(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, answers = AdminSettings.from_env(environment), [False, False, True]
    ping = Database.ping

    def comes_up(database: Database) -> None:
        ping(database if answers.pop(0) else Database("postgresql+psycopg2://127.0.0.1:1/none"))

    monkeypatch.setattr(Database, "ping", comes_up)
    # The next thing that a start looks at.
    with pytest.raises(SchemaError, match="the database is empty"):
        serve.run(settings, migrate=False)
    assert answers == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("nonsense", "cannot be read"),
        ("{}", "does not hold a JSON list"),
        ('["x"]', "entry 0: it is not an object"),
        ('[{"token": "x"}]', "entry 0: 'token' must be a text of at least 16 characters"),
        ('[{"token": "0123456789abcdef", "subject": "a", "role": "king"}]', "'role' must be one of viewer"),
    ],
)
def test_a_bad_file_of_tokens_is_refused(
    database, tmp_path: pathlib.Path, content: str, expected: str
) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(content)
    with pytest.raises(SettingsError, match=expected):
        load_tokens(database, str(file))


def test_a_token_that_left_the_file_is_no_longer_valid(database, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "tokens.json"
    entry = {"token": TOKEN, "subject": "root", "role": "admin"}
    file.write_text(json.dumps([entry]))
    load_tokens(database, str(file))
    with database.transaction() as connection:
        tokens.create(connection, "lim_issued_by_a_person", "ana", Role.VIEWER)
        assert tokens.find(connection, TOKEN) is not None
    file.write_text(json.dumps([{**entry, "token": TOKEN + "-next"}]))
    load_tokens(database, str(file))
    with database.transaction() as connection:
        assert tokens.find(connection, TOKEN) is None
        assert tokens.find(connection, TOKEN + "-next") is not None
        assert tokens.find(connection, "lim_issued_by_a_person") is not None


def test_tokens_are_made_listed_and_revoked(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIMOSA_DATABASE_URL", environment["LIMOSA_DATABASE_URL"])

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return code, *capsys.readouterr()

    assert command("migrate")[1].startswith("the database is at migration")
    _, made, _ = command("token", "create", "ana@example.org", "--role", "viewer", "--project", "demo")
    token = made.strip()
    assert token.startswith("lim_")
    _, listed, _ = command("token", "list")
    assert "viewer\tana@example.org\tprojects=demo\texpires=never" in listed
    assert token not in listed
    assert command("token", "revoke", listed.split("\t")[0])[0] == 0
    assert "ana@" not in command("token", "list")[1]
    assert command("token", "revoke", "99")[::2] == (
        1,
        "limosa-admin: there is no token 99; `token list` shows them\n",
    )
    assert "no cluster 'gone' is known" in command("cluster", "lost", "gone")[2]
    assert "generation 2" in command("restored")[1]
