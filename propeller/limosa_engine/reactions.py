"""What each event does to the state: one function per event type, in a table."""

from collections.abc import Callable
from typing import Any

from limosa_engine import (
    caching,
    children,
    endings,
    expansion,
    hits,
    items,
    judge,
    launches,
    maps,
    own_commits,
    restore,
    run,
    slots,
)
from limosa_engine import events as ev
from limosa_engine.commands import CollectMap, CommitCall, LoadValue, ReadCall, ReadCommit, ReadError
from limosa_engine.graph import Item
from limosa_engine.nodes import DECIDERS, dynamic, eager
from limosa_engine.phases import NODE_TERMINAL, NodePhase, RunPhase
from limosa_engine.state import RUN_NODE, Check, Ending, Launch
from limosa_engine.turn import Place, Turn
from limosa_engine.values import Key, Value
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_model import failures
from limosa_model.failures import Code


def fire_due(turn: Turn) -> None:
    """Wakes whoever's time has come."""
    while (due := turn.state.timers.pop_due(turn.now)) is not None:
        number, position = due
        if number == RUN_NODE:
            _retry_reads(turn)
        elif position < 0 and turn.graph.nodes[number].kind in DECIDERS:
            turn.mark(number)
        elif position < 0:
            _node_deadline(turn, number)
        else:
            _item_woken(turn, turn.place(number, position))


def _run_started(turn: Turn, _: ev.RunStarted) -> None:
    run.start(turn)


def _run_restored(turn: Turn, _: ev.RunRestored) -> None:
    if turn.state.phase is RunPhase.QUEUED:
        run.start(turn)
    else:
        restore.resume(turn)


def _pods_listed(turn: Turn, _: ev.PodsListed) -> None:
    restore.pods_listed(turn)


def _pod_observed(turn: Turn, event: ev.PodObserved) -> None:
    place = _find(turn, event.item)
    if place is None:
        _keep_unclaimed(turn, event)
        return
    launch, item = place.item.launch, place.item
    if launch is not None and launch.ordinal == event.launch:
        launches.observe(turn, place, launch, event.view)
    elif item.phase in NODE_TERMINAL or event.launch < item.launches:
        if not event.view.deleting:
            launches.delete(turn, event.item, event.launch)
    else:
        turn.state.unclaimed[event.item] = (event.launch, event.view)
        if launch is None:
            launches.adopt(turn, place)


def _keep_unclaimed(turn: Turn, event: ev.PodObserved) -> None:
    """The pod of an item that the state does not have yet: its node's turn has not come."""
    path = event.item.node_path
    number = turn.graph.by_path.get(path, turn.graph.grows_at(path))
    if number is None or turn.state.nodes[number].phase in NODE_TERMINAL:
        if not event.view.deleting:
            launches.delete(turn, event.item, event.launch)
        return
    known = turn.state.unclaimed.get(event.item)
    if known is None or known[0] <= event.launch:
        turn.state.unclaimed[event.item] = (event.launch, event.view)


def _pod_gone(turn: Turn, event: ev.PodGone) -> None:
    turn.state.deleting.discard((event.item, event.launch))
    known = turn.state.unclaimed.get(event.item)
    if known is not None and known[0] == event.launch:
        del turn.state.unclaimed[event.item]
    found = _launch(turn, event.item, event.launch)
    if found is not None:
        launches.vanished(turn, *found)


def _pod_created(turn: Turn, event: ev.PodCreated) -> None:
    found = _launch(turn, event.item, event.launch)
    if found is not None:
        launches.created(turn, *found)


def _pod_rejected(turn: Turn, event: ev.PodRejected) -> None:
    found = _launch(turn, event.item, event.launch)
    if found is not None:
        launches.rejected(turn, *found, event)


def _pod_deleted(turn: Turn, event: ev.PodDeleted) -> None:
    if event.gone:
        _pod_gone(turn, ev.PodGone(event.item, event.launch))


def _log_kept(turn: Turn, event: ev.LogKept) -> None:
    found = _launch(turn, event.item, event.launch)
    if found is not None:
        judge.log_kept(turn, *found)


def _commit_read(turn: Turn, event: ev.CommitRead) -> None:
    whole = _map_itself(turn, event.item)
    if whole is not None and event.commit is not None:
        _arrived(turn, (whole, -1), event.commit.inline)
        return
    number = _decides(turn, event.item)
    if number is not None:
        _own_commit_read(turn, number, event)
        return
    place = _find(turn, event.item)
    if place is None:
        return
    if place.plan.makes_graph:
        _graph_read(turn, place, event)
    if place.item.check is Check.OUT:
        launches.checked(turn, place, event.commit)
    elif place.item.launch is not None:
        judge.commit_read(turn, place, place.item.launch, event.commit)
    key = (place.plan.number, place.position)
    if not turn.state.values.is_wanted(key):
        return
    if event.commit is not None:
        place.item.committed_by = event.commit.launch_id
        place.item.source = items.source_of(event.commit)
        _arrived(turn, key, event.commit.inline)
    else:
        _lost(turn, key, event.item)


def _graph_read(turn: Turn, place: Place, event: ev.CommitRead) -> None:
    if event.item in turn.state.refreshing:
        restore.refreshed(turn, event.item, dynamic.refusal_of(turn, place.plan, event.graph))
    elif event.graph is not None and place.plan.body is None and place.record.phase not in NODE_TERMINAL:
        turn.state.made_graphs[place.plan.number] = event.graph


def _own_commit_read(turn: Turn, number: int, event: ev.CommitRead) -> None:
    key, plan, commit = (number, 0), turn.graph.nodes[number], event.commit
    decider = DECIDERS[plan.kind]
    own_commits.commit_read(turn, number, commit, decider)
    if event.item in turn.state.refreshing:
        told = None
        if commit is not None and decider.failure_of is not None:
            told = decider.failure_of(plan, commit)
        restore.refreshed(turn, event.item, told)
    if not turn.state.values.is_wanted(key):
        return
    if event.commit is not None:
        _arrived(turn, key, event.commit.inline)
    else:
        _lost(turn, key, event.item)


def _error_read(turn: Turn, event: ev.ErrorRead) -> None:
    found = _launch(turn, event.item, event.launch)
    if found is not None:
        judge.error_read(turn, *found, event.record)
    if event.item in turn.state.refreshing:
        restore.refreshed(turn, event.item, None if event.record is None else event.record.failure)


def _value_loaded(turn: Turn, event: ev.ValueLoaded) -> None:
    _arrived(turn, event.uri, event.literal)


def _store_failed(turn: Turn, event: ev.StoreFailed) -> None:
    command = event.command
    if isinstance(command, ReadCall | CommitCall):
        eager.store_failed(turn, command, event.retryable)
        return
    if isinstance(command, LoadValue):
        _read_failed(turn, command.uri, command.digest, event)
        return
    if isinstance(command, CollectMap):
        _read_failed(turn, (turn.graph.by_path[command.item.node_path], -1), "", event)
        return
    number = _decides(turn, command.item)
    if number is not None:
        own_commits.store_failed(turn, number, _store_failure(event))
        if command.item in turn.state.refreshing:
            restore.refreshed(turn, command.item, None)
        _read_failed(turn, (number, 0), "", event)
        return
    place = _find(turn, command.item)
    if place is None:
        return
    launch = place.item.launch
    if isinstance(command, ReadError):
        if launch is not None and launch.ordinal == command.launch:
            judge.store_failed(turn, place, launch, _store_failure(event))
        if command.item in turn.state.refreshing:
            restore.refreshed(turn, command.item, None)
        return
    if place.item.check is Check.OUT:
        launches.check_failed(turn, place, _store_failure(event))
    elif launch is not None:
        judge.store_failed(turn, place, launch, _store_failure(event))
    if place.plan.makes_graph and command.item in turn.state.refreshing:
        restore.refreshed(turn, command.item, None)
    _read_failed(turn, (place.plan.number, place.position), "", event)


def _cache_answered(turn: Turn, event: ev.CacheAnswered) -> None:
    place = _find(turn, event.item)
    if place is not None:
        hits.answered(turn, place, event)


def _child_run_observed(turn: Turn, event: ev.ChildRunObserved) -> None:
    place = _find(turn, event.item)
    if place is not None:
        children.observed(turn, place, event)


def _timer_fired(turn: Turn, _: ev.TimerFired) -> None:
    turn.state.timers.announced = None


def _signal_received(turn: Turn, event: ev.SignalReceived) -> None:
    number = turn.graph.by_path.get(event.node_path)
    if number is None or turn.state.nodes[number].phase in NODE_TERMINAL:
        return
    plan = turn.graph.nodes[number]
    decider = DECIDERS.get(plan.kind)
    if decider is not None and decider.signalled is not None:
        decider.signalled(turn, plan, turn.state.nodes[number], event.signal)


def _abort_requested(turn: Turn, event: ev.AbortRequested) -> None:
    run.abort(turn, event.reason)


REACTIONS: dict[type[Any], Callable[[Turn, Any], None]] = {
    ev.RunStarted: _run_started,
    ev.RunRestored: _run_restored,
    ev.PodsListed: _pods_listed,
    ev.PodObserved: _pod_observed,
    ev.PodGone: _pod_gone,
    ev.PodCreated: _pod_created,
    ev.PodRejected: _pod_rejected,
    ev.PodDeleted: _pod_deleted,
    ev.LogKept: _log_kept,
    ev.CommitRead: _commit_read,
    ev.CallMade: eager.called,
    ev.CallRead: eager.call_read,
    ev.CallCommitted: eager.committed,
    ev.ErrorRead: _error_read,
    ev.ValueLoaded: _value_loaded,
    ev.StoreFailed: _store_failed,
    ev.CacheAnswered: _cache_answered,
    ev.ChildRunObserved: _child_run_observed,
    ev.TimerFired: _timer_fired,
    ev.SignalReceived: _signal_received,
    ev.AbortRequested: _abort_requested,
}


def _find(turn: Turn, item: Item) -> Place | None:
    """The item in the state; None while its node has no items, or where there is no such item."""
    number = turn.graph.by_path.get(item.node_path)
    if number is None or (item.index is not None) != turn.graph.nodes[number].is_map:
        return None
    position = item.index or 0
    return turn.place(number, position) if position < len(turn.state.nodes[number].items) else None


def _map_itself(turn: Turn, item: Item) -> int | None:
    """The number of a map node, where the item stands for it and not for one of its indices."""
    number = turn.graph.by_path.get(item.node_path)
    return number if number is not None and item.index is None and turn.graph.nodes[number].is_map else None


def _decides(turn: Turn, item: Item) -> int | None:
    """The number of a node that has a commit without a launch."""
    number = turn.graph.by_path.get(item.node_path)
    return number if number is not None and turn.graph.nodes[number].kind in DECIDERS else None


def _launch(turn: Turn, item: Item, ordinal: int) -> tuple[Place, Launch] | None:
    place = _find(turn, item)
    launch = None if place is None else place.item.launch
    return (place, launch) if place is not None and launch is not None and launch.ordinal == ordinal else None


def _arrived(turn: Turn, key: Key, value: Value) -> None:
    for waiter in turn.state.values.arrive(key, value):
        turn.mark(waiter)


def _lost(turn: Turn, key: Key, item: Item) -> None:
    message = f"the commit of {item} is not in the store any more; its outputs are lost"
    _unreadable(turn, key, failures.system(Code.CORRUPT_DATA, message, retryable=False))


def _unreadable(turn: Turn, key: Key, failure: Failure) -> None:
    for waiter in turn.state.values.fail(key, failure):
        turn.mark(waiter)


def _store_failure(event: ev.StoreFailed) -> Failure:
    return Failure(kind=event.kind, code=event.code, message=event.message, retryable=event.retryable)


def _read_failed(turn: Turn, key: Key, digest: str, event: ev.StoreFailed) -> None:
    """A value that nodes wait for could not be read."""
    values = turn.state.values
    if not values.is_wanted(key):
        return
    if not event.retryable:
        _unreadable(turn, key, _store_failure(event))
        return
    when = turn.now + turn.settings.store_backoff
    values.retries.append((when, key, digest))
    turn.state.timers.add(when, RUN_NODE)


def _retry_reads(turn: Turn) -> None:
    values, calls = turn.state.values, turn.state.eager.retries
    while calls and calls[0][0] <= turn.now:
        turn.emit(calls.popleft()[1])
    while values.retries and values.retries[0][0] <= turn.now:
        _, key, digest = values.retries.popleft()
        if not values.is_wanted(key):
            continue
        if isinstance(key, str):
            turn.emit(LoadValue(key, digest, turn.settings.value_bytes))
        elif key[1] < 0:
            maps.collect(turn, key[0])
        else:
            turn.emit(ReadCommit(turn.graph.nodes[key[0]].item_at(key[1])))


def _node_deadline(turn: Turn, number: int) -> None:
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    if record.phase in NODE_TERMINAL or plan.deadline is None or record.queued_at is None:
        return
    if turn.now < record.queued_at + plan.deadline:
        turn.state.timers.add(record.queued_at + plan.deadline, number)
        return
    turn.tell(number, None, "deadline")
    turn.mark(number)
    if record.items and plan.body is None:
        endings.end_items(turn, plan, record, Ending.DEADLINE)
        return
    if record.ending is not None:
        return
    if plan.body is not None:
        dynamic.past_deadline(turn, plan, record, plan.body)
    else:
        expansion.refuse(turn, plan, record, expansion.deadline_failure(plan))


def _item_woken(turn: Turn, place: Place) -> None:
    item = place.item
    launch = item.launch
    caching.renew(turn, place)
    if launch is not None:
        if launch.wake_at is not None and launch.wake_at <= turn.now:
            launches.woken(turn, place, launch)
        return
    if item.wake_at is None and place.record.ready:
        # It stands in line with others.
        slots.offer(turn, place.plan.number)
    if item.wake_at is None or item.wake_at > turn.now or item.phase in NODE_TERMINAL:
        return
    if item.check is Check.OUT:
        item.wake_at = None
        launches.check(turn, place)
    elif item.phase in (NodePhase.QUEUED, NodePhase.RETRYING):
        turn.tell(place.plan.number, place.index, "due again")
        items.queue(turn, place)
