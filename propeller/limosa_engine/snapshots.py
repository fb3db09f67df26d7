"""Snapshots of what changed in a step."""

from typing import cast

from google.protobuf.timestamp_pb2 import Timestamp

from limosa_engine import children
from limosa_engine.commands import Publish
from limosa_engine.graph import Item, NodePlan
from limosa_engine.kinds import KINDS
from limosa_engine.nodes import branch
from limosa_engine.phases import NodePhase, RunPhase
from limosa_engine.state import ItemRecord, Launch, NodeRecord, State, Waiting
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_model.names import pod_name


def publish(turn: Turn) -> None:
    """One Publish for each key that changed: launches first, the run last."""
    for (number, position, _), launch in turn.touched_launches.items():
        turn.emit(Publish(_launch(turn, number, position, launch)))
    for number, position in turn.touched_items:
        item = turn.state.nodes[number].items[position]
        waits = item.wake_at is not None or item.refused is not None
        if item.launches or waits or item.phase is not NodePhase.QUEUED:
            turn.emit(Publish(_item(turn, number, position, item)))
    for number in turn.touched_nodes:
        turn.emit(Publish(_node(turn, number)))
    if turn.run_touched and not _is_incomplete(turn.state):
        turn.emit(Publish(run_snapshot(turn.graph.run_uid, turn.state)))


def everything(turn: Turn) -> None:
    """Marks every key that a run has: what admin is told after a restart. Failures follow with their messages."""
    turn.run_touched = True
    for number, record in enumerate(turn.state.nodes):
        if record.phase is NodePhase.WAITING:
            continue
        if record.phase is not NodePhase.FAILED or not _is_read_again(turn, record.failure):
            turn.touched_nodes[number] = None
        for position, item in enumerate(record.items):
            if item.launch is not None:
                turn.touch_launch(turn.place(number, position), item.launch)
            elif turn.graph.nodes[number].is_map and not (item.phase is NodePhase.FAILED and item.launches):
                turn.touched_items[number, position] = None


def _is_read_again(turn: Turn, failure: Failure | None) -> bool:
    number = None if failure is None else turn.graph.by_path.get(failure.origin.node_path)
    return number is not None and (
        turn.state.nodes[number].failed > 0 or turn.graph.nodes[number].item in turn.state.refreshing
    )


def _is_incomplete(state: State) -> bool:
    """After a restart, until what the status does not hold is read: a terminal snapshot is sent once."""
    return bool(state.refreshing) or (state.phase is RunPhase.SUCCEEDED and state.outputs is None)


def run_snapshot(run_uid: str, state: State) -> pb.Snapshot:
    """The run's own."""
    run = pb.RunState(
        phase=cast("pb.RunPhase.ValueType", state.shown_phase),
        failure=state.failure,
        outputs=state.outputs,
        started_at=_time(state.started_at),
        finished_at=_time(state.finished_at),
        nodes_done=state.nodes_done,
        nodes_total=len(state.nodes) - state.nodes_skipped,
    )
    if state.phase in (RunPhase.ABORTING, RunPhase.ABORTED):
        run.reason.code, run.reason.detail = "Aborted", state.abort_reason
    return pb.Snapshot(key=pb.SnapshotKey(run_uid=run_uid), run=run)


def _node(turn: Turn, number: int) -> pb.Snapshot:
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    node = pb.NodeState(
        phase=cast("pb.NodePhase.ValueType", record.phase),
        kind=plan.kind,
        target=plan.target,
        display_name=plan.node.display_name,
        failure=record.failure if record.phase is NodePhase.FAILED else None,
        queued_at=_time(record.queued_at),
        started_at=_time(record.started_at),
        finished_at=_time(record.finished_at),
    )
    if plan.is_map:
        node.items, node.items_running = len(record.items), record.live
        node.items_succeeded, node.items_failed = record.succeeded, record.failed
    elif record.items:
        _count(turn, plan.item, node, record.items[0])
        if plan.makes_graph and plan.body is not None:
            node.graph.CopyFrom(turn.graph.grown[plan.body])
        if KINDS[plan.kind].is_child:
            node.child_run = children.child_of(turn, turn.place(number, 0))
    elif plan.cases:
        taken = branch.taken(turn, plan)
        node.branch_taken = "" if taken is None else turn.graph.nodes[taken].node.id
    if record.waiting is not None:
        node.reason.CopyFrom(_reason(record.waiting))
    if turn.graph.scopes[plan.scope].call and plan.parent is None:
        node.call.CopyFrom(turn.graph.grown[plan.scope])
    return pb.Snapshot(key=_key(turn, plan.item), node=node)


def _item(turn: Turn, number: int, position: int, item: ItemRecord) -> pb.Snapshot:
    plan = turn.graph.nodes[number]
    node = pb.NodeState(
        phase=cast("pb.NodePhase.ValueType", item.phase),
        kind="task",
        target=plan.target,
        display_name=plan.node.display_name,
    )
    began = turn.state.nodes[number].started_at if item.started_at is None else item.started_at
    if item.finished_at is not None and began is not None and item.launches:
        node.started_at.CopyFrom(_stamp(began))
        node.finished_at.CopyFrom(_stamp(item.finished_at))
    _count(turn, plan.item_at(position), node, item)
    if item.phase is NodePhase.FAILED and item.failure is not None:
        node.failure.CopyFrom(item.failure)
    return pb.Snapshot(key=_key(turn, plan.item_at(position)), node=node)


def _count(turn: Turn, key: Item, node: pb.NodeState, item: ItemRecord) -> None:
    node.launches, node.launch_id = item.launches, _committer(turn, key, item)
    node.user_failures, node.system_failures = item.user_failures, item.system_failures
    if item.source is not None:
        node.origin, node.origin_run = item.source.origin, item.source.run
    waiting = item.waiting if item.launch is None else item.launch.waiting
    if waiting is not None:
        node.reason.CopyFrom(_reason(waiting))


def _committer(turn: Turn, key: Item, item: ItemRecord) -> str:
    """Id of the launch whose commit counts; empty where it is not known."""
    by = item.committed_by
    return turn.graph.launch_id(key, by) if isinstance(by, int) else by or ""


def _launch(turn: Turn, number: int, position: int, launch: Launch) -> pb.Snapshot:
    plan: NodePlan = turn.graph.nodes[number]
    key = _key(turn, plan.item_at(position))
    key.launch = launch.ordinal
    view = launch.view
    state = pb.LaunchState(
        phase=cast("pb.LaunchPhase.ValueType", launch.phase),
        launch_id=launch.launch_id,
        pod=pod_name(turn.graph.name, launch.launch_id),
        reason=None if launch.waiting is None else _reason(launch.waiting),
        failure=launch.failure,
        created_at=_time(launch.created_at),
        finished_at=_time(launch.finished_at),
    )
    task = plan.runs
    state.memory = launch.memory or task.resources.limits.memory or task.resources.requests.memory
    state.interruptible = launch.interruptible
    if view is not None:
        state.cluster_node = view.cluster_node
        state.exit_code = view.exit_code or 0
        if view.started_at is not None:
            state.started_at.CopyFrom(_stamp(_began(turn.state.nodes[number], launch, view.started_at)))
    return pb.Snapshot(key=key, launch=state)


def _began(record: NodeRecord, launch: Launch, told: float) -> float:
    """When a pod began: Kubernetes cuts to whole seconds; it was not before it was made, nor before its node began."""
    began = max(told, launch.created_at or told)
    seen = record.started_at
    return max(began, seen) if seen is not None and told <= seen < told + 1.0 else began


def _key(turn: Turn, item: Item) -> pb.SnapshotKey:
    return pb.SnapshotKey(run_uid=turn.graph.run_uid, node_path=item.node_path, index=item.index)


def _reason(waiting: Waiting) -> pb.Reason:
    return pb.Reason(
        code=waiting.code, since=_stamp(waiting.since), next_at=_time(waiting.next_at), detail=waiting.detail
    )


def _time(seconds: float | None) -> Timestamp | None:
    return None if seconds is None else _stamp(seconds)


def _stamp(seconds: float) -> Timestamp:
    whole = int(seconds // 1)
    return Timestamp(seconds=whole, nanos=int((seconds - whole) * 1e6) * 1000)
