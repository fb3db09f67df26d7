"""A launch from the pod's creation to its end."""

from limosa_engine import attempts, items, judge, resolve, slots, verdicts
from limosa_engine.commands import CreatePod, DeletePod, ReadCommit, ReuseCommit
from limosa_engine.events import PodRejected
from limosa_engine.graph import Item
from limosa_engine.phases import LaunchPhase, NodePhase
from limosa_engine.pods import PodView
from limosa_engine.state import Check, Ending, Judging, Launch, Waiting
from limosa_engine.turn import Place, Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1.run_pb2 import Commit
from limosa_model.digests import digest_of
from limosa_model.failures import Code
from limosa_model.names import launch_id


def start(turn: Turn, place: Place) -> None:
    """Launches an item, which takes a slot. Where it may have a commit already, that is asked for first."""
    item, plan = place.item, place.plan
    if turn.state.unclaimed and adopt(turn, place):
        return
    slots.take(turn, place)
    if item.launches == 0 and item.check is Check.NO and (turn.graph.claimed_before or plan.reusable):
        item.check = Check.OUT
        check(turn, place)
        return
    launch = _new(turn, place, item.launches)
    inputs = resolve.item_inputs(place)
    turn.emit(
        CreatePod(
            item=place.key,
            launch=launch.ordinal,
            launch_id=launch.launch_id,
            task=plan.runs.name,
            inputs=inputs,
            input_digest=digest_of(inputs),
            timeout=plan.timeout,
            memory=launch.memory,
            interruptible=launch.interruptible,
            after_failure=plan.after_failure,
        )
    )


def check(turn: Turn, place: Place) -> None:
    """Asks for the commit that an item may have before its first launch: of an earlier claim, or of the resumed run."""
    if place.plan.reusable:
        digest = digest_of(resolve.item_inputs(place))
        turn.emit(ReuseCommit(place.key, place.plan.runs.name, digest))
    else:
        turn.emit(ReadCommit(place.key))


def adopt(turn: Turn, place: Place) -> bool:
    """Takes over a pod that was there before its item was, if there is one: it needs no free slot, it has one."""
    known = turn.state.unclaimed.pop(place.key, None)
    if known is None:
        return False
    ordinal, view = known
    if ordinal < place.item.launches:
        delete(turn, place.key, ordinal)
        return False
    item = place.item
    if item.check is Check.OUT:
        item.check = Check.DONE
        slots.free(turn, place)
    if item.phase is not NodePhase.QUEUED:
        items.set_phase(turn, place, NodePhase.QUEUED)
    item.wake_at = None
    slots.take(turn, place)
    observe(turn, place, _new(turn, place, ordinal), view)
    return True


def checked(turn: Turn, place: Place, commit: Commit | None) -> None:
    """Answers the question before a first launch."""
    item = place.item
    item.check = Check.DONE
    slots.free(turn, place)
    if commit is None:
        items.queue(turn, place)
        return
    items.accept(turn, place, commit)


def check_failed(turn: Turn, place: Place, failure: Failure) -> None:
    """The question before a first launch cannot be answered now; or, not retryable, ever."""
    if failure.retryable:
        delay = turn.settings.store_backoff
        items.wait(turn, place, NodePhase.QUEUED, Code.STORE, failure.message, delay)
        return
    place.item.check = Check.DONE
    slots.free(turn, place)
    failure.origin.CopyFrom(items.origin(place, 0))
    items.finish(turn, place, NodePhase.FAILED, failure)


def observe(turn: Turn, place: Place, launch: Launch, view: PodView) -> None:
    """The pod's present state."""
    before, launch.view = launch.view, view
    launch.unseen = launch.gone = False
    launch.answered = True
    if launch.judging not in (Judging.NO, Judging.GRACE):
        return
    if view.ended or _had_its_last_word(launch):
        judge.pod_ended(turn, place, launch)
        return
    if view.phase == "Running" and view.started_at is not None:
        if launch.phase is not LaunchPhase.RUNNING:
            turn.set_launch(place, launch, LaunchPhase.RUNNING)
        elif before is None or before.cluster_node != view.cluster_node:
            turn.touch_launch(place, launch)
    elif launch.phase is LaunchPhase.CREATING:
        turn.set_launch(place, launch, LaunchPhase.PENDING)
    _look(turn, place, launch, view)


def created(turn: Turn, place: Place, launch: Launch) -> None:
    """The pod was asked for and exists."""
    launch.answered = True
    place.item.refused = None
    slots.made(turn, place)
    if launch.phase is LaunchPhase.CREATING:
        turn.set_launch(place, launch, LaunchPhase.PENDING)
    if launch.ending is not None:
        _delete_running(turn, place, launch, launch.ending)


def rejected(turn: Turn, place: Place, launch: Launch, event: PodRejected) -> None:
    """There is no pod: the same launch is tried again, or that is its failure."""
    launch.answered = launch.gone = True
    if launch.ending is not None:
        judge.pod_ended(turn, place, launch)
        return
    if not event.retryable:
        failure = Failure(kind=event.kind, code=event.code, message=f"{place.key}: {event.message}")
        judge.condemn(turn, place, launch, failure)
        return
    item = place.item
    item.refused = turn.waiting(item.refused, event.code, event.message)
    grace = verdicts.grace_of_refusal(event.code, turn.settings)
    if grace is not None and turn.now >= item.refused.since + grace:
        judge.condemn(
            turn,
            place,
            launch,
            Failure(kind=event.kind, code=event.code, message=f"{place.key}: {event.message}"),
        )
        return
    item.launches, item.launch = launch.ordinal, None
    slots.free(turn, place)
    delay = _patience(turn, item.refused) if event.retry_after is None else event.retry_after
    turn.tell(place.plan.number, place.index, f"launch {launch.ordinal} rejected: {event.code}")
    if slots.is_all_there_is(turn, place, event.code, delay):
        items.stand_in_line(turn, place, event.code, event.message, delay)
    else:
        items.wait(turn, place, NodePhase.QUEUED, event.code, event.message, delay)


def _patience(turn: Turn, refused: Waiting) -> float:
    """Seconds until a refused pod is asked for again: as long as that has lasted, so the waits double."""
    settings = turn.settings
    return min(max(turn.now - refused.since, settings.rejected_backoff), settings.rejected_backoff_limit)


def vanished(turn: Turn, place: Place, launch: Launch) -> None:
    """The pod does not exist any more."""
    if launch.judging is Judging.LOG:
        launch.gone = True
        judge.log_kept(turn, place, launch)
    else:
        judge.pod_vanished(turn, place, launch)


def end(turn: Turn, place: Place, launch: Launch, why: Ending) -> None:
    """Ends a launch whose pod may run; it is judged once the pod has ended."""
    if launch.ending is not None:
        return
    launch.ending = why
    if launch.judging is Judging.NO and launch.answered:
        _delete_running(turn, place, launch, why)


def woken(turn: Turn, place: Place, launch: Launch) -> None:
    """A time the launch waited for has come."""
    if launch.judging is not Judging.NO:
        judge.woken(turn, place, launch)
        return
    launch.wake_at = None
    if launch.ending is not None:
        _give_up(turn, place, launch)
    elif launch.view is not None:
        _look(turn, place, launch, launch.view)


def delete(turn: Turn, key: Item, ordinal: int) -> None:
    """Removes the pod of a launch that is over."""
    if (key, ordinal) not in turn.state.deleting:
        turn.state.deleting.add((key, ordinal))
        turn.emit(DeletePod(key, ordinal, "stale"))


def _new(turn: Turn, place: Place, ordinal: int) -> Launch:
    graph, item, plan = turn.graph, place.item, place.plan
    name = launch_id(graph.run_uid, plan.path, place.index, graph.epoch, ordinal)
    launch = Launch(
        ordinal,
        name,
        turn.now,
        memory=attempts.memory_of(plan, item, turn.settings),
        interruptible=attempts.is_interruptible(plan, item, turn.settings),
    )
    item.launch, item.launches, item.waiting = launch, ordinal + 1, None
    turn.tell(place.plan.number, place.index, f"launch {ordinal}")
    items.set_phase(turn, place, NodePhase.RUNNING)
    turn.touch_launch(place, launch)
    return launch


def _had_its_last_word(launch: Launch) -> bool:
    """The container ended and said how; sidecars may still run. Told to stop, only the pod's reason says why."""
    view, record = launch.view, judge.last_word(launch)
    if view is None or view.exit_code is None or record is None:
        return False
    return record.failure.code != Code.PREEMPTED


def _look(turn: Turn, place: Place, launch: Launch, view: PodView) -> None:
    """The pod has not ended: what that is waited for, and until when."""
    if view.deleting and launch.ending is None:
        _leave(turn, place, launch, view)
    elif view.phase == "Running" and view.started_at is not None:
        _go_on(turn, place, launch, view.started_at)
    else:
        _hold(turn, place, launch, view)


def _leave(turn: Turn, place: Place, launch: Launch, view: PodView) -> None:
    """Others delete the pod: its end is waited for while its grace lasts, and a margin.

    Counted from when that was first seen: the deletion's own time is another clock's.
    """
    old, detail = launch.waiting, verdicts.leaving(view)
    launch.waiting = turn.waiting(old, "Deleting", detail)
    until = launch.waiting.since + view.deletion_grace + turn.settings.deletion_margin
    launch.waiting.next_at = until
    if old != launch.waiting:
        turn.touch_launch(place, launch)
    if turn.now >= until:
        _give_up(turn, place, launch)
    else:
        _wake(turn, place, launch, until)


def _go_on(turn: Turn, place: Place, launch: Launch, started_at: float) -> None:
    """The pod runs. Its timeout is the kubelet's to enforce; one that does not answer is backed up."""
    if launch.waiting is not None:
        launch.waiting = None
        turn.touch_launch(place, launch)
    if place.plan.timeout is None or launch.ending is not None:
        return
    # A node's clock may be behind: no launch started before it was made.
    begun = max(started_at, launch.created_at or 0.0)
    until = begun + place.plan.timeout + turn.settings.timeout_margin
    if turn.now >= until:
        launch.lost = True
        judge.condemn(turn, place, launch, verdicts.timed_out(str(place.key), place.plan))
    else:
        _wake(turn, place, launch, until)


def _give_up(turn: Turn, place: Place, launch: Launch) -> None:
    """The pod should have ended by now, and nobody says that it has."""
    turn.tell(place.plan.number, place.index, "the pod's end was not seen in time")
    launch.lost = True
    judge.pod_ended(turn, place, launch)


def _wake(turn: Turn, place: Place, launch: Launch, until: float) -> None:
    if launch.wake_at != until:
        launch.wake_at = until
        turn.state.timers.add(until, place.plan.number, place.position)


def _hold(turn: Turn, place: Place, launch: Launch, view: PodView) -> None:
    """The pod does not run yet: says why, and gives up where that will not pass."""
    found = verdicts.of_held(view)
    if found is None:
        if launch.waiting is not None:
            launch.waiting = None
            turn.touch_launch(place, launch)
        return
    held, detail = found
    old = launch.waiting
    launch.waiting = turn.waiting(old, held.reason, detail)
    if old is None or (old.code, old.detail) != (held.reason, detail):
        turn.touch_launch(place, launch)
    grace = verdicts.grace_of(held, turn.settings)
    if grace is None or launch.ending is not None:
        return
    until = launch.waiting.since + grace
    if turn.now >= until:
        judge.condemn(turn, place, launch, verdicts.held_failure(held, detail, str(place.key), place.plan))
    else:
        _wake(turn, place, launch, until)


def _delete_running(turn: Turn, place: Place, launch: Launch, why: Ending) -> None:
    key = place.key
    launch.deleted = True
    turn.state.deleting.add((key, launch.ordinal))
    turn.emit(DeletePod(key, launch.ordinal, why.value))
    _wake(turn, place, launch, turn.now + turn.settings.ending_grace)
