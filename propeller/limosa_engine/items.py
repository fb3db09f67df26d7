"""Node items between launches: queued, retried, ended."""

from limosa_engine import caching, slots
from limosa_engine.phases import NodePhase
from limosa_engine.state import Ending, Source
from limosa_engine.turn import Place, Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.run.v1alpha1.run_pb2 import Commit
from limosa_model import failures


def set_phase(turn: Turn, place: Place, phase: NodePhase) -> None:
    """Changes an item's phase, and its node's where that follows at once."""
    turn.set_item(place, phase)
    record = place.record
    if not place.plan.is_map or (phase is NodePhase.RUNNING and record.phase is NodePhase.QUEUED):
        turn.set_node(place.plan, record, phase)


def queue(turn: Turn, place: Place) -> None:
    """An item may be launched as soon as there is a slot; one of a cached task is looked up first."""
    item = place.item
    item.wake_at = None
    asks = caching.is_to_be_asked(place.plan, item)
    if not asks:
        item.waiting = turn.waiting(item.waiting, "Capacity")
    if item.phase is not NodePhase.QUEUED:
        set_phase(turn, place, NodePhase.QUEUED)
    turn.touch_item(place)
    if asks:
        place.record.unasked.append(place.position)
        caching.offer(turn, place.plan.number)
    else:
        place.record.ready.append(place.position)
        slots.offer(turn, place.plan.number)


def wait(
    turn: Turn,
    place: Place,
    phase: NodePhase,
    reason: str,
    detail: str,
    delay: float,
    *,
    poll: bool = False,
) -> None:
    """An item comes again after a delay in seconds; with `poll`, only to ask somebody else again."""
    item = place.item
    item.wake_at = turn.now + delay
    item.waiting = turn.waiting(item.waiting, reason, detail, item.wake_at)
    if item.phase is not phase:
        set_phase(turn, place, phase)
    turn.touch_item(place)
    turn.state.timers.add(item.wake_at, place.plan.number, place.position, poll=poll)


def stand_in_line(turn: Turn, place: Place, reason: str, detail: str, delay: float) -> None:
    """An item goes back to the head of its node's line; after a delay in seconds the line is looked at, if not before."""
    item = place.item
    item.waiting = turn.waiting(item.waiting, reason, detail, turn.now + delay)
    set_phase(turn, place, NodePhase.QUEUED)
    turn.touch_item(place)
    place.record.ready.appendleft(place.position)
    slots.offer(turn, place.plan.number)
    turn.state.timers.add(turn.now + delay, place.plan.number, place.position)


def accept(turn: Turn, place: Place, commit: Commit) -> None:
    """The item has a commit without a launch of ours having made it."""
    place.item.committed_by, place.item.source = commit.launch_id, source_of(commit)
    turn.state.values.put((place.plan.number, place.position), commit.inline)
    finish(turn, place, NodePhase.SUCCEEDED)


def source_of(commit: Commit) -> Source | None:
    """Whose result a commit took over."""
    return Source(commit.origin, commit.origin_run) if commit.origin else None


def finish(turn: Turn, place: Place, phase: NodePhase, failure: Failure | None = None) -> None:
    """An item ends; what that means for its node is decided when the node is looked at, in the same step."""
    item, record = place.item, place.record
    item.wake_at = item.waiting = None
    if failure is not None:
        item.failure = failure
    turn.set_item(place, phase)
    if place.plan.cache is not None:
        caching.ended(turn, place, phase)
    if phase is NodePhase.SUCCEEDED:
        record.succeeded += 1
        turn.state.items_succeeded += place.plan.is_map
    elif phase is NodePhase.FAILED:
        record.failed += 1
        if record.failure is None:
            record.failure = failure
    else:
        record.aborted += 1
    turn.mark(place.plan.number)


def close(turn: Turn, place: Place, why: Ending) -> None:
    """Ends an item that has no launch."""
    if why is Ending.ABORT:
        finish(turn, place, NodePhase.ABORTED)
    else:
        finish(turn, place, NodePhase.FAILED, deadline_failure(place))


def deadline_failure(place: Place) -> Failure:
    """The node's deadline passed."""
    message = f"{place.key} did not finish within its deadline of {place.plan.deadline or 0:g} s"
    return failures.user(failures.Code.NODE_DEADLINE, message, origin=origin(place, place.item.launches - 1))


def origin(place: Place, launch: int) -> FailureOrigin:
    """Where a failure comes from."""
    return FailureOrigin(
        node_path=place.plan.path, index=place.index, launch=max(launch, 0), task=place.plan.target
    )
