"""`step`: the engine's one door.

From an event to a command: `step` → a handler of `reactions` → `launches`/`judge` → `nodes` → `capacity`.
"""

from collections.abc import Iterable

from limosa_engine import caching, capacity, parking, reactions, regrow, run, scopes, snapshots
from limosa_engine.commands import Command, WakeAt
from limosa_engine.events import Event
from limosa_engine.graph import Graph
from limosa_engine.nodes import ADVANCE, eager
from limosa_engine.phases import NODE_TERMINAL, NodePhase
from limosa_engine.state import RUN_NODE, Ending, State
from limosa_engine.turn import Turn


def new_state(graph: Graph, now: float) -> State:
    """The state of a run that nothing has happened to.

    Args:
        graph: The run.
        now: Unix seconds.
    """
    return State(graph.as_given(), now)


def step(graph: Graph, state: State, events: Iterable[Event], now: float) -> list[Command]:
    """Takes events in and says what to do about them.

    Changes `state` in place, appends to `graph` what dynamic nodes bring, and runs to a fixed point: no further call
    without events would do more.
    Costs as much as what changed, whatever the size of the graph.

    Args:
        graph: The run; always the same one for a state.
        state: What is known so far.
        events: What happened since the last call, in order.
        now: Unix seconds (UTC), never smaller than in an earlier call.

    Raises:
        InvalidTransition: A bug; the message tells the story of the node it happened to.
    """
    turn = Turn(graph, state, max(now, state.now))
    state.now = turn.now
    if state.regrowth is not None:
        events = regrow.take(turn, state.regrowth, events)
    for event in events:
        reactions.REACTIONS[type(event)](turn, event)
    reactions.fire_due(turn)
    if state.regrowth is None:
        _run(turn)
    wake = state.timers.announce()
    if wake is not None:
        turn.emit(WakeAt(wake))
    state.changes += turn.changed
    return turn.commands


def _run(turn: Turn) -> None:
    """Looks at what changed until nothing does any more, and says what to tell admin."""
    state = turn.state
    while state.dirty or state.ring or state.eager.ring or state.cache.waiting:
        _settle(turn)
        capacity.dispatch(turn)
        if not state.dirty:
            break
    parking.settle(turn)
    if turn.settings.snapshots:
        snapshots.publish(turn)


def _settle(turn: Turn) -> None:
    state = turn.state
    while state.dirty:
        number = state.dirty.popleft()
        state.in_dirty.discard(number)
        if number == RUN_NODE:
            run.advance(turn)
        elif number < RUN_NODE:
            eager.settle_call(turn, scopes.call_waiter(number))
        else:
            _look(turn, number)
            if number in state.cache.keyless:
                caching.find_keys(turn, number)


def _look(turn: Turn, number: int) -> None:
    """Moves a node on as far as it can."""
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    if record.phase in NODE_TERMINAL:
        return
    if (
        record.ending is Ending.ABORT
        and record.phase in (NodePhase.WAITING, NodePhase.QUEUED)
        and not record.items
    ):
        scopes.finish_node(turn, plan, record, NodePhase.ABORTED)
        return
    if record.phase is NodePhase.WAITING:
        if record.doomed:
            scopes.skip(turn, number)
            return
        if record.pending or not record.active or not turn.state.scopes[plan.scope].started:
            return
        turn.set_node(plan, record, NodePhase.QUEUED)
        if plan.deadline is not None:
            turn.state.timers.add(turn.now + plan.deadline, number)
    ADVANCE[plan.kind](turn, plan, record)
