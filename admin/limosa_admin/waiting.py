"""Why nothing happens to a run: read off the queue and the clusters' last calls, never written down."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import sqlalchemy as sa

from limosa_admin.store import queue
from limosa_admin.store import runs as run_store
from limosa_admin.store.database import Database
from limosa_admin.store.queue import Cluster, Scope
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.names import namespace_of

CONTACT_S = 30.0
"""A cluster not heard of for longer is out of contact; operators ask again after 20 s at the latest."""
FOR_CLUSTER = "WaitingForCluster"
FOR_SLOT = "WaitingForSlot"
FOR_LIMIT = "WaitingForLimit"
SILENT = "ClusterSilent"
_MOST_NAMED = 3


@dataclasses.dataclass(frozen=True)
class Queue:
    """What is known around one run that waits.

    Attributes:
        clusters: Every cluster that ever asked for work.
        now: The moment of reading.
        before: Older runs that wait for the same clusters; None: more than `queue.MOST_COUNTED`.
        active: Runs of its project-domain that clusters work on.
        limit: How many those may be; 0: no limit.
        plan: Its launch plan, where that has a limit of its own.
        plan_limit: Runs of that launch plan at a time; 0: no limit.
        plan_active: Names of the launch plan's runs that clusters work on.
    """

    clusters: Sequence[Cluster]
    now: dt.datetime
    before: int | None = 0
    active: int = 0
    limit: int = 0
    plan: str = ""
    plan_limit: int = 0
    plan_active: Sequence[str] = ()


class Waiting:
    """Gives runs their reasons."""

    def __init__(
        self,
        database: Database,
        max_active_runs: int = 0,
        clock: Callable[[], dt.datetime] | None = None,
    ) -> None:
        """Reads nothing yet.

        Args:
            database: The tables.
            max_active_runs: Runs of one project-domain that clusters work on at a time; 0: no limit.
            clock: The time; None: the database's, which the clusters' calls are stamped with.
        """
        self._database = database
        self._limit = max_active_runs
        self._clock = clock

    def reasons(self, rows: Sequence[run_store.Row]) -> Mapping[str, run_pb2.Reason]:
        """By uid, why nothing happens to a run; those that go on, or have ended, are left out."""
        active = [row for row in rows if row["phase"] not in run_store.TERMINAL]
        if not active:
            return {}
        waiting = [row for row in active if row["cluster_uid"] is None]
        with self._database.snapshot() as connection:
            clusters, now = queue.known_clusters(connection)
            now = self._clock() if self._clock else now
            places = {(row["project"], row["domain"]) for row in waiting} if self._limit else set()
            working = queue.active_counts(connection, places) if places else {}
            lanes = {_lane(row) for row in waiting if row["lane_limit"]}
            running = queue.active_in_lanes(connection, lanes) if lanes else {}
            before = _before(connection, waiting, clusters, now)
        found: dict[str, run_pb2.Reason | None] = {}
        by_uid = {cluster.uid: cluster for cluster in clusters}
        for row in active:
            uid, place = row["uid"], (row["project"], row["domain"])
            if row["cluster_uid"] is not None:
                found[uid] = of_claimed(row["phase"], by_uid[row["cluster_uid"]], now)
            elif uid in before:
                limits = (working.get(place, 0), self._limit, row["lane"], row["lane_limit"])
                around = Queue(clusters, now, before[uid], *limits, running.get(_lane(row), ()))
                found[uid] = of_waiting(*place, row["created_at"], around)
        return {uid: reason for uid, reason in found.items() if reason is not None}


def of_claimed(phase: int, cluster: Cluster, now: dt.datetime) -> run_pb2.Reason | None:
    """The reason of a run that a cluster took; None while the cluster is in contact."""
    if _in_contact([cluster], now):
        return None
    seen = _moment(cluster.last_seen, now)
    if phase == run_pb2.RUN_PHASE_QUEUED:
        detail = f"cluster {cluster.name} took it and has not been in contact since {seen}"
        return _reason(FOR_CLUSTER, cluster.last_seen, detail)
    detail = f"cluster {cluster.name} has not been in contact since {seen}; what is shown is from then"
    return _reason(SILENT, cluster.last_seen, detail)


def of_waiting(project: str, domain: str, created_at: dt.datetime, around: Queue) -> run_pb2.Reason:
    """The reason of a run that no cluster has taken."""
    now = around.now
    place = namespace_of(project, domain)
    able = [cluster for cluster in around.clusters if cluster.scope.has(project, domain)]
    there = _in_contact(able, now)
    if not around.clusters:
        detail = "no cluster has ever asked for work: is an operator running?"
        return _reason(FOR_CLUSTER, created_at, detail)
    if not able:
        return _reason(FOR_CLUSTER, created_at, f"no cluster serves {place}")
    if not there:
        last = max(able, key=lambda cluster: cluster.last_seen)
        which = f"no cluster that serves {place}" if len(able) < len(around.clusters) else "no cluster"
        detail = f"{which} has asked for work since {_moment(last.last_seen, now)} (last: {last.name})"
        return _reason(FOR_CLUSTER, max(created_at, last.last_seen), detail)
    before = _count(around.before)
    if around.plan_limit and len(around.plan_active) >= around.plan_limit:
        further = "" if around.before == 0 else f"; {before}"
        return _reason(FOR_LIMIT, created_at, _full_plan(around) + further)
    if around.limit and around.active >= around.limit:
        detail = f"{place} has {around.active} runs under way and may have {around.limit}; {before}"
        return _reason(FOR_LIMIT, created_at, detail)
    if around.before is None or around.before >= sum(cluster.free_slots for cluster in there):
        return _reason(FOR_SLOT, created_at, f"{before}; {_slots(there)}")
    first = there[0]
    seen = _moment(first.last_seen, now)
    detail = f"{before}; cluster {first.name} may take it when it asks for work again (last: {seen})"
    return _reason(FOR_CLUSTER, created_at, detail)


def _before(
    connection: sa.Connection,
    waiting: Sequence[run_store.Row],
    clusters: Sequence[Cluster],
    now: dt.datetime,
) -> Mapping[str, int | None]:
    """By uid, the older runs that wait for the same clusters, with one query for all that wait for the same ones.

    A run that a cluster took since its row was read is left out.
    """
    alike: dict[frozenset[Scope], list[str]] = {}
    for row in waiting:
        able = [cluster for cluster in clusters if cluster.scope.has(row["project"], row["domain"])]
        scopes = frozenset(cluster.scope for cluster in _in_contact(able, now))
        alike.setdefault(scopes, []).append(row["uid"])
    found: dict[str, int | None] = {}
    for scopes, uids in alike.items():
        found.update(queue.counts_before(connection, scopes, uids))
    return found


def _full_plan(around: Queue) -> str:
    names = list(around.plan_active[:_MOST_NAMED])
    left = len(around.plan_active) - len(names)
    told = [*names, f"{left} more"] if left else names
    running = told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
    most = "1 run" if around.plan_limit == 1 else f"{around.plan_limit} runs"
    verb = "is" if len(told) == 1 else "are"
    return f"launch plan {around.plan} allows {most} at once; {running} {verb} running"


def _lane(row: run_store.Row) -> tuple[str, str, str]:
    return row["project"], row["domain"], row["lane"]


def _in_contact(clusters: Sequence[Cluster], now: dt.datetime) -> list[Cluster]:
    """Those that may ask again at any moment, the one with the most free slots first."""
    there = [cluster for cluster in clusters if (now - cluster.last_seen).total_seconds() <= CONTACT_S]
    return sorted(there, key=lambda cluster: (-cluster.free_slots, cluster.name))


def _slots(clusters: Sequence[Cluster]) -> str:
    told = [f"cluster {cluster.name} has {_free(cluster.free_slots)}" for cluster in clusters[:_MOST_NAMED]]
    left = len(clusters) - len(told)
    return ", ".join(told) + (f", and {left} more have no more than that" if left else "")


def _free(slots: int) -> str:
    return "1 free slot" if slots == 1 else f"{slots} free slots"


def _count(before: int | None) -> str:
    if before is None:
        return f"more than {queue.MOST_COUNTED} runs are before it"
    return {0: "no run is before it", 1: "1 run is before it"}.get(before, f"{before} runs are before it")


def _moment(when: dt.datetime, now: dt.datetime) -> str:
    when, now = when.astimezone(dt.timezone.utc), now.astimezone(dt.timezone.utc)
    return when.strftime("%H:%M:%S UTC" if when.date() == now.date() else "%Y-%m-%d %H:%M:%S UTC")


def _reason(code: str, since: dt.datetime, detail: str) -> run_pb2.Reason:
    reason = run_pb2.Reason(code=code, detail=detail)
    reason.since.FromDatetime(since)
    return reason
