"""What the codec leaves out because it follows from what it keeps."""

from limosa_engine import attempts, caching, slots
from limosa_engine.graph import Graph, NodePlan
from limosa_engine.phases import NODE_TERMINAL, LaunchPhase, NodePhase, RunPhase
from limosa_engine.state import ItemRecord, Launch, NodeRecord, State, Waiting
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_model.names import launch_id

_NOT_BEGUN = (NodePhase.WAITING, NodePhase.QUEUED, NodePhase.SKIPPED)


def rebuild(graph: Graph, state: State, unseen: set[tuple[int, int]]) -> None:
    """Completes a decoded state.

    Args:
        graph: Its graph.
        state: With phases, counters, failures and times set.
        unseen: (node, position) of running items whose launch's pod had not been seen.
    """
    for plan, record in zip(graph.nodes, state.nodes, strict=True):
        ends = [state.nodes[number].phase for number in plan.dependencies]
        record.pending = sum(phase is not NodePhase.SUCCEEDED for phase in ends)
        record.doomed = any(phase in NODE_TERMINAL and phase is not NodePhase.SUCCEEDED for phase in ends)
        if plan.handles:
            record.active = record.phase not in (NodePhase.WAITING, NodePhase.SKIPPED)
        if plan.parent is not None:
            decided = state.nodes[plan.parent].phase not in _NOT_BEGUN
            record.active = decided and record.phase is not NodePhase.SKIPPED
        for position, item in enumerate(record.items):
            if item.phase not in NODE_TERMINAL:
                _item(graph, state, plan, position, (plan.number, position) in unseen)
        _count(state, plan, record)
    _scopes(graph, state)
    _share_failures(graph, state)


def _share_failures(graph: Graph, state: State) -> None:
    """A branch or sub-workflow fails with the failure of a node inside it: the same object, as before."""
    for plan in reversed(graph.nodes):
        record = state.nodes[plan.number]
        if record.phase is not NodePhase.FAILED or (plan.task is not None and plan.body is None):
            continue
        inside = list(plan.cases)
        if plan.body is not None:
            inside += graph.scopes[plan.body].by_id.values()
        found = [state.nodes[number].failure for number in inside]
        shared = next((failure for failure in found if failure is not None), record.failure)
        # A dynamic node can also fail by its own deadline.
        if record.failure is None or shared is None or shared.code == record.failure.code:
            record.failure = shared
    for around, scope in zip(graph.scopes, state.scopes, strict=True):
        found = [_lasting_failure(graph, state, number) for number in around.by_id.values()]
        scope.failure = next((failure for failure in found if failure is not None), None)
    if state.phase in (RunPhase.FAILING, RunPhase.FAILED):
        state.failure = state.scopes[0].failure or state.failure


def _lasting_failure(graph: Graph, state: State, number: int) -> Failure | None:
    """The failure of a node that failed or is sure to; a map may bear the failures of items."""
    plan, record = graph.nodes[number], state.nodes[number]
    borne = plan.is_map and record.phase is not NodePhase.FAILED and not record.is_hopeless(plan)
    return None if borne else record.failure


def _item(graph: Graph, state: State, plan: NodePlan, position: int, unseen: bool) -> None:
    record = state.nodes[plan.number]
    item: ItemRecord = record.items[position]
    if item.phase is NodePhase.RUNNING and plan.task is not None:
        ordinal = max(item.launches - 1, 0)
        index = position if plan.is_map else None
        item.launch = Launch(
            ordinal=ordinal,
            launch_id=launch_id(graph.run_uid, plan.path, index, graph.epoch, ordinal),
            created_at=None,
            phase=LaunchPhase.CREATING if unseen else LaunchPhase.PENDING,
            answered=True,
            unseen=unseen,
            memory=attempts.memory_of(plan, item, graph.settings),
            interruptible=attempts.is_interruptible(plan, item, graph.settings),
        )
        slots.count(state, plan, record, 1)
    elif item.wake_at is not None:
        item.waiting = Waiting("Backoff", state.now, next_at=item.wake_at)
        state.timers.add(item.wake_at, plan.number, position)
    elif item.phase is NodePhase.QUEUED and caching.is_to_be_asked(plan, item):
        item.waiting = Waiting(caching.LOOKUP, state.now)
        record.unasked.append(position)
    elif item.phase is NodePhase.QUEUED:
        item.waiting = Waiting("Capacity", state.now)
        record.ready.append(position)


def _count(state: State, plan: NodePlan, record: NodeRecord) -> None:
    phases = [item.phase for item in record.items]
    record.succeeded = phases.count(NodePhase.SUCCEEDED)
    record.failed = phases.count(NodePhase.FAILED)
    record.aborted = phases.count(NodePhase.ABORTED)
    failed = (item.failure for item in record.items if item.phase is NodePhase.FAILED)
    record.failure = next(failed, record.failure)
    if plan.is_map:
        state.items += len(record.items)
        state.items_succeeded += record.succeeded
    state.nodes_skipped += record.phase is NodePhase.SKIPPED
    state.nodes_done += record.phase is NodePhase.SUCCEEDED
    if record.phase not in NODE_TERMINAL and plan.deadline is not None and record.queued_at is not None:
        state.timers.add(record.queued_at + plan.deadline, plan.number)


def _scopes(graph: Graph, state: State) -> None:
    for plan, scope in zip(graph.scopes, state.scopes, strict=True):
        nodes = [state.nodes[number] for number in plan.by_id.values()]
        scope.open_nodes = sum(record.phase not in NODE_TERMINAL for record in nodes)
        scope.aborted = sum(record.phase is NodePhase.ABORTED for record in nodes)
        if plan.owner is None:
            scope.started = state.phase is not RunPhase.QUEUED
        elif plan.call:
            # The eager node itself may wait for its next attempt.
            scope.started = True
        else:
            scope.started = state.nodes[plan.owner].phase not in _NOT_BEGUN
