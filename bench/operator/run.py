"""What the operator costs, against a bare client on the same server: `python bench/operator/run.py`.

The sandbox's API server (its own process, persisting as the demo's does) with instant pods; the operator, its own
process; the bare client, its own process. API calls and store calls are counted by the servers.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "integration" / "propeller")]

from counting_store import CountingStore  # noqa: E402
from rig import (  # noqa: E402
    NAMESPACE,
    PODS_PATH,
    RUNS_PATH,
    Cluster,
    Operator,
    chain,
    fan_out,
    local_run,
    numbers,
    running_cluster,
    running_operator,
    task_spec,
    wait_for,
)

from limosa_engine.commands import CreatePod  # noqa: E402
from limosa_engine.graph import Item  # noqa: E402
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap  # noqa: E402
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, RunSpec  # noqa: E402
from limosa_model.values import integer  # noqa: E402
from limosa_propeller.pods.manifest import PodFactory  # noqa: E402
from limosa_propeller.settings import PodSettings  # noqa: E402

LIVE_PODS = 100
"""The operator's limit of pods per run, and so the peer's."""


@dataclass
class Round:
    bare_s: float
    fan_s: float
    chain_ms: float
    cpu_ms: float
    api_calls: float
    store_calls: int

    @property
    def ratio(self) -> float:
        return self.bare_s / self.fan_s


def bare_client(cluster: Cluster, count: int) -> float:
    spec = RunSpec(run_uid="bare", name="bare", project="demo", domain="development")
    annotations = local_run("bare", chain(1), {"x": integer(1)})["spec"]["annotations"]
    spec.annotations.update(annotations)
    factory = PodFactory(spec, Epoch(), NAMESPACE, "bare", "s3://limosa/data", PodSettings())
    literals = LiteralMap(literals={"x": integer(1)})
    command = CreatePod(Item("n0", 1), 0, "abcdefghij", "flow.double", literals, "sha256:" + "0" * 64, None)
    pod = factory.make(command, task_spec())
    # Its owner is not in the cluster: the garbage collector would take part.
    del pod["metadata"]["ownerReferences"]
    job = {
        "server": cluster.server,
        "token": cluster.token,
        "path": PODS_PATH,
        "pod": pod,
        "prefix": f"bare-{time.monotonic_ns()}",
        "count": count,
        "live": LIVE_PODS,
    }
    command_line = [sys.executable, str(HERE / "bare_client.py")]
    done = subprocess.run(command_line, input=json.dumps(job), capture_output=True, text=True, check=True)
    return float(done.stdout)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def operator_requests(cluster: Cluster) -> int:
    request = urllib.request.Request(f"{cluster.server}/metrics")
    request.add_header("Authorization", f"Bearer {cluster.token}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    return sum(
        int(n) for n in re.findall(r"apiserver_request_total\{[^}]*limosa-propeller[^}]*\} (\d+)", text)
    )


def timed_run(cluster: Cluster, operator: Operator, name: str, manifest: dict) -> float:
    began = time.perf_counter()
    cluster.call("POST", RUNS_PATH, manifest)
    wait_for(
        lambda: (cluster.run(name).get("status") or {}).get("phase") == "SUCCEEDED", 120, lambda: operator.log
    )
    return time.perf_counter() - began


def measure(folder: Path, tasks: int, length: int) -> Round:
    store = CountingStore()
    arguments = ["--instant-pods", "--data", str(folder / "data")]
    try:
        with running_cluster(folder / "cluster", *arguments) as cluster:
            bare = bare_client(cluster, tasks)
            with running_operator(cluster, folder / "operator", store.environ()) as operator:
                wait_for(lambda: "operator works" in operator.log, told=lambda: operator.log)
                timed_run(cluster, operator, "warm", local_run("warm", chain(20), {"x": integer(1)}))
                store_before, calls_before = store.requests, operator_requests(cluster)
                cpu_before = cpu_seconds(operator.pid)
                began = time.perf_counter()
                timed_run(cluster, operator, "fan", local_run("fan", fan_out(), {"xs": numbers(tasks)}))
                wait_for(lambda: not cluster.pods())
                fan = time.perf_counter() - began
                cpu = cpu_seconds(operator.pid) - cpu_before
                calls = operator_requests(cluster) - calls_before
                chained = timed_run(
                    cluster, operator, "chain", local_run("chain", chain(length), {"x": integer(1)})
                )
                stored = store.requests - store_before
    finally:
        store.close()
    return Round(bare, fan, chained / length * 1e3, cpu / tasks * 1e3, calls / tasks, stored)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=2000, help="pods of the fan-out")
    parser.add_argument("--length", type=int, default=200, help="nodes of the chain")
    given = parser.parse_args()
    rounds = []
    for number in range(given.rounds):
        with tempfile.TemporaryDirectory(prefix="limosa-bench-") as folder:
            rounds.append(measure(Path(folder), given.tasks, given.length))
        print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr)

    def median(name: str) -> float:
        return statistics.median(getattr(r, name) for r in rounds)

    rows = [
        ("throughput against a bare client", median("ratio"), "×", ">=", 0.6),
        ("chain, per node", median("chain_ms"), "ms", "<=", 5.0),
        ("operator CPU, per task", median("cpu_ms"), "ms", "<=", 1.5),
        ("API calls, per task", median("api_calls"), "", "<=", 2.5),
        ("object-store calls", max(r.store_calls for r in rounds), "", "<=", 0),
    ]
    print(f"{given.tasks} pods, chain of {given.length}, median of {given.rounds}")
    print(
        f"bare client {given.tasks / median('bare_s'):.0f} pods/s, operator {given.tasks / median('fan_s'):.0f} tasks/s"
    )
    failed = False
    for name, value, unit, sense, gate in rows:
        good = value >= gate if sense == ">=" else value <= gate
        failed |= not good
        print(f"{name:36} {value:8.2f} {unit:2} gate {sense} {gate:<5} {'ok' if good else 'MISSED'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
