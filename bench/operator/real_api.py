"""What the operator costs on a real API server, against a bare client on the same server: `real_api.py --kubeconfig FILE`.

The cluster has fake nodes (kwok), whose pods succeed at once and leave no termination message. So the commits, which pods would
have written, are in the store before a run begins, and the operator reads one for each task: on a cluster it would have them from
the messages. It is charged for that; the kubelet, the pods and the deletions are the same for both. Every pod of the bare client
is a pod of the operator but for its owner. Both go through TLS, each is its own process, and they never run at the same time.

CPU seconds of one machine are not those of another. So the same pods also pass through a handler of kopf that does nothing, in the
same run: where the operator's limit of 2 ms per task was set, such a handler took 3 ms. Where it takes longer, the operator's time
is held to the limit as that machine would have counted it; what was measured stands in the lines above.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

KOPF_CPU_MS = 3.0
"""What a bare handler of kopf took for a pod where the operator's limit was set."""
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "integration" / "propeller")]

from rig import (  # noqa: E402
    NAMESPACE,
    PODS_PATH,
    RUNS_PATH,
    Cluster,
    Operator,
    chain,
    fan_out,
    numbers,
    running_operator,
    task_spec,
    wait_for,
    write_commits,
)

from limosa_engine.commands import CreatePod  # noqa: E402
from limosa_engine.graph import Item  # noqa: E402
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap  # noqa: E402
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, RunSpec  # noqa: E402
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure  # noqa: E402
from limosa_model.digests import serialize, sha256_hex  # noqa: E402
from limosa_model.manifest import to_manifest  # noqa: E402
from limosa_model.values import integer  # noqa: E402
from limosa_propeller.crd import load_definition  # noqa: E402
from limosa_propeller.kube.credentials import load_credentials  # noqa: E402
from limosa_propeller.pods.manifest import PodFactory  # noqa: E402
from limosa_propeller.pods.shapes import parse_shapes  # noqa: E402
from limosa_propeller.settings import PodSettings  # noqa: E402

LIVE_PODS = 100
"""The operator's limit of pods per run, and so the peer's."""
SHAPES = json.dumps(
    {
        "onDemand": {
            "nodeSelector": {"type": "kwok"},
            "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists", "effect": "NoSchedule"}],
        }
    }
)
"""Fake nodes take only pods that ask for them."""


class RealCluster(Cluster):
    """HTTP to a real API server, with the kubeconfig's certificate."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self._found = load_credentials(str(kubeconfig))
        self.server, self.token = self._found.server, self._found.token

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        with self._open(method, path, body, kind) as answer:
            return json.load(answer)

    def wait_for_end(self, run: str) -> None:
        """Returns when a run has succeeded. Looks at one stream: asking over and over would cost the server too much."""
        query = f"?watch=true&fieldSelector=metadata.name={run}&timeoutSeconds=150"
        with self._open("GET", RUNS_PATH + query) as stream:
            for line in stream:
                phase = (json.loads(line)["object"].get("status") or {}).get("phase")
                assert phase != "FAILED", line.decode()
                if phase == "SUCCEEDED":
                    return
        raise AssertionError(f"{run} has not ended")

    def _open(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        request = urllib.request.Request(self.server + path, method=method)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", kind)
        return urllib.request.urlopen(request, data, timeout=160, context=self._found.ssl_context)

    @contextlib.contextmanager
    def installed(self) -> Any:
        """The CRD and a namespace of the bench's, gone afterwards."""
        definition = load_definition()
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        labels = {"limosa.dev/project": "demo", "limosa.dev/domain": "development"}
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": labels},
        }
        for path, body in ((crds, definition), ("/api/v1/namespaces", namespace)):
            if self.try_call("POST", path, body) == 409:
                sys.exit(f"{body['metadata']['name']} exists: the bench wants a cluster to itself")
        try:
            # Pods are refused before the namespace has its account, runs before their kind is served.
            account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
            wait_for(lambda: self.try_call("GET", account) == 200)
            wait_for(lambda: self.try_call("GET", RUNS_PATH) == 200)
            yield
        finally:
            for path in (f"/api/v1/namespaces/{NAMESPACE}", f"{crds}/{definition['metadata']['name']}"):
                with contextlib.suppress(urllib.error.HTTPError):
                    self.call("DELETE", path)
            wait_for(lambda: self.try_call("GET", f"/api/v1/namespaces/{NAMESPACE}") == 404)


class Cost(NamedTuple):
    """What a fan-out or a chain took."""

    seconds: float
    cpu_ms: float
    """Of the process that is measured, for each pod."""


@dataclasses.dataclass
class Round:
    """Each `Cost` in a fan-out, then in a chain."""

    bare: tuple[Cost, Cost]
    kopf: tuple[Cost, Cost]
    operator: tuple[Cost, Cost]

    @property
    def throughput(self) -> float:
        return self.bare[0].seconds / self.operator[0].seconds

    @property
    def latency(self) -> float:
        return self.operator[1].seconds / self.bare[1].seconds

    def cpu_ms(self, kind: int) -> float:
        """Of a task, as the machine would have counted it that the limit was set on."""
        return self.operator[kind].cpu_ms * min(1.0, KOPF_CPU_MS / self.kopf[kind].cpu_ms)


def bare_pod() -> dict[str, Any]:
    """A pod as the operator makes it, without its owner: the garbage collector would take part."""
    spec = RunSpec(run_uid="bare", name="bare", project="demo", domain="development")
    settings = PodSettings(shapes=parse_shapes(SHAPES))
    factory = PodFactory(spec, Epoch(), NAMESPACE, "bare", "s3://limosa/data", settings)
    literals = LiteralMap(literals={"x": integer(1)})
    command = CreatePod(Item("n0", 1), 0, "abcdefghij", "flow.double", literals, "sha256:" + "0" * 64, None)
    pod = factory.make(command, task_spec())
    del pod["metadata"]["ownerReferences"]
    return pod


def bare_client(cluster: RealCluster, kind: str, count: int, kopf: bool = False) -> Cost:
    """What creating, watching and deleting pods costs; with `kopf`, a handler of its watches in place of the client."""
    job = {
        "kubeconfig": str(cluster.kubeconfig),
        "path": PODS_PATH,
        "pod": bare_pod(),
        "prefix": f"bare-{time.monotonic_ns()}",
        "kind": kind,
        "count": count,
        "live": LIVE_PODS,
        "kopf": kopf,
        "namespace": NAMESPACE,
    }
    command = [sys.executable, str(HERE / "bare_real.py")]
    done = subprocess.run(command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout)
    return Cost(told["seconds"], told["cpu"] / count * 1e3)


def cpu_seconds(operators: list[Operator]) -> float:
    ticks = 0
    for operator in operators:
        fields = Path(f"/proc/{operator.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def run_of(
    operator: Operator, name: str, closure: Closure, inputs: dict[str, Literal], items: list
) -> dict[str, Any]:
    """A WorkflowRun whose commits are in the store already: its uid is known before the object is."""
    data, uid = serialize(closure), str(uuid.uuid4())
    spec = RunSpec(
        run_uid=uid,
        name=name,
        project="demo",
        domain="development",
        closure=data,
        closure_digest=sha256_hex(data),
        inputs=LiteralMap(literals=inputs),
    )
    write_commits(operator, {"metadata": {"uid": uid, "name": name}}, items)
    return to_manifest(spec, Epoch())


def timed_run(
    cluster: RealCluster, operators: list[Operator], manifest: dict[str, Any]
) -> tuple[float, float]:
    """Seconds until the run has succeeded, and of the operators' CPU until its pods are gone too."""
    name, cpu = manifest["metadata"]["name"], cpu_seconds(operators)
    began = time.perf_counter()
    cluster.call("POST", RUNS_PATH, manifest)
    cluster.wait_for_end(name)
    took = time.perf_counter() - began
    while cluster.pods():
        time.sleep(0.2)
    return took, cpu_seconds(operators) - cpu


def measure(cluster: RealCluster, folder: Path, tasks: int, length: int) -> Round:
    bare, kopf = (
        (bare_client(cluster, "fan", tasks, through), bare_client(cluster, "chain", length, through))
        for through in (False, True)
    )
    with running_operator(cluster, folder, {"LIMOSA_SHAPES": SHAPES}) as operator:
        wait_for(lambda: "operator works" in operator.log, told=lambda: operator.log)
        steps: list[tuple[str, int | None]] = [(f"n{n}", None) for n in range(length)]
        warm = run_of(operator, "warm", chain(5), {"x": integer(1)}, steps[:5])
        timed_run(cluster, [operator], warm)
        items: list[tuple[str, int | None]] = [("n0", n) for n in range(tasks)]
        wide = run_of(operator, "fan", fan_out(), {"xs": numbers(tasks)}, items)
        began = time.perf_counter()
        _, fan_cpu = timed_run(cluster, [operator], wide)
        fan = time.perf_counter() - began
        long = run_of(operator, "chain", chain(length), {"x": integer(1)}, steps)
        chained, chain_cpu = timed_run(cluster, [operator], long)
        for name in ("warm", "fan", "chain"):
            cluster.call("DELETE", f"{RUNS_PATH}/{name}")
        operator.stop()
    return Round(bare, kopf, (Cost(fan, fan_cpu / tasks * 1e3), Cost(chained, chain_cpu / length * 1e3)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kubeconfig", default=os.environ.get("KUBECONFIG", ""), help="of a cluster with fake nodes"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", type=int, default=1000, help="pods of the fan-out")
    parser.add_argument("--length", type=int, default=100, help="nodes of the chain")
    given = parser.parse_args()
    if not given.kubeconfig:
        parser.error("--kubeconfig is needed: bench/operator/run.py measures without a cluster")
    cluster, rounds = RealCluster(Path(given.kubeconfig)), []
    with cluster.installed():
        for number in range(given.rounds):
            with tempfile.TemporaryDirectory(prefix="limosa-bench-") as folder:
                rounds.append(measure(cluster, Path(folder) / "operator", given.tasks, given.length))
            print(f"round {number + 1}: {rounds[-1]}", file=sys.stderr)

    def median(of: Callable[[Round], float]) -> float:
        return statistics.median(of(r) for r in rounds)

    rows = [
        ("throughput against a bare client", median(lambda r: r.throughput), "×", ">=", 0.8),
        ("chain against its create→Succeeded", median(lambda r: r.latency), "×", "<=", 1.3),
        ("operator CPU, fan-out, scaled by kopf", median(lambda r: r.cpu_ms(0)), "ms", "<=", 2.0),
        ("operator CPU, chain, scaled by kopf", median(lambda r: r.cpu_ms(1)), "ms", "<=", 2.0),
    ]
    print(f"{given.tasks} pods, chain of {given.length}, median of {given.rounds}")
    for name, of in (
        ("bare client", lambda r: r.bare),
        ("bare kopf handler", lambda r: r.kopf),
        ("operator", lambda r: r.operator),
    ):
        rate = given.tasks / median(lambda r, of=of: of(r)[0].seconds)
        step = median(lambda r, of=of: of(r)[1].seconds) / given.length * 1e3
        cpu = [median(lambda r, of=of, kind=kind: of(r)[kind].cpu_ms) for kind in (0, 1)]
        print(f"{name:18} {rate:4.0f} pods/s, {step:5.1f} ms a step; CPU {cpu[0]:.2f}, {cpu[1]:.2f} ms a pod")
    failed = False
    for name, value, unit, sense, gate in rows:
        good = value >= gate if sense == ">=" else value <= gate
        failed |= not good
        print(f"{name:38} {value:8.2f} {unit:2} gate {sense} {gate:<5} {'ok' if good else 'MISSED'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
