"""Going on from a decoded state."""

from collections.abc import Iterator

from limosa_engine import caching, endings, judge, launches, scopes, snapshots
from limosa_engine.commands import ReadError
from limosa_engine.graph import Item
from limosa_engine.phases import NODE_TERMINAL, RUN_TERMINAL, NodePhase, RunPhase
from limosa_engine.state import RUN_NODE
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import FailureOrigin
from limosa_idl.run.v1alpha1.run_pb2 import ErrorRecord
from limosa_model.names import launch_id


def resume(turn: Turn) -> None:
    """Looks at every node once, goes on with what was being ended, and tells admin everything again."""
    state = turn.state
    snapshots.everything(turn)
    for number, record in enumerate(state.nodes):
        if record.failed:
            _read_errors_again(turn, number)
    turn.mark(RUN_NODE)
    if state.phase in RUN_TERMINAL:
        return
    for number, record in enumerate(state.nodes):
        if record.phase not in NODE_TERMINAL:
            turn.mark(number)
            caching.restored(turn, number)
    for number, scope in enumerate(state.scopes):
        if scope.failure is not None:
            scopes.fail(turn, number, scope.failure)
    if state.phase is RunPhase.ABORTING:
        endings.end_scope(turn, 0)


def pods_listed(turn: Turn) -> None:
    """Every pod was observed: what has none is judged, and launching begins."""
    state = turn.state
    if state.listed:
        return
    state.listed = True
    for number, record in enumerate(state.nodes):
        if not record.live:
            continue
        for position, item in enumerate(record.items):
            launch = item.launch
            if launch is None or launch.view is not None:
                continue
            place = turn.place(number, position)
            if launch.unseen:
                launch.gone = True
                judge.pod_ended(turn, place, launch)
            else:
                launches.vanished(turn, place, launch)


def refreshed(turn: Turn, item: Item, record: ErrorRecord | None) -> None:
    """The error record behind a failure was read again; without one the code has to do."""
    state = turn.state
    state.refreshing.discard(item)
    turn.mark(RUN_NODE)
    turn.run_touched = True
    place = turn.place(turn.graph.by_path[item.node_path], item.index or 0)
    turn.touch_item(place)
    failure = place.item.failure
    if failure is None:
        return
    if record is not None and record.failure.code == failure.code:
        # The same object stands in the item, its node, the nodes and scopes around it and the run.
        origin = FailureOrigin()
        origin.CopyFrom(failure.origin)
        failure.CopyFrom(record.failure)
        failure.origin.CopyFrom(origin)
    for number in _around(turn, place.plan.number):
        if state.nodes[number].failure is failure:
            turn.touched_nodes[number] = None


def _around(turn: Turn, number: int) -> Iterator[int]:
    """The branch and sub-workflow nodes around a node, innermost first."""
    while True:
        plan = turn.graph.nodes[number]
        outer = turn.graph.scopes[plan.scope].owner if plan.parent is None else plan.parent
        if outer is None:
            return
        yield outer
        number = outer


def _read_errors_again(turn: Turn, number: int) -> None:
    """Messages are not in the status; what is terminal is published once, so with its message."""
    plan = turn.graph.nodes[number]
    for position, record in enumerate(turn.state.nodes[number].items):
        if record.phase is not NodePhase.FAILED or not record.launches:
            continue
        item, ordinal = plan.item_at(position), record.launches - 1
        name = launch_id(turn.graph.run_uid, plan.path, item.index, turn.graph.epoch, ordinal)
        turn.state.refreshing.add(item)
        turn.emit(ReadError(item, ordinal, name))
