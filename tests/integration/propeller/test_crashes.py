"""kill -9 of the operator and of the API server: runs complete, and nothing is launched twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from propeller_rig import (
    NAMESPACE,
    PODS_PATH,
    RUNS_PATH,
    Cluster,
    Operator,
    chain,
    dynamic,
    fan_out,
    local_run,
    numbers,
    wait_for,
    wait_for_phase,
    write_commits,
)

from limosa_model.values import integer

ITEMS, LENGTH = 120, 40


class PodWitness:
    """A client of its own that writes down every pod ever created."""

    def __init__(self, cluster: Cluster, path: Path) -> None:
        program = (
            "import json,sys,urllib.request\n"
            "url,token=sys.argv[1:]\n"
            "request=urllib.request.Request(url);request.add_header('Authorization','Bearer '+token)\n"
            "for line in urllib.request.urlopen(request):\n"
            "    event=json.loads(line)\n"
            "    if event['type']=='ADDED':\n"
            "        meta=event['object']['metadata'];a=meta['annotations']\n"
            "        print(meta['uid'],a['limosa.dev/node-path'],a.get('limosa.dev/index','-'),"
            "a['limosa.dev/launch'],flush=True)\n"
        )
        self._path = path
        url = f"{cluster.server}{PODS_PATH}?watch=true&resourceVersion=0"
        with path.open("w") as out:
            self._process = subprocess.Popen([sys.executable, "-c", program, url, cluster.token], stdout=out)

    def close(self) -> list[tuple[str, ...]]:
        """(node, index, launch) of each pod."""
        time.sleep(0.2)
        self._process.kill()
        self._process.wait()
        seen = {tuple(line.split()) for line in self._path.read_text().splitlines()}
        return [entry[1:] for entry in seen]


@pytest.mark.parametrize("seed", range(3))
def test_an_operator_killed_over_and_over_completes_its_runs(
    cluster: Cluster, tmp_path: Path, seed: int
) -> None:
    operator = Operator(cluster, tmp_path / "operator")
    witness = PodWitness(cluster, tmp_path / "pods")
    chance = random.Random(seed)
    names = (f"map-{seed}", f"chain-{seed}")
    cluster.call("POST", RUNS_PATH, local_run(names[0], fan_out(), {"xs": numbers(ITEMS)}))
    cluster.call("POST", RUNS_PATH, local_run(names[1], chain(LENGTH), {"x": integer(1)}))
    write_commits(operator, cluster.run(names[0]), [("n0", index) for index in range(ITEMS)])
    write_commits(operator, cluster.run(names[1]), [(f"n{n}", None) for n in range(LENGTH)])
    for life in range(7):
        operator.start()
        wait_for(lambda life=life: operator.log.count("operator works") > life, told=lambda: operator.log)
        time.sleep(chance.uniform(0.0, 0.15))
        operator.kill()
    operator.start()
    try:
        for name in names:
            wait_for_phase(cluster, name, "SUCCEEDED", operator)
        wait_for(
            lambda: not [p for p in cluster.pods() if p["metadata"]["labels"]["limosa.dev/run"] in names]
        )
    finally:
        operator.kill()
    launched = witness.close()
    mine = [entry for entry in launched if entry[2] == "0"]
    assert len(launched) == len(set(launched)), "a launch was made twice"
    assert len(mine) == len(launched), "something was launched again although its first launch had committed"


def test_an_operator_killed_while_a_dynamic_node_s_graph_runs_completes_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    operator = Operator(cluster, tmp_path / "operator")
    witness = PodWitness(cluster, tmp_path / "pods")
    chance = random.Random(4)
    closure, graph = dynamic(chain(LENGTH))
    cluster.call("POST", RUNS_PATH, local_run("grown", closure, {"x": integer(1)}))
    items: list[tuple[str, int | None]] = [("n0", None), *((f"n0/w/n{n}", None) for n in range(LENGTH))]
    write_commits(operator, cluster.run("grown"), items, {"n0": graph})
    restored = 0
    for life in range(7):
        operator.start()
        wait_for(lambda life=life: operator.log.count("operator works") > life, told=lambda: operator.log)
        if life == 4:
            # On a slow machine every other kill may come before the graph is there.
            wait_for(lambda: _nodes_told(cluster).endswith(f"/{LENGTH + 2}"), told=lambda: operator.log)
        time.sleep(chance.uniform(0.05, 0.2))
        operator.kill()
        restored += _nodes_told(cluster).endswith(f"/{LENGTH + 2}")
    operator.start()
    try:
        status = wait_for_phase(cluster, "grown", "SUCCEEDED", operator)
    finally:
        operator.kill()
    assert restored, "every kill came before the graph was part of a status"
    assert status["nodes"] == f"{LENGTH + 2}/{LENGTH + 2}"
    launched = witness.close()
    assert len(launched) == len(set(launched)), "a launch was made twice"
    assert all(entry[2] == "0" for entry in launched), (
        "something was launched again although it had committed"
    )


def _nodes_told(cluster: Cluster) -> str:
    told: str = (cluster.run("grown").get("status") or {}).get("nodes", "")
    return told


def test_an_api_server_that_returns_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    folder.mkdir()
    port = _free_port()
    arguments = ["--port", str(port), "--data", str(folder / "data"), "--token-file", str(folder / "token")]
    arguments += ["--kubeconfig", str(folder / "kubeconfig"), "--instant-pods"]
    server = _start(arguments)
    cluster = Cluster(folder / "kubeconfig")
    _install(cluster)
    operator = Operator(cluster, tmp_path / "operator")
    operator.start()
    try:
        cluster.call("POST", RUNS_PATH, local_run("through", chain(600), {"x": integer(1)}))
        wait_for(lambda: (cluster.run("through").get("status") or {}).get("phase") == "RUNNING")
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        time.sleep(0.5)
        server = _start(arguments)
        write_commits(operator, cluster.run("through"), [(f"n{n}", None) for n in range(600)])
        wait_for(lambda: _ended(cluster, operator), told=lambda: operator.log)
        assert cluster.run("through")["status"]["phase"] == "SUCCEEDED"
    finally:
        operator.kill()
        server.kill()
        server.wait()


def _ended(cluster: Cluster, operator: Operator) -> bool:
    """Whether the run has ended; an operator that lost its lease to a server long in coming is started again."""
    if operator.exit_status() is not None:
        operator.start()
    return bool(cluster.run("through")["status"].get("finishedAt"))


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(arguments: list[str]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "limosa_sandbox.cluster", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def _install(cluster: Cluster) -> None:
    from limosa_propeller.crd import load_definition

    cluster.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", load_definition())
    labels = {"limosa.dev/project": "demo", "limosa.dev/domain": "development"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
    cluster.call("POST", "/api/v1/namespaces", namespace)
