"""What a driver does in which order: the crash rule, quarantine, and what it makes of odd answers."""

import asyncio
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limosa_engine.commands import Quarantine
from limosa_engine.settings import EngineSettings
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_idl.run.v1alpha1.run_pb2 import Commit, Epoch, RunSpec, Snapshot, TerminationRecord
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
from limosa_model.layout import commit_key, run_prefix
from limosa_model.manifest import to_manifest
from limosa_model.pod_contract import encode_termination
from limosa_model.values import integer
from limosa_propeller.admin_link.cache_desk import NoCache
from limosa_propeller.admin_link.child_desk import NoChildren
from limosa_propeller.clock import Clock
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.metrics import Metrics
from limosa_propeller.runs import actions
from limosa_propeller.runs import driver as driver_module
from limosa_propeller.runs.capacity import Capacity
from limosa_propeller.runs.driver import RunDriver
from limosa_propeller.runs.pod_index import PodIndex
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

    async def delete(self, resource: object, namespace: str, name: str, uid: str = "") -> None:
        self.writes.append("delete")
        if name not in self.pods:
            raise ApiError(404, "NotFound", name)
        assert self.pods.pop(name)["metadata"]["uid"] == uid

    async def replace_status(
        self, resource: object, namespace: str, name: str, uid: str, status: bytes
    ) -> None:
        await self.status_gate.wait()
        if self.status_error is not None:
            raise self.status_error
        self.writes.append("status")
        import orjson

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

    def __init__(self, folder: Path, closure: Closure | None = None) -> None:
        self.cluster, self.pods, self.snapshots = FakeCluster(), PodIndex(), Snapshots()
        self.gone: list[str] = []
        self.told = 0
        """How often there were news for admin."""
        self.templates = Templates()
        services = Services(
            settings=OperatorSettings(status_interval_seconds=0.0, status_bytes_per_second=10**9),
            engine=EngineSettings(system_backoff=0.0, rejected_backoff=0.0),
            verbs=self.cluster,  # type: ignore[arg-type]
            store=Here(open_store(StoreSettings(url=f"file://{folder}"))),  # type: ignore[arg-type]
            clock=Clock(),
            timers=Timers(asyncio.get_running_loop()),
            namespaces=Tenant(),  # type: ignore[arg-type]
            secrets=AllSecrets(),  # type: ignore[arg-type]
            templates=self.templates,  # type: ignore[arg-type]
            capacity=Capacity(100, 100),
            removals=asyncio.Semaphore(4),
            snapshots=self.snapshots,
            children=NoChildren(),
            cache=NoCache(),
            metrics=Metrics(),
        )
        self.services = services
        self.manifest = manifest(closure or chain(1))
        self.cluster.run = self.manifest
        self.driver = RunDriver(self.manifest, services, self.pods, self.gone.append, self.tell)

    def tell(self) -> None:
        self.told += 1

    async def start(self) -> None:
        self.driver.start()
        await settle()

    async def end_pod(self, exit_code: int = 0, committed: bool = True) -> None:
        """The one pod ends; its news reach the driver."""
        (pod,) = [p for p in self.cluster.pods.values() if p["status"]["phase"] == "Pending"]
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
        entry = self.pods.observe(pod)
        assert entry is not None
        self.driver.observe_pod(entry)
        await settle()


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


def manifest(closure: Closure) -> Object:
    data = serialize(closure)
    spec = RunSpec(
        run_uid="run-uid",
        name="calm-heron",
        project="demo",
        domain="development",
        closure=data,
        closure_digest=sha256_hex(data),
        inputs=LiteralMap(literals={"x": integer(1)}),
    )
    made = to_manifest(spec, Epoch(generation=1, number=1))
    made["metadata"].update(uid="object-uid", generation=1)
    return made


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def phases(stage: Stage) -> list[int]:
    return [snapshot.run.phase for snapshot in stage.snapshots if snapshot.WhichOneof("state") == "run"]


async def test_a_first_launch_waits_for_no_status(stage: Stage) -> None:
    stage.cluster.status_gate.clear()
    await stage.start()
    assert stage.cluster.writes == ["create 0"]


async def test_a_further_launch_waits_for_an_accepted_status(stage: Stage) -> None:
    await stage.start()
    stage.cluster.status_gate.clear()
    await stage.end_pod(exit_code=1, committed=False)
    assert "create 1" not in stage.cluster.writes
    stage.cluster.status_gate.set()
    await settle()
    writes = stage.cluster.writes
    assert "status" in writes[writes.index("create 0") : writes.index("create 1")]


async def test_a_pod_goes_only_after_its_outcome_was_accepted(tmp_path: Path) -> None:
    stage = Stage(tmp_path, chain(2))
    await stage.start()
    stage.cluster.status_gate.clear()
    await stage.end_pod()
    assert "delete" not in stage.cluster.writes
    assert stage.cluster.writes.count("create 0") == 2
    stage.cluster.status_gate.set()
    await settle()
    assert "delete" in stage.cluster.writes


async def test_the_end_is_told_only_after_it_was_written(stage: Stage) -> None:
    await stage.start()
    stage.cluster.status_gate.clear()
    await stage.end_pod()
    assert 5 not in phases(stage)
    stage.cluster.status_gate.set()
    await settle()
    assert phases(stage)[-1] == 5
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"
    assert stage.driver.over


async def test_a_run_that_the_engine_puts_aside_ends_and_keeps_its_state(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.start()
    assert stage.cluster.status is not None
    before = stage.cluster.status["state"]
    again = copy.deepcopy(stage.manifest)
    again["status"] = stage.cluster.status
    failure = failures.system("CorruptData", "another graph", retryable=False)
    monkeypatch.setattr(driver_module, "step", lambda *_: [Quarantine(failure)])
    stage.driver.close()
    stage.driver = RunDriver(again, stage.services, stage.pods, stage.gone.append, stage.tell)
    await stage.start()
    assert (stage.cluster.status["phase"], stage.cluster.status["reason"]) == ("FAILED", "CorruptData")
    assert stage.cluster.status["state"] == before


async def test_a_restart_goes_on_from_the_status(stage: Stage, tmp_path: Path) -> None:
    await stage.start()
    stage.driver.close()
    again = copy.deepcopy(stage.manifest)
    again["status"] = stage.cluster.status
    for pod in stage.cluster.pods.values():
        stage.pods.observe(pod)
    stage.driver = RunDriver(again, stage.services, stage.pods, stage.gone.append, stage.tell)
    await stage.start()
    assert stage.cluster.writes.count("create 0") == 1
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"


async def test_a_run_that_parks_gives_its_slot_back_at_once_and_shows_it(tmp_path: Path) -> None:
    closure = chain(1)
    closure.tasks[0].retry.backoff.seconds = 3600
    stage = Stage(tmp_path, closure)
    await stage.start()
    assert stage.driver.holds_slot
    await stage.end_pod(exit_code=1, committed=False)
    assert (stage.driver.phase, stage.driver.holds_slot, stage.told) == ("PARKED", False, 1)
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "PARKED"
    stage.driver.close()
    parked = {**stage.manifest, "status": stage.cluster.status}
    again = RunDriver(parked, stage.services, stage.pods, stage.gone.append, stage.tell)
    assert not again.holds_slot
    assert not again.over
    again.close()


async def test_a_run_is_counted_and_told_of_as_kubernetes_events(stage: Stage) -> None:
    await stage.start()
    await stage.end_pod()
    text = stage.services.metrics.text().decode()
    assert "limosa_launches_total 1.0" in text
    assert 'limosa_runs_ended_total{phase="succeeded"} 1.0' in text
    assert 'limosa_pods_removed_total{reason="finished"} 1.0' in text
    assert "limosa_engine_step_seconds_count" in text
    told = [
        (event["reason"], event["type"], event["involvedObject"]["uid"]) for event in stage.cluster.events
    ]
    assert told == [("Started", "Normal", "object-uid"), ("Succeeded", "Normal", "object-uid")]


async def test_why_a_run_fails_stands_in_its_event(stage: Stage) -> None:
    await stage.start()
    await stage.end_pod(exit_code=1, committed=False)
    await stage.end_pod(exit_code=1, committed=False)
    last = stage.cluster.events[-1]
    assert (last["reason"], last["type"], last["message"]) == ("Failed", "Warning", "UserException: no")


async def test_a_bug_fails_its_run_with_the_story(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.start()

    def broken(*_: object) -> list[object]:
        raise KeyError("lost")

    monkeypatch.setattr(driver_module, "step", broken)
    await stage.end_pod()
    assert stage.cluster.status is not None
    failure = stage.cluster.status["failure"]
    assert (stage.cluster.status["phase"], failure["kind"], failure["code"]) == (
        "FAILED",
        "SYSTEM",
        "Internal",
    )
    assert "KeyError: 'lost'" in failure["message"]
    assert "n0" in failure["message"]
    assert phases(stage)[-1] == 6
    await settle()
    assert stage.cluster.pods == {}


async def test_a_pod_of_that_name_with_other_inputs_quarantines_the_run(stage: Stage) -> None:
    await stage.start()
    (pod,) = stage.cluster.pods.values()
    pod["metadata"]["annotations"]["limosa.dev/input-digest"] = "sha256:other"
    fresh = RunDriver(stage.manifest, stage.services, PodIndex(), stage.gone.append, stage.tell)
    fresh.start()
    await settle()
    assert stage.cluster.status is not None
    assert stage.cluster.status["reason"] == "PodConflict"


async def test_a_pod_of_that_very_launch_is_taken_as_made(stage: Stage) -> None:
    await stage.start()
    stage.driver.close()
    stage.driver = RunDriver(stage.manifest, stage.services, stage.pods, stage.gone.append, stage.tell)
    await stage.start()
    await stage.end_pod()
    assert stage.cluster.status is not None
    assert stage.cluster.status["phase"] == "SUCCEEDED"
    assert stage.driver.over


async def test_a_pod_left_by_an_earlier_object_is_removed_and_made_anew(stage: Stage) -> None:
    await stage.start()
    stage.driver.close()
    (pod,) = stage.cluster.pods.values()
    pod["metadata"]["ownerReferences"][0]["uid"] = "an-earlier-object"
    stage.driver = RunDriver(stage.manifest, stage.services, stage.pods, stage.gone.append, stage.tell)
    await stage.start()
    assert stage.cluster.writes.count("delete") == 1


async def test_a_status_for_an_object_that_is_gone_ends_the_driver(stage: Stage) -> None:
    stage.cluster.run = None
    stage.cluster.status_error = ApiError(404, "NotFound", "gone")
    await stage.start()
    assert stage.gone == ["object-uid"]


async def test_a_status_for_another_object_of_that_name_ends_the_driver(stage: Stage) -> None:
    stage.cluster.run = copy.deepcopy(stage.manifest)
    stage.cluster.run["metadata"]["uid"] = "somebody-else"
    stage.cluster.status_error = ApiError(422, "Invalid", "the test failed")
    await stage.start()
    assert stage.gone == ["object-uid"]


async def test_a_rejected_pod_fails_the_run_by_its_reason(stage: Stage) -> None:
    stage.cluster.create_error = ApiError(422, "Invalid", "spec.containers[0].image: Required value")
    await stage.start()
    await settle()
    assert stage.cluster.status is not None
    assert stage.cluster.status["failure"]["code"] == "PodInvalid"
    assert "Required value" in stage.cluster.status["message"]


async def test_a_named_pod_template_is_waited_for_and_then_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "TEMPLATE_RETRY_SECONDS", 0.01)
    closure = chain(1)
    closure.tasks[0].pod_template_name = "roomy"
    stage = Stage(tmp_path, closure)
    await stage.start()
    assert not stage.cluster.pods
    reasons = [s.node.reason for s in stage.snapshots if s.node.reason.code == "PodTemplateMissing"]
    assert "PodTemplate 'roomy', which namespace demo-development does not have" in reasons[0].detail
    stage.templates["roomy"] = {"spec": {"nodeSelector": {"pool": "roomy"}}}
    for _ in range(500):
        if stage.cluster.pods:
            break
        await asyncio.sleep(0.01)
    (pod,) = stage.cluster.pods.values()
    assert pod["spec"]["nodeSelector"] == {"pool": "roomy"}


async def test_a_state_of_another_version_fails_clearly(stage: Stage) -> None:
    stage.manifest["status"] = {"state": "AAAA", "observedUid": "object-uid", "phase": "RUNNING"}
    await stage.start()
    assert stage.cluster.status is not None
    assert "status.state cannot be read" in stage.cluster.status["message"]
    assert stage.cluster.status["state"] == "AAAA"


async def test_an_object_being_deleted_is_left_alone(stage: Stage) -> None:
    await stage.start()
    before = list(stage.cluster.writes)
    deleted = copy.deepcopy(stage.manifest)
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    stage.driver.observe_object(deleted)
    await stage.end_pod()
    assert stage.cluster.writes == before


async def test_a_run_that_is_over_only_loses_its_pods(stage: Stage) -> None:
    await stage.start()
    for pod in stage.cluster.pods.values():
        stage.pods.observe(pod)
    over = copy.deepcopy(stage.manifest)
    over["status"] = {"phase": "SUCCEEDED", "observedUid": "object-uid"}
    RunDriver(over, stage.services, stage.pods, stage.gone.append, stage.tell).start()
    await settle()
    assert stage.cluster.pods == {}
    assert stage.cluster.writes[-1] == "delete"


async def test_an_end_that_admin_may_not_know_is_told_again(stage: Stage) -> None:
    await stage.start()
    await stage.end_pod()
    over = copy.deepcopy(stage.manifest)
    over["status"] = stage.cluster.status
    commit = Commit(run_uid="run-uid", launch_id="x")
    commit.inline.literals["o0"].CopyFrom(integer(7))
    key = commit_key(run_prefix("demo", "development", "calm-heron", "run-uid"), "n0", None)
    await stage.services.store.call(lambda store: store.put(key, serialize(commit)))
    stage.snapshots.clear()
    RunDriver(over, stage.services, stage.pods, stage.gone.append, stage.tell).start()
    await settle()
    assert phases(stage) == [5]
    assert stage.snapshots[-1].run.outputs.literals["o0"] == integer(7)


async def test_an_end_that_the_operator_made_is_told_again(stage: Stage) -> None:
    over = copy.deepcopy(stage.manifest)
    failure = {"kind": "SYSTEM", "code": "Internal", "message": "a bug"}
    over["status"] = {"phase": "FAILED", "failure": failure, "finishedAt": "2026-01-01T00:00:00Z"}
    RunDriver(over, stage.services, stage.pods, stage.gone.append, stage.tell).start()
    await settle()
    (told,) = stage.snapshots
    assert (told.run.phase, told.run.failure.code, told.epoch.number) == (6, "Internal", 1)
    assert stage.cluster.writes == []
