"""Who is launched next: while slots are free, the greatest priority first, equal ones in turn."""

from limosa_engine import caching, launches, slots
from limosa_engine.phases import NodePhase, RunPhase
from limosa_engine.state import Check
from limosa_engine.turn import Place, Turn

_LAUNCHING = (RunPhase.RUNNING, RunPhase.FAILING)


def dispatch(turn: Turn) -> None:
    """Launches items while slots are free, by priority, one of each node in turn; looking up in the cache needs none."""
    state = turn.state
    if not state.listed or state.phase not in _LAUNCHING:
        return
    caching.ask(turn)
    _dispatch_eager(turn)
    while state.ring and state.live < turn.settings.live_pods and state.room.has(state.live, turn.now):
        number = state.ring.take()
        place = _next(turn, number)
        if place is None:
            continue
        state.ring.add(number, place.plan.priority)
        launches.start(turn, place)


def _dispatch_eager(turn: Turn) -> None:
    """Launches eager nodes, as long as others of their depth leave room."""
    state, full = turn.state, []
    while state.eager.ring:
        number = state.eager.ring.take()
        plan = turn.graph.nodes[number]
        if state.eager.live[plan.dynamic_depth] >= slots.eager_slots(turn.settings):
            full.append(plan)
            continue
        place = _next(turn, number)
        if place is not None:
            launches.start(turn, place)
    for plan in full:
        state.eager.ring.add(plan.number, plan.priority)


def _next(turn: Turn, number: int) -> Place | None:
    record, plan = turn.state.nodes[number], turn.graph.nodes[number]
    most = plan.node.map.concurrency if plan.is_map else 0
    if (most and record.live >= most) or record.inputs is None:
        return None
    if record.room is not None and not record.room.has(record.live, turn.now):
        return None
    while record.ready:
        position = record.ready.popleft()
        item = record.items[position]
        if (
            item.phase is NodePhase.QUEUED
            and item.wake_at is None
            and item.launch is None
            and item.check is not Check.OUT
        ):
            return Place(plan, record, position, item)
    return None
