"""One run's driver on a cluster of dictionaries: what tests of the driver and of faults share."""

import asyncio
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from limosa_engine.settings import EngineSettings
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, RunSpec, Snapshot, TerminationRecord
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, RetryPolicy, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import (
    Binding,
    BindingData,
    Closure,
    InputRef,
    Node,
    OutputRef,
    TaskNode,
    WorkflowSpec,
)
from limosa_model import failures
from limosa_model.digests import serialize, sha256_hex
from limosa_model.manifest import to_manifest
from limosa_model.pod_contract import encode_termination
from limosa_model.values import integer
from limosa_propeller.admin_link.cache_desk import NoCache
from limosa_propeller.admin_link.child_desk import NoChildren
from limosa_propeller.clock import Clock
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.pace import Pace
from limosa_propeller.metrics import Metrics
from limosa_propeller.runs.capacity import Capacity, Limits
from limosa_propeller.runs.division import Division
from limosa_propeller.runs.driver import RunDriver
from limosa_propeller.runs.pod_index import PodIndex
from limosa_propeller.runs.removals import Removals
from limosa_propeller.runs.services import Services
from limosa_propeller.settings import OperatorSettings
from limosa_propeller.timers import Timers
from limosa_store.settings import StoreSettings
from limosa_store.store import Store, open_store

Object = dict[str, Any]


class FakeCluster:
    """The verbs a driver uses, on dictionaries, with a log of writes; status patches can be held back or refused."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.pods: dict[str, Object] = {}
        self.events: list[Object] = []
        self.status: Object | None = None
        self.status_gate = asyncio.Event()
        self.status_gate.set()
        self.status_error: ApiError | None = None
        self.create_error: ApiError | None = None
        self.collection_errors: list[ApiError] = []
        """What removals of many are answered with, one after the other."""
        self.run: Object | None = None
        self._version = 10

    async def create(self, resource: object, namespace: str, body: Object) -> Object:
        name = body["metadata"]["name"]
        if body["kind"] == "Event":
            self.events.append(body)
            return body
        self.writes.append(f"create {body['metadata']['annotations']['limosa.dev/launch']}")
        await asyncio.sleep(0)
        if self.create_error is not None:
            raise self.create_error
        if name in self.pods:
            raise ApiError(409, "AlreadyExists", name)
        pod = copy.deepcopy(body)
        pod["metadata"].update(uid=f"uid-{name}", resourceVersion=self.version())
        pod["status"] = {"phase": "Pending"}
        self.pods[name] = pod
        return pod

    async def get(self, resource: object, namespace: str | None, name: str) -> Object:
        if name in self.pods:
            return self.pods[name]
        if self.run is None:
            raise ApiError(404, "NotFound", name)
        return self.run

    async def delete(
        self, resource: object, namespace: str, name: str, uid: str = "", grace_seconds: int | None = None
    ) -> None:
        self.writes.append("delete" if grace_seconds is None else f"delete within {grace_seconds} s")
        if name not in self.pods:
            raise ApiError(404, "NotFound", name)
        assert self.pods.pop(name)["metadata"]["uid"] == uid

    async def delete_collection(self, resource: object, namespace: str, labels: str) -> None:
        key, _, values = labels.partition(" in ")
        wanted = set(values.strip("()").split(","))
        self.writes.append(f"delete {len(wanted)}")
        if self.collection_errors:
            raise self.collection_errors.pop(0)
        for name, pod in list(self.pods.items()):
            if pod["metadata"]["labels"].get(key) in wanted:
                del self.pods[name]

    async def replace_status(
        self, resource: object, namespace: str, name: str, uid: str, status: bytes
    ) -> None:
        await self.status_gate.wait()
        if self.status_error is not None:
            raise self.status_error
        self.writes.append("status")
        self.status = orjson.loads(status)

    def version(self) -> str:
        self._version += 1
        return str(self._version)


class Here:
    """The store without threads."""

    root = "file:///nowhere"

    def __init__(self, store: Store) -> None:
        self._store = store

    async def call(self, work: Callable[[Store], Any]) -> Any:
        return work(self._store)


class Tenant:
    async def tenant(self, namespace: str) -> tuple[str, str]:
        return "demo", "development"


class AllSecrets:
    async def refusal(self, namespace: str, secrets: set[str]) -> str:
        return ""


class Templates(dict[str, Object]):
    async def get(self, namespace: str, name: str) -> Object | None:  # type: ignore[override]
        return dict.get(self, name)


class Snapshots(list[Snapshot]):
    def put(self, snapshot: Snapshot) -> None:
        self.append(snapshot)


class Stage:
    """One driver and everything around it."""

    def __init__(
        self, folder: Path, closure: Closure | None = None, inputs: LiteralMap | None = None
    ) -> None:
        self.cluster, self.pods, self.snapshots = FakeCluster(), PodIndex(), Snapshots()
        self.gone: list[str] = []
        self.told = 0
        """How often there were news for admin."""
        self.templates = Templates()
        services = Services(
            settings=OperatorSettings(status_interval_seconds=0.0, status_bytes_per_second=10**9),
            engine=EngineSettings(system_backoff=0.0, rejected_backoff=0.0, deletion_margin=0.0),
            verbs=self.cluster,  # type: ignore[arg-type]
            store=Here(open_store(StoreSettings(url=f"file://{folder}"))),  # type: ignore[arg-type]
            clock=Clock(),
            timers=Timers(asyncio.get_running_loop()),
            namespaces=Tenant(),  # type: ignore[arg-type]
            secrets=AllSecrets(),  # type: ignore[arg-type]
            templates=self.templates,  # type: ignore[arg-type]
            division=Division(),
            capacity=Capacity(Limits(100, 100)),
            pace=Pace(64),
            removals=Removals(self.cluster, 4, 0.0),  # type: ignore[arg-type]
            snapshots=self.snapshots,
            children=NoChildren(),
            cache=NoCache(),
            metrics=Metrics(),
        )
        self.services = services
        self.manifest = manifest(closure or chain(1), inputs)
        self.cluster.run = self.manifest
        self.driver = RunDriver(self.manifest, services, self.pods, self.gone.append, self.tell)

    def tell(self) -> None:
        self.told += 1

    async def start(self) -> None:
        self.driver.start()
        await settle()

    async def end_pod(self, exit_code: int = 0, committed: bool = True) -> None:
        """The one pod ends; its news reach the driver."""
        (pod,) = self.pending()
        self._end(pod, exit_code, committed)
        await settle()

    async def end_pods(self, left: int = 0) -> None:
        """All pods but the first `left` succeed; their news reach the driver together."""
        for pod in self.pending()[left:]:
            self._end(pod, 0, True)
        await settle()

    def pending(self) -> list[Object]:
        """Pods that have not ended."""
        return [pod for pod in self.cluster.pods.values() if pod["status"]["phase"] == "Pending"]

    def _end(self, pod: Object, exit_code: int, committed: bool) -> None:
        self.mark_ended(pod, exit_code, committed)
        entry = self.pods.observe(pod)
        assert entry is not None
        self.driver.observe_pod(entry)

    def mark_ended(self, pod: Object, exit_code: int = 0, committed: bool = True) -> None:
        """A pod's status says how it ended; nobody is told."""
        launch_id = pod["metadata"]["annotations"]["limosa.dev/launch-id"]
        record = TerminationRecord(launch_id=launch_id, outcome=TerminationRecord.OUTCOME_COMMITTED)
        record.outputs.literals["o0"].CopyFrom(integer(7))
        if not committed:
            record = TerminationRecord(launch_id=launch_id, outcome=TerminationRecord.OUTCOME_FAILED)
            record.failure.CopyFrom(failures.user("UserException", "no", retryable=True))
        terminated = {"exitCode": exit_code, "message": encode_termination(record)}
        pod["status"] = {
            "phase": "Failed" if exit_code else "Succeeded",
            "containerStatuses": [{"name": "task", "state": {"terminated": terminated}}],
        }
        pod["metadata"]["resourceVersion"] = self.cluster.version()


async def settle() -> None:
    for _ in range(60):
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)


def chain(length: int) -> Closure:
    number = LiteralType(simple=SIMPLE_TYPE_INTEGER)
    interface = Interface(
        inputs=[Variable(name="x", type=number)], outputs=[Variable(name="o0", type=number)]
    )
    task = TaskSpec(
        name="f.t", interface=interface, python=PythonTask(loader="f:t"), retry=RetryPolicy(retries=1)
    )
    nodes = []
    for n in range(length):
        source = {"output": OutputRef(node=f"n{n - 1}", output="o0")} if n else {"input": InputRef(name="x")}
        nodes.append(
            Node(
                id=f"n{n}", inputs=[Binding(name="x", data=BindingData(**source))], task=TaskNode(task="f.t")
            )
        )
    last = Binding(name="o0", data=BindingData(output=OutputRef(node=f"n{length - 1}", output="o0")))
    return Closure(
        entry="f.w",
        tasks=[task],
        workflows=[WorkflowSpec(name="f.w", interface=interface, nodes=nodes, outputs=[last])],
    )


def parallel(count: int) -> Closure:
    """A workflow that calls its task `count` times with its input."""
    closure = chain(1)
    workflow = closure.workflows[0]
    for number in range(1, count):
        workflow.nodes.add().CopyFrom(workflow.nodes[0])
        workflow.nodes[number].id = f"n{number}"
    return closure


def manifest(closure: Closure, inputs: LiteralMap | None = None) -> Object:
    data = serialize(closure)
    spec = RunSpec(
        run_uid="run-uid",
        name="calm-heron",
        project="demo",
        domain="development",
        closure=data,
        closure_digest=sha256_hex(data),
        inputs=inputs or LiteralMap(literals={"x": integer(1)}),
    )
    made = to_manifest(spec, Epoch(generation=1, number=1))
    made["metadata"].update(uid="object-uid", generation=1)
    return made


def phases(stage: Stage) -> list[int]:
    return [snapshot.run.phase for snapshot in stage.snapshots if snapshot.WhichOneof("state") == "run"]
