"""Parking: a run that can launch nothing before something outside happens holds no slot of its cluster.

Derived from the state at the end of each step, never remembered: nothing is launched, nothing waits for a slot,
nothing is being read or asked, and no time of the run's own comes soon. What is left to wait for is a person, another run,
a reservation or a late time.
"""

from limosa_engine.phases import RunPhase
from limosa_engine.state import RUN_NODE, State
from limosa_engine.turn import Turn

_PARKING = (RunPhase.RUNNING, RunPhase.FAILING)


def settle(turn: Turn) -> None:
    """Notes whether the run is parked now; a change is published."""
    state = turn.state
    parked = _nothing_can_be_launched(state) and _nothing_comes_soon(turn)
    if parked is not state.parked:
        state.parked = parked
        turn.run_touched = True
        turn.tell(RUN_NODE, None, "parked" if parked else "goes on")


def _nothing_can_be_launched(state: State) -> bool:
    if state.phase not in _PARKING or not state.listed or state.regrowth is not None:
        return False
    under_way = (
        state.live
        or state.eager.live.total()
        or state.ring
        or state.eager.ring
        or state.cache.out > state.cache.out_again
        or state.cache.waiting
        or state.values.is_reading
        or state.own_asked
    )
    return not (under_way or state.unclaimed or state.refreshing)


def _nothing_comes_soon(turn: Turn) -> bool:
    earliest = turn.state.timers.earliest
    return earliest is None or earliest > turn.now + turn.settings.parking_delay
