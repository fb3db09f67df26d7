"""A platform that is up: what it holds, who may enter, and what happens when a part dies."""

import base64
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import psutil
import psycopg2
import pytest

from limosa_store import ErrorCode, StoreError, StoreSettings, open_store, probe_conditional_writes


def test_the_state_file_tells_everything_and_only_its_owner(running: Any) -> None:
    state = running.state()
    assert state["phase"] == "ready"
    assert state["step"] == state["error"] == ""
    assert set(state["parts"]) == {"postgres", "storage", "cluster", "admin", "operator"}
    for part in state["parts"].values():
        assert part["state"] == "running"
        assert abs(psutil.Process(part["pid"]).create_time() - part["started"]) < 2
    private = [
        "state.json",
        "kubeconfig",
        *(f"secrets/{path.name}" for path in (running.home / "secrets").iterdir()),
    ]
    for name in private:
        assert (running.home / name).stat().st_mode & 0o077 == 0, name
    assert running.home.stat().st_mode & 0o077 == 0


def test_everything_listens_on_loopback_only(running: Any) -> None:
    listeners = []
    for process in running.processes():
        listeners += [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN]
    assert len(listeners) >= 6
    assert {one.laddr.ip.removeprefix("::ffff:") for one in listeners} <= {"127.0.0.1", "::1"}


def test_postgres_is_durable_and_wants_its_password(running: Any) -> None:
    url = running.state()["database_url"]
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"SHOW {setting}")
            assert cursor.fetchone() == ("on",)
    connection.close()
    head, _, tail = url.partition("@")
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(f"{head.rpartition(':')[0]}:wrong@{tail}")


def test_namespaces_have_their_labels_and_storage(running: Any) -> None:
    for domain in ("development", "staging", "production"):
        namespace = running.call("GET", f"/api/v1/namespaces/demo-{domain}")
        assert namespace["metadata"]["labels"]["limosa.dev/project"] == "demo"
        assert namespace["metadata"]["labels"]["limosa.dev/domain"] == domain
    assert running.state()["namespaces"] == ["demo-development", "demo-production", "demo-staging"]


def test_a_pods_storage_opens_its_project_domain_only(running: Any) -> None:
    secret = running.call("GET", "/api/v1/namespaces/demo-staging/secrets/limosa-storage")
    environ = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    store = open_store(StoreSettings.from_env(environ))
    assert probe_conditional_writes(store, "demo/staging/runs/probe") is None
    refused = [
        lambda: store.put("demo/staging/code/x", b""),
        lambda: store.put("demo/development/runs/x", b""),
        lambda: store.get("demo/production/code/x"),
        lambda: list(store.list("demo/development")),
    ]
    for call in refused:
        with pytest.raises(StoreError) as caught:
            call()
        assert caught.value.code is ErrorCode.UNAUTHORISED


def test_the_node_offers_what_it_was_told(running: Any) -> None:
    node = running.call("GET", "/api/v1/nodes")["items"][0]
    assert node["status"]["capacity"]["nvidia.com/gpu"] == "2"
    assert node["status"]["capacity"]["cpu"] == "2"


def test_the_definition_is_served(running: Any) -> None:
    runs = running.call("GET", "/apis/limosa.dev/v1alpha1/namespaces/demo-development/workflowruns")
    assert runs["kind"] == "WorkflowRunList"


def test_admin_wants_a_token(running: Any) -> None:
    url = running.state()["admin_url"]
    with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{url}/api/v1/runs", timeout=10)
    assert caught.value.code in (401, 403, 404)


def test_a_second_sandbox_on_one_home_is_refused(running: Any) -> None:
    command = [sys.executable, "-m", "limosa_sandbox", "--home", str(running.home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert str(running.home) in done.stderr
    assert "limosa demo stop" in done.stderr
    assert running.state()["pid"] == running.process.pid


@pytest.mark.parametrize("arguments", [["--memory", "lots"], ["--cpus", "0"], ["--gpus", "-1"], ["--what"]])
def test_wrong_arguments_are_refused(tmp_path: Any, arguments: list[str]) -> None:
    command = [sys.executable, "-m", "limosa_sandbox", "--home", str(tmp_path / "h"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert not (tmp_path / "h").exists()
