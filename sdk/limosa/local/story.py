"""What happens in a local run, as the snapshots that admin would have of it."""

import datetime as dt
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from limosa.dynamic_tasks import Generated
from limosa.launch_plans import LaunchPlan
from limosa.local.failing import failure_of, unforeseen
from limosa.local.history import DOMAIN, PROJECT, RunRecord
from limosa.local.progress import NodeProgress
from limosa.tasks import Task
from limosa.workflows import Workflow
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, Node
from limosa_model.graph import Index, children_of, wrap_task

_ENDED = {
    run_pb2.NODE_PHASE_SUCCEEDED,
    run_pb2.NODE_PHASE_FAILED,
    run_pb2.NODE_PHASE_SKIPPED,
    run_pb2.NODE_PHASE_ABORTED,
}
_LAUNCH_PHASES = {
    run_pb2.NODE_PHASE_RUNNING: run_pb2.LAUNCH_PHASE_RUNNING,
    run_pb2.NODE_PHASE_SUCCEEDED: run_pb2.LAUNCH_PHASE_SUCCEEDED,
    run_pb2.NODE_PHASE_FAILED: run_pb2.LAUNCH_PHASE_FAILED,
    run_pb2.NODE_PHASE_RETRYING: run_pb2.LAUNCH_PHASE_FAILED,
}


class Story:
    """Takes a run's progress and leaves it in the run's record: a change when it happens, the whole at the end."""

    def __init__(
        self, record: RunRecord, entity: "Task[..., Any] | Workflow[..., Any] | LaunchPlan[Any]"
    ) -> None:
        """Begins the run."""
        self._record = record
        self._run = pb.Run(
            uid=record.uid, project=PROJECT, domain=DOMAIN, name=record.name, target=_target(entity)
        )
        self._run.created_at.GetCurrentTime()
        self._run.state.phase = run_pb2.RUN_PHASE_RUNNING
        self._run.state.started_at.CopyFrom(self._run.created_at)
        self._closure = closure_of(entity.workflow if isinstance(entity, LaunchPlan) else entity)
        self._nodes: dict[tuple[str, int | None], run_pb2.NodeState] = {}
        self._launches: dict[tuple[str, int | None, int], run_pb2.LaunchState] = {}
        self._keep()

    def __call__(self, change: NodeProgress) -> None:
        """One node, or one item of a map, changed its phase."""
        state = self._nodes.setdefault((change.path, change.index), _state_of(change.node))
        state.phase = change.phase
        state.launches = max(state.launches, change.attempt)
        state.items = max(state.items, change.items)
        if change.made is not None:
            graph = state.graph if state.kind == "dynamic" else state.call
            graph.CopyFrom(closure_of(change.made))
        now = _now()
        if change.phase == run_pb2.NODE_PHASE_RUNNING and not state.HasField("started_at"):
            state.started_at.CopyFrom(now)
        if change.phase in _ENDED and change.phase != run_pb2.NODE_PHASE_SKIPPED:
            state.finished_at.CopyFrom(now)
        if change.failure is not None and change.phase == run_pb2.NODE_PHASE_FAILED:
            state.failure.CopyFrom(change.failure)
        if change.attempt:
            self._take_launch(change, now)
        self._tell_parent(change)
        item = change.path, change.index
        launch = (*item, change.attempt - 1)
        self._record.changed(
            [self._of_node(item, state)]
            + ([self._of_launch(launch, self._launches[launch])] if change.attempt else [])
        )

    def succeeded(self, outputs: LiteralMap) -> None:
        """The run gave its outputs."""
        self._run.state.outputs.CopyFrom(outputs)
        self._end(run_pb2.RUN_PHASE_SUCCEEDED, None)

    def failed(self, error: BaseException) -> None:
        """The run ended with an exception: its own, or a node's, which was told before."""
        if isinstance(error, Exception):
            self._end(run_pb2.RUN_PHASE_FAILED, failure_of(error) or unforeseen(error))
        else:
            self._run.abort_reason = f"stopped on this machine ({type(error).__name__})"
            self._end(run_pb2.RUN_PHASE_ABORTED, None)

    def _take_launch(self, change: NodeProgress, now: Timestamp) -> None:
        key = change.path, change.index, change.attempt - 1
        if key not in self._launches:
            launch_id = self._record.launch_id(change.path, change.index, change.attempt)
            self._launches[key] = run_pb2.LaunchState(launch_id=launch_id, created_at=now, started_at=now)
        launch = self._launches[key]
        launch.phase = _LAUNCH_PHASES.get(change.phase, launch.phase)
        if launch.phase != run_pb2.LAUNCH_PHASE_RUNNING:
            launch.finished_at.CopyFrom(now)
        if change.failure is not None:
            launch.failure.CopyFrom(change.failure)

    def _tell_parent(self, change: NodeProgress) -> None:
        """What a map or a branch shows of its items or cases."""
        if change.index is not None and (change.path, None) in self._nodes:
            around = self._nodes[change.path, None]
            items = [
                one for (path, index), one in self._nodes.items() if path == change.path and index is not None
            ]
            around.items_succeeded = sum(one.phase == run_pb2.NODE_PHASE_SUCCEEDED for one in items)
            around.items_failed = sum(one.phase == run_pb2.NODE_PHASE_FAILED for one in items)
        parent, _, name = change.path.rpartition("/")
        branch = self._nodes.get((parent, None))
        if branch is not None and branch.kind == "branch" and change.phase == run_pb2.NODE_PHASE_RUNNING:
            branch.branch_taken = name

    def _end(self, phase: "run_pb2.RunPhase.ValueType", failure: Failure | None) -> None:
        state = self._run.state
        state.phase = phase
        state.finished_at.CopyFrom(_now())
        if failure is not None:
            state.failure.CopyFrom(failure)
        for one in self._nodes.values():
            if one.phase not in _ENDED:
                one.phase = run_pb2.NODE_PHASE_ABORTED
                one.finished_at.CopyFrom(state.finished_at)
        for launch in self._launches.values():
            if launch.phase == run_pb2.LAUNCH_PHASE_RUNNING:
                launch.phase = run_pb2.LAUNCH_PHASE_ABORTED
                launch.finished_at.CopyFrom(state.finished_at)
        self._add_missed()
        whole = [one for (_, index), one in self._nodes.items() if index is None]
        counted = [one for one in whole if one.phase != run_pb2.NODE_PHASE_SKIPPED]
        missed = [one for one in counted if not one.HasField("started_at")]
        state.nodes_total, state.nodes_done = len(counted), len(counted) - len(missed)
        self._keep()

    def _add_missed(self) -> None:
        """Nodes whose turn did not come are ABORTED without a beginning."""
        index = Index(self._closure)
        waiting = [(node, node.id) for node in index.entry.nodes]
        while waiting:
            node, path = waiting.pop()
            known = self._nodes.get((path, None))
            if known is None:
                state = self._nodes.setdefault((path, None), _state_of(node))
                state.phase = run_pb2.NODE_PHASE_ABORTED
            elif known.phase != run_pb2.NODE_PHASE_SKIPPED and known.kind != "branch":
                waiting += [(child, f"{path}/{child.id}") for child in children_of(index, node)]

    def _keep(self) -> None:
        detail = pb.RunDetail(run=self._run, closure=self._closure)
        detail.snapshots.extend(self._of_node(key, node) for key, node in self._nodes.items())
        detail.snapshots.extend(self._of_launch(key, launch) for key, launch in self._launches.items())
        self._record.detail(detail)

    def _of_node(self, key: tuple[str, int | None], node: run_pb2.NodeState) -> run_pb2.Snapshot:
        return run_pb2.Snapshot(key=self._key(*key), seq=1, node=node)

    def _of_launch(self, key: tuple[str, int | None, int], launch: run_pb2.LaunchState) -> run_pb2.Snapshot:
        path, index, ordinal = key
        made = run_pb2.Snapshot(key=self._key(path, index), seq=1, launch=launch)
        made.key.launch = ordinal
        return made

    def _key(self, path: str, index: int | None) -> run_pb2.SnapshotKey:
        return run_pb2.SnapshotKey(run_uid=self._run.uid, node_path=path, index=index)


def closure_of(target: "Task[..., Any] | Workflow[..., Any] | Generated") -> Closure:
    """The graph that a run or a node of it walks, its tasks as far as people read of them."""
    if isinstance(target, Task):
        return wrap_task(_task(target))
    found: dict[str, Any] = {}
    waiting: list[Any] = list(target.targets.values())
    while waiting:
        one = waiting.pop()
        if one.name not in found:
            found[one.name] = one
            waiting += one.targets.values() if isinstance(one, Workflow) else []
    closure = Closure(entry=target.spec.name, workflows=[target.spec])
    closure.tasks.extend(_task(one) for one in found.values() if isinstance(one, Task))
    closure.workflows.extend(one.spec for one in found.values() if isinstance(one, Workflow))
    return closure


def _task(task: Task[..., Any]) -> TaskSpec:
    spec = TaskSpec(name=task.name, interface=task.interface)
    spec.retry.retries = task.options.retries
    if task.makes_graph:
        spec.dynamic.SetInParent()
    elif task.makes_calls:
        spec.eager.SetInParent()
    return spec


def _target(entity: "Task[..., Any] | Workflow[..., Any] | LaunchPlan[Any]") -> pb.EntityId:
    kinds = (
        (Task, pb.ENTITY_KIND_TASK),
        (Workflow, pb.ENTITY_KIND_WORKFLOW),
        (LaunchPlan, pb.ENTITY_KIND_LAUNCH_PLAN),
    )
    kind = next(kind for made, kind in kinds if isinstance(entity, made))
    return pb.EntityId(kind=kind, project=PROJECT, domain=DOMAIN, name=entity.name)


def _state_of(node: Node) -> run_pb2.NodeState:
    kind = node.WhichOneof("target") or ""
    target = getattr(node, kind) if kind else None
    name = next((getattr(target, field) for field in ("task", "workflow") if hasattr(target, field)), "")
    return run_pb2.NodeState(kind=kind, target=name, display_name=node.display_name)


def _now() -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(dt.datetime.now(dt.timezone.utc))
    return stamp
