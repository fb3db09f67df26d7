"""Going on from a decoded state."""

from collections.abc import Iterator

from limosa_engine import caching, endings, handlers, judge, launches, scopes, snapshots
from limosa_engine.commands import ReadError
from limosa_engine.graph import Item
from limosa_engine.nodes import DECIDERS, dynamic, eager
from limosa_engine.phases import NODE_TERMINAL, RUN_TERMINAL, NodePhase, RunPhase
from limosa_engine.state import RUN_NODE
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_model.names import launch_id


def resume(turn: Turn) -> None:
    """Looks at every node once, goes on with what was being ended, and tells admin everything again."""
    state = turn.state
    for number, record in enumerate(state.nodes):
        if record.failed:
            _read_errors_again(turn, number)
        elif record.phase is NodePhase.FAILED and turn.graph.nodes[number].kind in DECIDERS:
            _tell_again(turn, number)
        elif turn.graph.nodes[number].makes_graph:
            dynamic.tell_again(turn, number)
    snapshots.everything(turn)
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
    eager.look_again(turn)
    if state.phase is RunPhase.ABORTING:
        endings.end_scope(turn, 0)
        handlers.abort(turn)


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


def refreshed(turn: Turn, item: Item, found: Failure | None) -> None:
    """The record behind a failure was read again; without one the code has to do."""
    state = turn.state
    state.refreshing.discard(item)
    if not state.refreshing:
        handlers.look_again(turn)
        eager.look_again(turn)
    turn.mark(RUN_NODE)
    turn.run_touched = True
    number = turn.graph.by_path[item.node_path]
    record = state.nodes[number]
    turn.touched_nodes[number] = None
    failure = record.failure
    if record.items:
        place = turn.place(number, item.index or 0)
        turn.touch_item(place)
        # The graph of a dynamic node can be refused although its item succeeded.
        failure = place.item.failure if place.item.phase is NodePhase.FAILED else record.failure
    if failure is None:
        return
    if found is not None and found.code == failure.code:
        # The same object stands in the item, its node, the nodes and scopes around it and the run.
        origin = FailureOrigin()
        origin.CopyFrom(failure.origin)
        failure.CopyFrom(found)
        failure.origin.CopyFrom(origin)
    for outer in _around(turn, number):
        turn.mark(outer)
        if state.nodes[outer].failure is failure:
            turn.touched_nodes[outer] = None


def _tell_again(turn: Turn, number: int) -> None:
    plan, failure = turn.graph.nodes[number], turn.state.nodes[number].failure
    tell_again = DECIDERS[plan.kind].tell_again
    if failure is not None and tell_again is not None:
        tell_again(turn, plan, failure)


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
