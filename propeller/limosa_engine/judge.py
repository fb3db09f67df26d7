"""How a launch ended, judged in this order: commit, error record, the pod's own reason, else SYSTEM.

A termination message is a copy of the first two. Before a failure without a valid message is recorded,
the commit is read once; `Launch.judging` says which answer the judgement waits for.
"""

from limosa_engine import attempts, items, slots, verdicts
from limosa_engine.commands import DeletePod, KeepLog, ReadCommit, ReadError
from limosa_engine.phases import LaunchPhase, NodePhase
from limosa_engine.retry import again_unstarted, chance_of, next_attempt
from limosa_engine.state import Ending, Judging, Launch
from limosa_engine.turn import Place, Turn
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit, ErrorRecord, TerminationRecord
from limosa_model.failures import Code

_READS = (Judging.COMMIT, Judging.ERROR)


def pod_ended(turn: Turn, place: Place, launch: Launch) -> None:
    """The pod ended, or its container did and left a valid last word."""
    if launch.judging not in (Judging.NO, Judging.GRACE):
        return
    record = last_word(launch)
    outcome = record.outcome if record is not None else TerminationRecord.OUTCOME_UNSPECIFIED
    whole = record is not None and record.HasField("outputs") and not place.plan.makes_graph
    # The author's code can write a last word, but not end the runtime's first process with 0: that one has read the commit.
    vouched = launch.view is not None and launch.view.exit_code == 0
    if record is not None and outcome == TerminationRecord.OUTCOME_COMMITTED and whole and vouched:
        succeed(turn, place, launch, launch.launch_id, record.outputs)
    elif outcome in (TerminationRecord.OUTCOME_COMMITTED, TerminationRecord.OUTCOME_SUPERSEDED):
        _read_commit(turn, place, launch)
    elif launch.ending is Ending.ABORT:
        _abort(turn, place, launch)
    elif launch.ending is Ending.DEADLINE:
        launch.verdict = items.deadline_failure(place)
        _read_commit(turn, place, launch)
    elif record is not None and outcome == TerminationRecord.OUTCOME_FAILED and record.HasField("failure"):
        _failed_message(turn, place, launch, record.failure)
    else:
        _read_commit(turn, place, launch)


def pod_vanished(turn: Turn, place: Place, launch: Launch) -> None:
    """The pod does not exist any more and was never seen to end."""
    launch.gone = True
    if launch.judging is not Judging.NO:
        return
    if launch.ending is Ending.ABORT:
        _abort(turn, place, launch)
        return
    launch.judging = Judging.GRACE
    launch.wake_at = turn.now + turn.settings.pod_gone_grace
    turn.state.timers.add(launch.wake_at, place.plan.number, place.position)


def condemn(turn: Turn, place: Place, launch: Launch, verdict: Failure) -> None:
    """The launch cannot go on, whatever its pod does; only a commit can still save it."""
    if launch.judging is Judging.NO:
        launch.verdict = verdict
        _read_commit(turn, place, launch)


def woken(turn: Turn, place: Place, launch: Launch) -> None:
    """A grace period is over, or a failed read is due again."""
    launch.wake_at = None
    if launch.judging is Judging.GRACE:
        pod_ended(turn, place, launch)
    elif launch.judging is Judging.COMMIT:
        turn.emit(ReadCommit(place.key))
    elif launch.judging is Judging.ERROR:
        turn.emit(ReadError(place.key, launch.ordinal, launch.launch_id))


def commit_read(turn: Turn, place: Place, launch: Launch, commit: Commit | None) -> None:
    """The commit decides; without one the error record is next."""
    if launch.judging is not Judging.COMMIT:
        return
    if commit is not None:
        place.item.source = items.source_of(commit)
        succeed(turn, place, launch, commit.launch_id, commit.inline)
    elif launch.ending is Ending.ABORT:
        _abort(turn, place, launch)
    elif launch.verdict is not None:
        fail(turn, place, launch, launch.verdict)
    else:
        _read_error(turn, place, launch)


def error_read(turn: Turn, place: Place, launch: Launch, record: ErrorRecord | None) -> None:
    """The error record decides; without one the termination message, then the pod's own reason."""
    if launch.judging is not Judging.ERROR:
        return
    if launch.ending is Ending.ABORT:
        _abort(turn, place, launch)
        return
    message = launch.verdict
    if record is not None and record.launch_id == launch.launch_id and record.HasField("failure"):
        fail(turn, place, launch, _unless_told_to_stop(place, launch, record.failure))
    elif message is not None:
        fail(turn, place, launch, message)
    elif launch.unseen:
        _forget(turn, place, launch)
    else:
        memory = attempts.memory_limit(place.plan, place.item, turn.settings)
        launch.verdict = verdicts.of_ended(launch.view, str(place.key), place.plan, memory)
        _keep_log(turn, place, launch)


def store_failed(turn: Turn, place: Place, launch: Launch, failure: Failure) -> None:
    """A read failed. An outage of the store fails nobody: the read is tried again."""
    if launch.judging not in _READS:
        return
    if failure.retryable:
        delay = turn.settings.store_backoff
        launch.wake_at = turn.now + delay
        launch.waiting = turn.waiting(launch.waiting, Code.STORE, failure.message, launch.wake_at)
        turn.state.timers.add(launch.wake_at, place.plan.number, place.position)
        turn.touch_launch(place, launch)
    elif launch.judging is Judging.ERROR:
        error_read(turn, place, launch, None)
    else:
        fail(turn, place, launch, failure)


def log_kept(turn: Turn, place: Place, launch: Launch) -> None:
    """The log is in the store: the pod may go."""
    if launch.judging is Judging.LOG and launch.verdict is not None:
        if launch.ending is Ending.ABORT:
            _abort(turn, place, launch)
        else:
            fail(turn, place, launch, launch.verdict)


def succeed(turn: Turn, place: Place, launch: Launch, committed_by: str, outputs: LiteralMap) -> None:
    """The node item has a commit, this launch's or another's."""
    own = committed_by == launch.launch_id
    place.item.committed_by = launch.ordinal if own else committed_by
    turn.state.values.put((place.plan.number, place.position), outputs)
    _close(turn, place, launch, LaunchPhase.SUCCEEDED if own else LaunchPhase.SUPERSEDED, "finished")
    items.finish(turn, place, NodePhase.SUCCEEDED)


def fail(turn: Turn, place: Place, launch: Launch, failure: Failure) -> None:
    """Records the launch's failure and decides what follows."""
    item, plan = place.item, place.plan
    counted = Failure()
    counted.CopyFrom(failure)
    counted.origin.CopyFrom(items.origin(place, launch.ordinal))
    launch.failure = item.failure = counted
    delay = _uncounted(turn, place, launch, counted)
    _close(turn, place, launch, LaunchPhase.FAILED, "failed")
    if delay is None:
        delay = _counted(turn, place, launch, counted)
    if place.record.ending is Ending.ABORT:
        items.finish(turn, place, NodePhase.ABORTED)
        return
    if delay is None or place.record.ending is not None:
        items.finish(turn, place, NodePhase.FAILED, counted)
        return
    if failure.code == Code.OOM_KILLED and plan.budget.grows:
        counted.message = _grows(turn, place, launch)
    items.wait(turn, place, NodePhase.RETRYING, "Backoff", counted.message, delay)
    if delay <= 0:
        items.queue(turn, place)


def _counted(turn: Turn, place: Place, launch: Launch, failure: Failure) -> float | None:
    """Counts a failure; seconds until the next attempt, None when there is none."""
    item = place.item
    if failure.kind == FAILURE_KIND_SYSTEM:
        item.system_failures += 1
    else:
        item.user_failures += 1
        item.shortages += failure.code == Code.OOM_KILLED
    return next_attempt(
        failure,
        item.user_failures,
        item.system_failures,
        place.plan.budget,
        turn.settings,
        chance_of(launch.launch_id),
    )


def _uncounted(turn: Turn, place: Place, launch: Launch, failure: Failure) -> float | None:
    """Seconds until the next attempt after an eviction that met no code of the author's; None for what counts.

    How many there were follows from the ordinals and the counted failures, so it also survives a restart.
    """
    if failure.code != Code.EVICTED or launch.has_run:
        return None
    item = place.item
    return again_unstarted(launch.ordinal - item.user_failures - item.system_failures, turn.settings)


def _grows(turn: Turn, place: Place, launch: Launch) -> str:
    """What is told of an attempt that ran out of memory while the next one may have more."""
    before = launch.memory or attempts.first_memory(place.plan, turn.settings)
    after = attempts.memory_of(place.plan, place.item, turn.settings)
    again = " again, the most that its growth allows" if after == before else ""
    return f"{place.key}: OOMKilled at {before}; the next attempt gets {after}{again}"


def last_word(launch: Launch) -> TerminationRecord | None:
    """The termination message, if it is this launch's own."""
    record = launch.view.record if launch.view is not None else None
    return record if record is not None and record.launch_id == launch.launch_id else None


def _failed_message(turn: Turn, place: Place, launch: Launch, failure: Failure) -> None:
    launch.verdict = _unless_told_to_stop(place, launch, failure)
    if _is_whole(failure):
        fail(turn, place, launch, launch.verdict)
    else:
        _read_error(turn, place, launch)


def _is_whole(failure: Failure) -> bool:
    """Whether nothing had to be left out of the message to make it fit."""
    if failure.kind == FAILURE_KIND_SYSTEM:
        return True
    exception = failure.exception
    return bool(exception.traceback) and all(frame.source for frame in exception.frames)


def _unless_told_to_stop(place: Place, launch: Launch, failure: Failure) -> Failure:
    """A runtime that was told to stop knows no more than that; the cluster's own reason says why."""
    if failure.code == Code.PREEMPTED and launch.view is not None:
        return verdicts.of_reason(launch.view, str(place.key), place.plan) or failure
    return failure


def _read_commit(turn: Turn, place: Place, launch: Launch) -> None:
    launch.judging = Judging.COMMIT
    launch.wake_at = None
    turn.emit(ReadCommit(place.key))


def _read_error(turn: Turn, place: Place, launch: Launch) -> None:
    launch.judging = Judging.ERROR
    turn.emit(ReadError(place.key, launch.ordinal, launch.launch_id))


def _keep_log(turn: Turn, place: Place, launch: Launch) -> None:
    launch.judging = Judging.LOG
    ran = launch.view is not None and launch.view.exit_code is not None
    if ran and not launch.gone:
        turn.emit(KeepLog(place.key, launch.ordinal, launch.launch_id))
    else:
        log_kept(turn, place, launch)


def _abort(turn: Turn, place: Place, launch: Launch) -> None:
    _close(turn, place, launch, LaunchPhase.ABORTED, "aborted")
    items.finish(turn, place, NodePhase.ABORTED)


def _forget(turn: Turn, place: Place, launch: Launch) -> None:
    """No pod of it was ever seen, so nothing failed: the operator stopped before it could ask for one."""
    _close(turn, place, launch, LaunchPhase.ABORTED, "stale")
    items.queue(turn, place)


def _close(turn: Turn, place: Place, launch: Launch, phase: LaunchPhase, reason: str) -> None:
    launch.finished_at = _ended_at(turn, launch)
    launch.waiting = None
    turn.set_launch(place, launch, phase)
    place.item.launch = None
    slots.free(turn, place)
    if not launch.gone and (launch.lost or not launch.deleted):
        key = place.key
        turn.state.deleting.add((key, launch.ordinal))
        turn.emit(DeletePod(key, launch.ordinal, "lost" if launch.lost else reason))


def _ended_at(turn: Turn, launch: Launch) -> float:
    """When a launch ended: Kubernetes cuts to whole seconds, so it was before the next one, and before this was heard of."""
    told = None if launch.view is None else launch.view.finished_at
    return turn.now if told is None else max(launch.created_at or told, min(turn.now, told + 1.0))
