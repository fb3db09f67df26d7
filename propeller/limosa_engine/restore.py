"""Going on from a decoded state."""

from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1.run_pb2 import ErrorRecord
from limosa_model.names import launch_id

from limosa_engine import endings, judge, launches, scopes, snapshots
from limosa_engine.commands import ReadError
from limosa_engine.graph import Item
from limosa_engine.phases import NODE_TERMINAL, RUN_TERMINAL, RunPhase
from limosa_engine.state import RUN_NODE
from limosa_engine.turn import Turn


def resume(turn: Turn) -> None:
    """Looks at every node once, goes on with what was being ended, and tells admin everything again."""
    state = turn.state
    snapshots.everything(turn)
    if state.phase in RUN_TERMINAL:
        return
    for number, record in enumerate(state.nodes):
        if record.phase not in NODE_TERMINAL:
            turn.mark(number)
    turn.mark(RUN_NODE)
    for number, scope in enumerate(state.scopes):
        if scope.failure is not None:
            scopes.fail(turn, number, scope.failure)
    if state.phase is RunPhase.ABORTING:
        state.scopes[0].ending = False
        endings.end_scope(turn, 0)
    elif state.failure is not None:
        _read_again(turn, state.failure)


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
    """The error record behind the run's failure was read again; without one the code has to do."""
    turn.state.refreshing.discard(item)
    turn.mark(RUN_NODE)
    number = turn.graph.by_path[item.node_path]
    if record is None or not record.HasField("failure"):
        return
    place = turn.place(number, item.index or 0)
    old = place.item.failure
    if old is None or old.code != record.failure.code:
        return
    # The same message object stands in the item, its node, the scopes around it and the run.
    origin = old.origin
    for holder in _holders(turn, old):
        holder.MergeFrom(record.failure)
        holder.origin.CopyFrom(origin)
    turn.touch_item(place)
    turn.run_touched = True


def _holders(turn: Turn, failure: Failure) -> list[Failure]:
    state = turn.state
    found = [failure, state.failure]
    found += [scope.failure for scope in state.scopes] + [record.failure for record in state.nodes]
    unique = {
        id(holder): holder for holder in found if holder is not None and holder.origin == failure.origin
    }
    return list(unique.values())


def _read_again(turn: Turn, failure: Failure) -> None:
    origin = failure.origin
    number = turn.graph.by_path.get(origin.node_path)
    if number is None or not turn.state.nodes[number].items:
        return
    index = origin.index if origin.HasField("index") else None
    item = Item(origin.node_path, index)
    name = launch_id(turn.graph.run_uid, origin.node_path, index, turn.graph.epoch, origin.launch)
    turn.state.refreshing.add(item)
    turn.emit(ReadError(item, origin.launch, name))
