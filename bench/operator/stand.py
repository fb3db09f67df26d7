"""A server, an operator and a store to measure, each as a user would run it, and how runs on them are followed."""

import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson
from counting_store import CountingStore
from rig import (
    PODS_PATH,
    Cluster,
    Operator,
    chain,
    local_run,
    running_cluster,
    task_spec,
    wait_for,
)
from table import Row

from limosa_engine.commands import CreatePod
from limosa_engine.graph import Item
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, RunSpec
from limosa_model.values import integer
from limosa_propeller.pods.manifest import PodFactory
from limosa_propeller.settings import PodSettings

HERE = Path(__file__).resolve().parent
LIVE_PODS = 100
"""The operator's limit of pods per run."""
STAYS = "limosa.dev/sandbox-stays"
"""Annotation of pods that run until they are deleted."""
LASTS = "limosa.dev/sandbox-lasts"
"""Annotation of pods that run for so many seconds."""
WAIT_LIMIT_S = 0.05
"""Most seconds from an event to the pod request that follows from it, 99 of 100 times."""
SUBMITTERS = 8
"""Requests at a time that create runs."""
SECONDS = 600.0
"""Ends a measurement that would hang."""


class Stand:
    """The three processes."""

    def __init__(self, cluster: Cluster, operator: Operator, store: CountingStore, metrics: str) -> None:
        self.cluster, self.operator, self.store = cluster, operator, store
        self._metrics = metrics

    def start(self) -> None:
        """Starts the operator and waits until it works."""
        before = (
            self.operator.log.count("operator works")
            if (self.operator.folder / "operator.log").exists()
            else 0
        )
        self.operator.start()
        wait_for(lambda: self.operator.log.count("operator works") > before, told=lambda: self.operator.log)

    def cpu(self) -> float:
        """CPU seconds that the operator used so far."""
        return cpu_seconds(self.operator.pid)

    def requests(self, verb: str = "") -> int:
        """Requests of the operator that the server answered so far."""
        pattern = r"apiserver_request_total\{([^}]*limosa-propeller[^}]*)\} (\d+)"
        found = re.findall(pattern, fetch(f"{self.cluster.server}/metrics", self.cluster.token))
        return sum(int(count) for labels, count in found if f'verb="{verb}' in labels.lower())

    def metric(self, name: str) -> float:
        """A metric of the operator, summed over its labels."""
        pattern = rf"^{name}(?:\{{[^}}]*\}})? ([0-9.e+-]+)$"
        return sum(float(value) for value in re.findall(pattern, fetch(self._metrics), re.MULTILINE))

    def buckets(self, name: str) -> dict[float, float]:
        """A histogram of the operator: how many observations were at most so large."""
        found = re.findall(
            rf'^{name}_bucket{{le="([^"]+)"}} ([0-9.e+-]+)$', fetch(self._metrics), re.MULTILINE
        )
        return {float(edge): float(count) for edge, count in found}


@contextmanager
def standing(folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Stand]:
    """A server with instant pods that persists as the demo's does, a store in memory, an operator that does not run yet."""
    with ExitStack() as stack:
        store = CountingStore()
        stack.callback(store.close)
        arguments = ["--instant-pods", "--data", str(folder / "data")]
        cluster = stack.enter_context(running_cluster(folder / "cluster", *arguments))
        port = free_port()
        given = {
            "LIMOSA_LIVENESS_ENDPOINT": f"http://127.0.0.1:{port}/healthz",
            **store.environ(),
            **(environ or {}),
        }
        operator = Operator(cluster, folder / "operator", given)
        stand = Stand(cluster, operator, store, f"http://127.0.0.1:{port}/metrics")
        try:
            yield stand
        finally:
            if (folder / "operator" / "operator.log").exists() and operator.exit_status() is None:
                operator.kill()


class Phases:
    """The phase of every run, and the largest status of each, as a watch tells them."""

    def __init__(self, cluster: Cluster) -> None:
        self.now: dict[str, str] = {}
        self.status_bytes: dict[str, int] = {}
        request = urllib.request.Request(f"{cluster.server}/apis/limosa.dev/v1alpha1/workflowruns?watch=true")
        request.add_header("Authorization", f"Bearer {cluster.token}")
        self._stream = urllib.request.urlopen(request, timeout=SECONDS)
        threading.Thread(target=self._read, daemon=True).start()

    def ended(self) -> int:
        """How many runs succeeded."""
        failed = [name for name, phase in self.now.items() if phase in ("FAILED", "ABORTED")]
        assert not failed, f"runs failed: {failed[:5]}"
        return sum(phase == "SUCCEEDED" for phase in list(self.now.values()))

    def _read(self) -> None:
        for line in self._stream:
            run = orjson.loads(line)["object"]
            status = run.get("status") or {}
            name = f"{run['metadata']['namespace']}/{run['metadata']['name']}"
            self.now[name] = status.get("phase", "")
            size = len(orjson.dumps(status))
            self.status_bytes[name] = max(self.status_bytes.get(name, 0), size)


def run_all(
    stand: Stand, phases: Phases, manifests: list[dict[str, Any]], pause: float = 0.02
) -> tuple[float, float]:
    """Seconds from the first run's creation until all have succeeded, and until their pods are gone too."""
    before, began = phases.ended(), time.perf_counter()
    submit(stand.cluster, manifests)
    until(lambda: phases.ended() - before >= len(manifests), stand, pause)
    succeeded = time.perf_counter() - began
    until(lambda: not stand.cluster.call("GET", "/api/v1/pods?limit=1")["items"], stand, pause)
    return succeeded, time.perf_counter() - began


def submit(cluster: Cluster, manifests: list[dict[str, Any]]) -> None:
    """Creates runs, each in its namespace, some at a time: one after the other they would wait behind the first one's pods."""

    def create(manifest: dict[str, Any]) -> None:
        place = manifest["metadata"]["namespace"]
        cluster.call("POST", f"/apis/limosa.dev/v1alpha1/namespaces/{place}/workflowruns", manifest)

    with ThreadPoolExecutor(SUBMITTERS) as threads:
        deque(threads.map(create, manifests), maxlen=0)


def until(what: Callable[[], Any], stand: Stand, pause: float) -> None:
    """Polls, more slowly than tests do: whoever asks costs the server time."""
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, stand.operator.log[-4000:]
        time.sleep(pause)


@dataclasses.dataclass(frozen=True)
class Bare:
    """What the peer took."""

    seconds: float
    wait_p99: float
    """Seconds from a pod's end to the request that follows from it."""


def bare_client(cluster: Cluster, count: int, live: int = LIVE_PODS) -> Bare:
    """The peer makes the same pods, `live` of them at a time."""
    spec = RunSpec(run_uid="bare", name="bare", project="demo", domain="development")
    annotations = local_run("bare", chain(1), {"x": integer(1)})["spec"]["annotations"]
    spec.annotations.update(annotations)
    factory = PodFactory(spec, Epoch(), "demo-development", "bare", "s3://limosa/data", PodSettings())
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
        "live": live,
    }
    command_line = [sys.executable, str(HERE / "bare_client.py")]
    done = subprocess.run(command_line, input=json.dumps(job), capture_output=True, text=True, check=True)
    return Bare(**json.loads(done.stdout))


def add_namespaces(cluster: Cluster, count: int) -> list[str]:
    """Projects team0, team1, … of their own, as limits of pods are per namespace; gives their names."""
    projects = [f"team{number}" for number in range(count)]
    for project in projects:
        labels = {"limosa.dev/project": project, "limosa.dev/domain": "development"}
        metadata = {"name": f"{project}-development", "labels": labels}
        cluster.call(
            "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        )
    return projects


def wait_row(name: str, ours: float, bare: Bare, relative: float | None = None) -> Row:
    """The 99th percentile of the wait from an event to the pod request that follows from it, in seconds, held to its limit.

    With more pods to ask for than the server takes at once, whoever asks waits for the server, the peer too. Where the peer
    itself cannot stay below the limit, the wait is held to the peer's, as the throughput is; `relative` is that ratio, where
    it is not of these two.
    """
    if bare.wait_p99 <= WAIT_LIMIT_S:
        return Row(f"{name}: event to pod request, p99", ours * 1e3, "ms", "<=", WAIT_LIMIT_S * 1e3)
    ratio = ours / bare.wait_p99 if relative is None else relative
    return Row(f"{name}: event to pod request, p99, against the bare client", ratio, "×", "<=", 1.33)


def quantile(before: Mapping[float, float], after: Mapping[float, float], share: float) -> float:
    """A quantile of what a histogram observed in between, in its unit, interpolated as Prometheus does."""
    counts = {edge: count - before.get(edge, 0.0) for edge, count in sorted(after.items())}
    wanted, below, reached = share * max(counts.values()), 0.0, 0.0
    for edge, count in counts.items():
        if count >= wanted:
            return (
                below
                if edge == float("inf")
                else below + (edge - below) * (wanted - reached) / max(count - reached, 1)
            )
        below, reached = edge, count
    return below


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Memory of a process that is in RAM."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def fetch(url: str, token: str = "") -> str:
    """The text at an address."""
    request = urllib.request.Request(url)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        text: str = answer.read().decode()
        return text
