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


def command(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "limosa_admin", *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)


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
    refused = command(environment, "serve")
    assert refused.returncode == 1
    assert "the database is empty and this program needs" in refused.stderr
    assert "serve --migrate" in refused.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = {**environment, "LIMOSA_ADMIN_HTTP_LISTEN": f"127.0.0.1:{taken.getsockname()[1]}"}
        refused = command(busy, "serve", "--migrate")
    assert "LIMOSA_ADMIN_HTTP_LISTEN" in refused.stderr
    pathlib.Path(environment["LIMOSA_ADMIN_BOOTSTRAP_TOKENS_FILE"]).write_text('[{"token": "x"}]')
    refused = command(environment, "serve", "--migrate")
    assert "entry 0: 'token' must be a text of at least 16 characters" in refused.stderr
    unreachable = {**environment, "LIMOSA_DATABASE_URL": "postgresql://127.0.0.1:1/none"}
    refused = command(unreachable, "serve")
    assert "the database does not answer" in refused.stderr
    for text in (refused.stderr,):
        assert "Traceback" not in text


def test_tokens_are_made_listed_and_revoked(environment: dict[str, str]) -> None:
    assert "migration" in command(environment, "migrate").stdout
    made = command(environment, "token", "create", "ana@example.org", "--role", "viewer", "--project", "demo")
    token = made.stdout.strip()
    assert token.startswith("lim_")
    listed = command(environment, "token", "list").stdout
    assert "viewer\tana@example.org\tprojects=demo\texpires=never" in listed
    assert token not in listed
    assert command(environment, "token", "revoke", listed.split("\t")[0]).returncode == 0
    assert "ana@" not in command(environment, "token", "list").stdout
    assert "there is no token 99" in command(environment, "token", "revoke", "99").stderr
    assert "no cluster 'gone' is known" in command(environment, "cluster", "lost", "gone").stderr
    assert "generation 2" in command(environment, "restored").stdout
