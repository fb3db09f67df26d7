"""The run's slots: how many items hold one, and which nodes want one."""

from limosa_engine.graph import NodePlan
from limosa_engine.room import Room
from limosa_engine.settings import EngineSettings
from limosa_engine.state import NodeRecord, State
from limosa_engine.turn import Place, Turn
from limosa_model.failures import Code


def offer(turn: Turn, number: int) -> None:
    """A node has items to launch; without its inputs in memory it gets them first."""
    state, plan = turn.state, turn.graph.nodes[number]
    if state.nodes[number].inputs is None:
        turn.mark(number)
    else:
        (state.eager.ring if plan.makes_calls else state.ring).add(number, plan.priority)


def take(turn: Turn, place: Place) -> None:
    """An item takes a slot."""
    count(turn.state, place.plan, place.record, 1)


def free(turn: Turn, place: Place) -> None:
    """An item gives its slot back."""
    count(turn.state, place.plan, place.record, -1)
    if place.record.ready:
        offer(turn, place.plan.number)


def count(state: State, plan: NodePlan, record: NodeRecord, by: int) -> None:
    """Counts a slot of a node as taken, or with -1 as free again."""
    record.live += by
    if plan.makes_calls:
        state.eager.live[plan.dynamic_depth] += by
    else:
        state.live += by


def is_all_there_is(turn: Turn, place: Place, code: str, delay: float) -> bool:
    """Whether a refusal says that there is no room beside the pods that there are; one more may be asked for after a delay in seconds.

    The operator's own limits count pods, whatever they are. A quota has room for a smaller one perhaps, but not for another
    item of the same map.
    """
    state, plan, record = turn.state, place.plan, place.record
    if code == Code.CAPACITY and not plan.makes_calls:
        state.room.refused(state.live, turn.now + delay)
        return True
    if code == Code.QUOTA and plan.is_map:
        record.room = record.room or Room()
        record.room.refused(record.live, turn.now + delay)
        return True
    return False


def made(turn: Turn, place: Place) -> None:
    """There was room for a pod."""
    state, record = turn.state, place.record
    if not place.plan.makes_calls:
        state.room.made(state.live)
    if record.room is not None:
        record.room.made(record.live)
        if record.ready:
            offer(turn, place.plan.number)


def eager_slots(settings: EngineSettings) -> int:
    """Most eager nodes of one depth that are launched at a time.

    They wait for what they call, so they take no slot that this would need: those that they call have slots of their own, be it
    as the tasks of the run or as eager nodes of the next depth.
    """
    return max(1, settings.live_pods // 2)
