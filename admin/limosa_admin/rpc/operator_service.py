"""What operators call: which runs they should have, and how far those are."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from limosa_admin.children import Children
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.rpc.call import Call, wait
from limosa_admin.rpc.snapshot_rules import check_snapshot
from limosa_admin.store import caches, claims, snapshots
from limosa_admin.store import runs as run_store
from limosa_admin.store.changes import ARRIVALS, QUEUE, Changes, run_topic
from limosa_admin.store.database import Database
from limosa_admin.store.queue import Scope
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import layout

LONGEST_WAIT_S = 20.0
Asks = frozenset[tuple[str, int, int, int | str]]
"""Run uid, epoch, and what is wanted of the run: a Desired, the path of a gate that is told something or of a call, or "call key"."""
Operator = tuple[str, int, tuple[int, ...]]
"""Uid of the cluster, shards that it is divided into, those of the operator."""
GATHER_S = 0.05
"""Least time between two looks at the tables for one waiting call."""
REPEAT_AFTER_S = 1.0
"""An answer that asks for the same as the one before is held back for so long: the operator is busy with it."""
REPEAT_SIGNALS_AFTER_S = 5.0
"""The same for an answer that only repeats signals and calls: their gates' turn may be far off."""
MOST_SNAPSHOTS = 5000
MOST_KEYS = 500
"""Lookups or results of one call."""
RESERVATION_S = 30.0
"""A reservation that was not renewed for so long is anyone's."""
_ABORT_SHOWS = {run_pb2.RUN_PHASE_ABORTING, run_pb2.RUN_PHASE_ABORTED}


class OperatorService:
    """Level-based: every answer of Sync is computed from the tables alone."""

    def __init__(
        self,
        database: Database,
        changes: Changes,
        children: Children,
        max_active_runs: int,
        reclaim_after_s: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._changes = changes
        self._children = children
        self._max_active_runs = max_active_runs
        self._reclaim_after_s = reclaim_after_s
        self._secret = database.signing_key()
        self._clock = clock
        # Per operator, what it was last asked to do and when. Losing it costs one repeated answer.
        self._asked: dict[Operator, tuple[Asks, float]] = {}

    def sync(self, request: pb.SyncRequest, call: Call) -> pb.SyncResponse:
        """The whole desired set, at once when it asks for something, else when it does or the wait ends."""
        if not request.cluster_uid:
            raise RequestError(
                Reason.INVALID, "cluster_uid is empty: send the uid of the namespace kube-system"
            )
        ends = self._clock() + min(request.wait_ms / 1000, LONGEST_WAIT_S)
        operator = request.cluster_uid, request.shards, tuple(request.led_shards)
        woken = call.waker()
        met, pause = False, threading.Event()
        topics = (QUEUE, ARRIVALS) if request.free_slots else (QUEUE,)
        with contextlib.ExitStack() as subscribed:
            for topic in topics:
                subscribed.enter_context(self._changes.subscribe(topic, woken.set))
            while True:
                response, asks = self._compute(request, call, meet=not met)
                computed = self._clock()
                met = True
                held = self._held_back(operator, asks)
                remaining = ends - self._clock()
                if (asks and held <= 0) or remaining <= 0 or not call.is_wanted():
                    self._asked[operator] = (asks, self._clock())
                    return response
                wait(woken, min(remaining, held) if held > 0 else remaining)
                # Many words of changes in a row, of runs being created for instance, are worth one look.
                pause.wait(min(GATHER_S, max(0.0, computed + GATHER_S - self._clock())))

    def publish(self, request: pb.PublishRequest, call: Call) -> pb.PublishResponse:
        """Takes snapshots that are newer than what is known."""
        if len(request.snapshots) > MOST_SNAPSHOTS:
            message = f"{len(request.snapshots)} snapshots in one call; send at most {MOST_SNAPSHOTS}"
            raise RequestError(Reason.INVALID, message)
        for snapshot in request.snapshots:
            check_snapshot(snapshot)
        with self._database.transaction() as connection:
            published = snapshots.publish(connection, request.cluster_uid, request.snapshots)
        self._changes.tell(*published.topics)
        return pb.PublishResponse(stale_run_uids=published.stale)

    def lookup_cache(self, request: pb.LookupCacheRequest, call: Call) -> pb.LookupCacheResponse:
        """Who has each result, or makes it."""
        _check_keys(request.lookups)
        with self._database.transaction() as connection:
            known = caches.known_runs(
                connection, request.cluster_uid, (one.run_uid for one in request.lookups)
            )
            answers = caches.look_up(connection, known, request.lookups, RESERVATION_S)
        return pb.LookupCacheResponse(answers=answers)

    def store_cache(self, request: pb.StoreCacheRequest, call: Call) -> pb.StoreCacheResponse:
        """Keeps results, renews and gives up reservations."""
        _check_keys(request.results)
        with self._database.transaction() as connection:
            known = caches.known_runs(
                connection, request.cluster_uid, (one.run_uid for one in request.results)
            )
            for result in request.results:
                _check_commit(result, known)
            lost = caches.store(connection, known, request.results, RESERVATION_S)
        return pb.StoreCacheResponse(lost=lost)

    def launch_children(self, request: pb.LaunchChildrenRequest, call: Call) -> pb.LaunchChildrenResponse:
        """Sees to child runs, and says how far they are."""
        return pb.LaunchChildrenResponse(children=self._children.answer(request, call.identity))

    def _compute(self, request: pb.SyncRequest, call: Call, *, meet: bool) -> tuple[pb.SyncResponse, Asks]:
        scope = Scope(tuple(request.namespaces), tuple(sorted(call.identity.projects)))
        if meet:
            claims.meet(self._database, request, scope)
        with self._database.transaction() as connection:
            if self._reclaim_after_s:
                claims.lose(connection, claims.silent(connection, self._reclaim_after_s))
            run_store.abort_orphans(connection)
        slots, rules = claims.slots_of(request), claims.ClaimRules(self._max_active_runs, scope)
        claimed = claims.claim(self._database, request.cluster_uid, slots, rules)
        # Whichever operator the runs belong to must hear of them, and only one of them has asked.
        others = [QUEUE] if claimed and slots.shared else []
        self._changes.tell(*others, *map(run_topic, claimed))
        with self._database.transaction() as connection:
            wanted = claims.desired(connection, request, self._secret)
        return pb.SyncResponse(runs=wanted), _asks(request, wanted)

    def _held_back(self, operator: Operator, asks: Asks) -> float:
        last, at = self._asked.get(operator, (frozenset(), 0.0))
        if not asks or asks != last:
            return 0.0
        only_signals = all(isinstance(what, str) for *_, what in asks)
        return at + (REPEAT_SIGNALS_AFTER_S if only_signals else REPEAT_AFTER_S) - self._clock()


def _asks(request: pb.SyncRequest, wanted: list[pb.DesiredRun]) -> Asks:
    """What of a desired set the report does not show yet."""
    phases = {report.run_uid: report.phase for report in request.runs}
    told = {
        (run.run_uid, run.epoch.generation, run.epoch.number, path)
        for run in wanted
        for path in (*(signal.node_path for signal in run.signals), *run.calls)
    }
    keyless = {
        (run.run_uid, run.epoch.generation, run.epoch.number, "call key") for run in wanted if run.call_key
    }
    unnumbered = {
        (run.run_uid, run.epoch.generation, run.epoch.number, "number")
        for run in wanted
        if run.HasField("number")
    }
    return frozenset(told | keyless | unnumbered) | frozenset(
        (run.run_uid, run.epoch.generation, run.epoch.number, int(run.desired))
        for run in wanted
        if run.HasField("spec")
        or run.desired == pb.DESIRED_FORGET
        or (run.desired == pb.DESIRED_ABORT and phases.get(run.run_uid) not in _ABORT_SHOWS)
    )


def _check_keys(
    asked: Sequence[pb.LookupCacheRequest.Lookup] | Sequence[pb.StoreCacheRequest.Result],
) -> None:
    if len(asked) > MOST_KEYS:
        raise RequestError(Reason.INVALID, f"{len(asked)} cache keys in one call; send at most {MOST_KEYS}")
    for one in asked:
        if not (one.run_uid and one.node_path and one.key):
            message = f"cache key of {one.run_uid or '(no run)'}/{one.node_path or '(no node)'}: run, node and key are needed"
            raise RequestError(Reason.INVALID, message)


def _check_commit(result: pb.StoreCacheRequest.Result, known: Mapping[str, caches.Run]) -> None:
    """A result is the node item's own commit: what lies elsewhere is not the run's to give."""
    run = known.get(result.run_uid)
    if not result.commit_uri or run is None:
        return
    prefix = layout.run_prefix(run.project, run.domain, run.name, result.run_uid)
    key = layout.commit_key(prefix, result.node_path, result.index if result.HasField("index") else None)
    if not result.commit_uri.endswith(f"/{key}"):
        message = (
            f"{result.commit_uri} is not the commit of {run.name}/{result.node_path}, which ends in {key}"
        )
        raise RequestError(Reason.INVALID, message)
