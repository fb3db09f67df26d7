"""The API server as a process: what it prints, whom it refuses, what survives kill -9, kopf on it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest


class Server:
    def __init__(self, folder, *options):
        self._command = [
            sys.executable, "-m", "limosa_sandbox.cluster", "--data", str(folder / "data"), "--token-file", str(folder / "token"), *options,
        ]  # fmt: skip
        self._folder = folder
        self.start()

    def start(self):
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())
        self.url = self.ready["url"]
        self.token = (self._folder / "token").read_text()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self):
        self.process.terminate()
        return self.process.wait(10)

    def call(self, method, path, body=None, headers=None):
        data = json.dumps(body).encode() if body is not None else None
        given = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        request = urllib.request.Request(self.url + path, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    yield made
    if made.process.poll() is None:
        made.stop()


CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def test_it_says_where_it_is_and_ends_cleanly(server, tmp_path):
    assert server.ready["kubeconfig"] == str(tmp_path / "kubeconfig")
    assert (tmp_path / "kubeconfig").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert server.stop() == 0


def test_a_second_process_on_the_same_data_is_refused(server, tmp_path):
    command = [sys.executable, "-m", "limosa_sandbox.cluster", "--data", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "in use by another cluster process" in done.stderr


@pytest.mark.parametrize(
    ("headers", "code", "reason"),
    [
        ({"Authorization": ""}, 401, "Unauthorized"),
        ({"Authorization": "Bearer wrong"}, 401, "Unauthorized"),
        ({"Host": "evil.example"}, 403, "Forbidden"),
        ({"Origin": "https://evil.example"}, 403, "Forbidden"),
    ],
)
def test_whom_it_refuses(server, headers, code, reason):
    answer, status = server.call("GET", "/api/v1/pods", headers=headers)
    assert (answer, status["reason"]) == (code, reason)


@pytest.mark.parametrize("name", ["exec", "attach", "portforward"])
def test_what_pods_cannot_do_here(server, name):
    pod = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}}
    server.call("POST", "/api/v1/namespaces/default/pods", pod)
    code, status = server.call("POST", f"/api/v1/namespaces/default/pods/p/{name}")
    assert code == 404
    assert "the sandbox does not serve" in status["message"]


def test_requests_are_counted(server):
    server.call("POST", CONFIG_MAPS, {"metadata": {"name": "a"}}, headers={"User-Agent": "counted/1"})
    request = urllib.request.Request(
        server.url + "/metrics", headers={"Authorization": f"Bearer {server.token}"}
    )
    text = urllib.request.urlopen(request, timeout=10).read().decode()
    expected = 'apiserver_request_total{verb="create",resource="configmaps",subresource="",code="201",client="counted"} 1'
    assert expected in text.splitlines()


def test_no_acknowledged_write_is_lost_by_kill(server):
    acknowledged = []

    def write():
        try:
            for index in range(100_000):
                code, _ = server.call("POST", CONFIG_MAPS, {"metadata": {"name": f"c{index}"}})
                if code == 201:
                    acknowledged.append(f"c{index}")
        except OSError:
            return

    _, before = server.call("GET", "/api/v1/namespaces/kube-system")
    for _ in range(3):
        acknowledged.clear()
        server.call("DELETE", CONFIG_MAPS)
        writer = threading.Thread(target=write)
        writer.start()
        while len(acknowledged) < 50:
            time.sleep(0.005)
        server.kill()
        writer.join(20)
        server.start()
        _, found = server.call("GET", CONFIG_MAPS)
        names = {entry["metadata"]["name"] for entry in found["items"]}
        assert set(acknowledged) <= names
        assert len(names) <= len(acknowledged) + 1
    _, after = server.call("GET", "/api/v1/namespaces/kube-system")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    _, made = server.call("POST", CONFIG_MAPS, {"metadata": {"name": "last"}})
    assert int(made["metadata"]["resourceVersion"]) > int(found["metadata"]["resourceVersion"])


def test_a_watch_from_before_a_restart_is_expired(server):
    _, made = server.call("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    server.call(
        "PATCH",
        f"{CONFIG_MAPS}/a",
        {"data": {"x": "1"}},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    server.kill()
    server.start()
    path = f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1&resourceVersion={made['metadata']['resourceVersion']}"
    _, event = server.call("GET", path)
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


OPERATOR = """
import kopf

@kopf.on.event("pods")
def seen(type, name, **_):
    print("SEEN", type, name, flush=True)
"""


def test_kopf_streams_events(tmp_path):
    server = Server(tmp_path, "--instant-pods")
    (tmp_path / "operator.py").write_text(OPERATOR)
    command = [sys.executable, "-m", "kopf", "run", str(tmp_path / "operator.py"), "--standalone", "-A"]
    environment = {"KUBECONFIG": server.ready["kubeconfig"], "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    operator = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    try:
        pod = {"metadata": {"name": "early"}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}}
        place = "/api/v1/namespaces/default/pods"
        server.call("POST", place, pod)
        lines = iter(operator.stdout.readline, "")
        assert next(line for line in lines if line.startswith("SEEN")) in (
            "SEEN None early\n",
            "SEEN ADDED early\n",
        )
        server.call("POST", place, {**pod, "metadata": {"name": "late"}})
        assert "SEEN ADDED late\n" in lines
        server.call("DELETE", f"{place}/late")
        assert "SEEN DELETED late\n" in lines
    finally:
        operator.terminate()
        operator.communicate(timeout=20)
        server.stop()
