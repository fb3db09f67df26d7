"""Starting, stopping, being killed, and parts that die or cannot start."""

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from limosa_store import Store, StoreSettings, open_store

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "sleeper", "annotations": {"limosa.dev/sandbox-host-process": "true"}},
    "spec": {
        "restartPolicy": "Never",
        "containers": [
            {"name": "main", "image": "limosa/task:latest", "command": ["/bin/sh", "-c", "sleep 600"]}
        ],
    },
}
PODS = "/api/v1/namespaces/demo-development/pods"


def start_pod(platform: Any) -> None:
    platform.call("POST", PODS, POD)
    platform.wait_for(lambda: platform.call("GET", f"{PODS}/sleeper")["status"].get("phase") == "Running")


def store_of(platform: Any) -> Store:
    key = json.loads((platform.home / "secrets" / "credentials.json").read_text())["storage"]
    state = platform.state()
    return open_store(StoreSettings(state["storage_url"], endpoint=state["storage_endpoint"], **key))


def write_everywhere(platform: Any, value: str) -> None:
    connection = psycopg2.connect(platform.state()["database_url"])
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
        cursor.execute("INSERT INTO kept VALUES (%s)", (value,))
    connection.close()
    store_of(platform).put(f"kept/{value}", value.encode())
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": value}, "data": {"value": value}}
    platform.call("POST", "/api/v1/namespaces/demo-development/configmaps", body)


def read_everywhere(platform: Any) -> list[list[str]]:
    connection = psycopg2.connect(platform.state()["database_url"])
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT value FROM kept ORDER BY value")
        rows = [row[0] for row in cursor.fetchall()]
    connection.close()
    maps = platform.call("GET", "/api/v1/namespaces/demo-development/configmaps")["items"]
    names = sorted(item["metadata"]["name"] for item in maps if "value" in item.get("data", {}))
    return [rows, [info.key.rpartition("/")[2] for info in store_of(platform).list("kept")], names]


def test_a_stop_leaves_nothing_running_and_a_kill_loses_nothing(platform: Any) -> None:
    platform.start().wait_ready()
    first = platform.state()
    write_everywhere(platform, "before-stop")
    start_pod(platform)
    assert platform.stop() == 0
    assert platform.processes() == []
    stopped = platform.state()
    assert stopped["phase"] == "stopped"

    platform.start().wait_ready()
    again = platform.state()
    for name in (
        "admin_endpoint",
        "admin_url",
        "admin_token",
        "kubernetes_url",
        "storage_endpoint",
        "database_url",
    ):
        assert again[name] == first[name], name
    write_everywhere(platform, "before-kill")
    platform.kill()

    platform.start().wait_ready()
    assert read_everywhere(platform) == [["before-kill", "before-stop"]] * 3
    assert platform.stop() == 0
    assert platform.processes() == []
    told = (platform.home / "logs" / "operator.log").read_text()
    assert told.count("operator works") == 3
    assert "waiting for leadership" not in told


def test_parts_that_are_killed_come_back(platform: Any) -> None:
    platform.start().wait_ready()
    write_everywhere(platform, "kept")
    before = platform.state()["parts"]
    for name in ("operator", "storage", "postgres", "admin"):
        psutil.Process(before[name]["pid"]).kill()

    def back() -> bool:
        parts = platform.state()["parts"]
        return all(
            parts[name]["state"] == "running" and parts[name]["pid"] != before[name]["pid"]
            for name in ("operator", "storage", "postgres", "admin")
        )

    platform.wait_for(back)
    platform.wait_for(lambda: _listens(platform.state()["admin_endpoint"]))
    platform.wait_for(lambda: _listens(platform.state()["storage_endpoint"].removeprefix("http://")))
    assert read_everywhere(platform) == [["kept"]] * 3
    assert all(
        platform.state()["parts"][name]["restarts"] >= 1 for name in ("operator", "storage", "postgres")
    )


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 2).close()
    except OSError:
        return False
    return True


def test_a_port_that_was_taken_meanwhile_is_replaced(platform: Any) -> None:
    platform.start().wait_ready()
    first = platform.state()
    assert platform.stop() == 0
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(first["admin_url"].rpartition(":")[2])))
        taken.listen()
        platform.start().wait_ready()
        second = platform.state()
    assert second["admin_url"] != first["admin_url"]
    assert second["database_url"] == first["database_url"]


def test_a_part_that_cannot_start_is_told_with_its_log(platform: Any, tmp_path: Path) -> None:
    data = tmp_path / "home" / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    platform.start()
    code = platform.process.wait(90)
    said = platform.process.stderr.read()
    platform._close()
    assert code == 1
    assert "PostgreSQL 9" in said
    assert "limosa demo reset" in said
    state = platform.state()
    assert state["phase"] == "failed"
    assert "PostgreSQL 9" in state["error"]
    assert platform.processes() == []
    shutil.rmtree(data)
    platform.start().wait_ready()


def test_a_stop_while_starting_is_orderly(platform: Any) -> None:
    platform.start()
    platform.wait_for(lambda: platform.state()["phase"] == "starting")
    assert platform.stop() == 0
    assert platform.processes() == []
    platform.start().wait_ready()
