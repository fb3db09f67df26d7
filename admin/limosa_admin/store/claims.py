"""Claims: which cluster works on which run, in which epoch."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from limosa_admin.store import calls, signals, snapshots, turns
from limosa_admin.store import runs as run_store
from limosa_admin.store.changes import QUEUE, run_topic
from limosa_admin.store.database import Database, notify
from limosa_admin.store.queue import Scope
from limosa_admin.store.schema import clusters, runs, specs
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, RunSpec
from limosa_model.attempt_tokens import call_key
from limosa_model.names import shard_of
from limosa_model.pod_contract import INLINE_CLOSURE_LIMIT

_TAKE = sa.text("""
UPDATE runs
   SET cluster_uid = :cluster, epoch_generation = (SELECT generation FROM server), epoch_number = epoch_number + 1,
       state_seq = -1, change = change + 1
 WHERE uid IN (SELECT uid FROM runs
                WHERE uid = ANY (:uids) AND phase NOT IN (5, 6, 7) AND cluster_uid IS NULL AND NOT abort_requested
                  FOR UPDATE SKIP LOCKED)
RETURNING uid
""")
_NO_WAIT = sa.text("SET LOCAL synchronous_commit = off")
_HELD = (
    sa.select(
        runs.c.uid, runs.c.epoch_generation, runs.c.epoch_number, runs.c.abort_requested, runs.c.abort_reason
    )
    .where(runs.c.cluster_uid == sa.bindparam("cluster"), run_store.IS_ACTIVE)
    .order_by(runs.c.number)
)
MOST_CLAIMS = 200
"""Claims of one call."""
_GIVEN_UP = -1
"""In place of the free slots of a cluster whose claims were released; its next call replaces it."""
_CLAIMS_AT_ONCE = 20
"""Of each lane as many runs are read ahead at a time as are claimed."""
_ROWS_AT_ONCE = 20
SPEC_BYTES = 6 * 1024 * 1024
"""Specs of one answer; what does not fit comes with the next."""


@dataclasses.dataclass(frozen=True)
class ClaimRules:
    """What bounds the claims of one cluster.

    Attributes:
        max_active_runs: Runs of one project-domain under way at a time; 0: no limit.
        scope: Which runs it may take.
    """

    max_active_runs: int
    scope: Scope


@dataclasses.dataclass(frozen=True)
class Slots:
    """What room a cluster has.

    Attributes:
        free: Further runs it can take, child runs left aside.
        most: Runs it holds at a time; of each depth as many child runs. 0: as many child runs as there are.
        shared: Several operators share the cluster: each counts its own runs only, so that `free` is a bound and no more.
    """

    free: int
    most: int = 0
    shared: bool = False


def slots_of(request: pb.SyncRequest) -> Slots:
    """What an operator says of its cluster's room."""
    return Slots(request.free_slots, request.slots, request.shards > 1)


def room(connection: sa.Connection, cluster_uid: str, slots: Slots) -> int:
    """Further runs that a cluster can take, whichever of its operators has them."""
    if not slots.shared or not slots.free:
        return slots.free
    taken = (runs.c.cluster_uid == cluster_uid, run_store.HOLDS_SLOT, runs.c.parent_uid.is_(None))
    held = connection.execute(sa.select(sa.func.count()).select_from(runs).where(*taken)).scalar_one()
    return max(0, min(slots.free, slots.most - held))


def meet(database: Database, request: pb.SyncRequest, scope: Scope) -> None:
    """Notes that a cluster is there, and what it may take.

    This does not wait for the disk: a cluster says it with every call, and a claim, which comes later, takes it along.
    """
    with database.transaction() as connection:
        values = {
            "name": request.cluster_name or request.cluster_uid,
            "last_seen": sa.func.now(),
            "free_slots": room(connection, request.cluster_uid, slots_of(request)),
            "serves": list(scope.namespaces),
            "projects": list(scope.projects),
        }
        statement = insert(clusters).values(uid=request.cluster_uid, **values)
        connection.execute(_NO_WAIT)
        connection.execute(statement.on_conflict_do_update(index_elements=["uid"], set_=values))


def claim(database: Database, cluster_uid: str, slots: Slots, rules: ClaimRules) -> list[str]:
    """Gives waiting runs to a cluster, each in a new epoch; returns their uids, to be told.

    Whose turn it is is told in `turns`. Steps are committed one by one: should a later one fail, what was claimed before
    is in the answer that the cluster gets when it asks again.
    """
    left = min(slots.free, MOST_CLAIMS)
    most = slots.most if slots.shared else None
    claimed: list[str] = []
    look = True
    while True:
        asked = min(left, _CLAIMS_AT_ONCE)
        taken = turns.claim(
            database,
            cluster_uid,
            turns.Room(asked, most, rules.max_active_runs),
            rules.scope,
            look=look,
            given_up=_GIVEN_UP,
        )
        if taken is None:
            with database.transaction() as connection:
                claimed += _claim_children(connection, cluster_uid, slots.most, rules.max_active_runs)
        else:
            claimed += taken
            left -= len(taken)
            if not left or len(taken) < asked:
                return claimed
        look = False


def _claim_children(connection: sa.Connection, cluster_uid: str, most: int, place_limit: int) -> list[str]:
    waiting = turns.children(connection, cluster_uid)
    if _is_given_up(connection, cluster_uid):
        return []
    busy = turns.under_way(connection)
    chosen = turns.choose_children(connection, cluster_uid, waiting, most, busy, place_limit)
    return _take(connection, cluster_uid, chosen[:MOST_CLAIMS])


def _take(connection: sa.Connection, cluster_uid: str, chosen: Sequence[str]) -> list[str]:
    """Makes runs a cluster's, but for those that somebody changes at this moment."""
    if not chosen:
        return []
    given = {"cluster": cluster_uid, "uids": list(chosen)}
    return list(connection.execute(_TAKE, given).scalars())


def desired(connection: sa.Connection, request: pb.SyncRequest, secret: bytes) -> list[pb.DesiredRun]:
    """What an operator should have; runs whose spec does not fit are left for the next answer.

    Args:
        connection: An open transaction.
        request: What the operator has.
        secret: What keys of claims are made from.
    """
    reports = {report.run_uid: report for report in request.runs}
    reported = {uid: report.epoch for uid, report in reports.items()}
    wanted = connection.execute(_HELD, {"cluster": request.cluster_uid}).all()
    wanted = [row for row in wanted if row.uid in reported or _is_led(request, row.uid)]
    epochs = {row.uid: Epoch(generation=row.epoch_generation, number=row.epoch_number) for row in wanted}
    unknown = [uid for uid, epoch in epochs.items() if reported.get(uid) != epoch]
    found = read_specs(connection, unknown)
    told = signals.of_cluster(connection, request.cluster_uid)
    taken = {uid: frozenset(report.signals_taken) for uid, report in reports.items()}
    called = calls.of_cluster(connection, request.cluster_uid)
    heard = {uid: frozenset(report.calls_taken) for uid, report in reports.items()}
    numbered = {uid for uid, report in reports.items() if uid in epochs and report.wants_number}
    numbers = snapshots.greatest_numbers(connection, {uid: epochs[uid] for uid in {*unknown, *numbered}})
    answer = []
    for row in wanted:
        if row.uid in unknown and row.uid not in found:
            continue
        answer.append(
            pb.DesiredRun(
                run_uid=row.uid,
                epoch=epochs[row.uid],
                desired=pb.DESIRED_ABORT if row.abort_requested else pb.DESIRED_RUN,
                spec=found.get(row.uid),
                abort_reason=row.abort_reason,
                # Another epoch's state shows nothing of what this one has to take.
                signals=[
                    signal
                    for signal in told.get(row.uid, ())
                    if row.uid in unknown or signal.node_path not in taken[row.uid]
                ],
                calls=[
                    path
                    for path in called.get(row.uid, ())
                    if row.uid in unknown or path not in heard[row.uid]
                ],
                call_key=call_key(secret, row.uid, epochs[row.uid])
                if row.uid in unknown or reports[row.uid].wants_call_key
                else b"",
                number=numbers.get(row.uid),
            )
        )
    for uid, epoch in reported.items():
        if uid not in epochs:
            answer.append(pb.DesiredRun(run_uid=uid, epoch=epoch, desired=pb.DESIRED_FORGET))
    return answer


def _is_led(request: pb.SyncRequest, run_uid: str) -> bool:
    return request.shards <= 1 or shard_of(run_uid, request.shards) in request.led_shards


def read_specs(connection: sa.Connection, uids: Sequence[str]) -> Mapping[str, RunSpec]:
    """What an operator needs of each run, as many as `SPEC_BYTES` hold (always one)."""
    found: dict[str, RunSpec] = {}
    closures: dict[str, bytes] = {}
    size = 0
    for row in _rows(connection, uids):
        digest = row["closure_digest"]
        if digest not in closures:
            closures[digest] = _inline_closure(connection, digest)
        spec = RunSpec(
            run_uid=row["uid"],
            name=row["name"],
            project=row["project"],
            domain=row["domain"],
            closure_digest=digest,
            closure=closures[digest],
            inputs=LiteralMap.FromString(bytes(row["inputs"])),
            labels=row["labels"],
            annotations=row["annotations"],
            version=row["target_version"],
            priority=row["priority"],
            parent=run_store.parent_of(row),
            cache_mode=row["cache_mode"],
            max_parallelism=row["max_parallelism"],
            reuse=run_store.reuse_of(row),
        )
        size += spec.ByteSize()
        if found and size > SPEC_BYTES:
            break
        found[row["uid"]] = spec
    return found


def _rows(connection: sa.Connection, uids: Sequence[str]) -> Iterator[sa.RowMapping]:
    """Rows in the order of their uids' list, read some at a time: their inputs may be large."""
    for first in range(0, len(uids), _ROWS_AT_ONCE):
        some = uids[first : first + _ROWS_AT_ONCE]
        read = connection.execute(sa.select(runs).where(runs.c.uid.in_(some))).mappings()
        rows = {row["uid"]: row for row in read}
        yield from (rows[uid] for uid in some if uid in rows)


def _is_given_up(connection: sa.Connection, cluster_uid: str) -> bool:
    """Whether its claims were released, and it has not called since."""
    told = connection.execute(sa.select(clusters.c.free_slots).where(clusters.c.uid == cluster_uid)).scalar()
    return told == _GIVEN_UP


def lose(connection: sa.Connection, cluster_uids: Sequence[str]) -> int:
    """Releases the claims of clusters that will not come back; returns how many runs others may take now."""
    # A call that such a cluster left open would take them back at once.
    gone = sa.update(clusters).where(clusters.c.uid.in_(list(cluster_uids)))
    connection.execute(gone.values(free_slots=_GIVEN_UP))
    held = (runs.c.cluster_uid.in_(list(cluster_uids)), run_store.IS_ACTIVE)
    values = {"cluster_uid": None, "change": runs.c.change + 1}
    released = (
        connection.execute(sa.update(runs).where(*held).values(values).returning(runs.c.uid)).scalars().all()
    )
    for uid in released:
        notify(connection, run_topic(uid))
    run_store.end_unclaimed(connection)
    notify(connection, QUEUE)
    return len(released)


def silent(connection: sa.Connection, after_s: int, now: dt.datetime | None = None) -> list[str]:
    """Uids of the clusters that hold active runs and were not heard of for `after_s` seconds."""
    moment = sa.func.now() if now is None else sa.literal(now)
    query = sa.select(clusters.c.uid).where(clusters.c.last_seen < moment - dt.timedelta(seconds=after_s))
    holds = sa.select(runs.c.uid).where(runs.c.cluster_uid == clusters.c.uid, run_store.IS_ACTIVE)
    return list(connection.execute(query.where(holds.exists())).scalars())


def named(connection: sa.Connection, name: str) -> list[str]:
    """Uids of the clusters of a name, or of that very uid."""
    query = sa.select(clusters.c.uid).where(sa.or_(clusters.c.name == name, clusters.c.uid == name))
    return list(connection.execute(query).scalars())


def list_clusters(connection: sa.Connection) -> Sequence[sa.RowMapping]:
    """Every cluster with the number of its active runs, by name."""
    active = sa.func.count(runs.c.uid).label("active_runs")
    joined = clusters.outerjoin(runs, sa.and_(runs.c.cluster_uid == clusters.c.uid, run_store.IS_ACTIVE))
    query = sa.select(clusters, active).select_from(joined).group_by(clusters.c.uid)
    return connection.execute(query.order_by(clusters.c.name)).mappings().all()


def _inline_closure(connection: sa.Connection, digest: str) -> bytes:
    size = sa.func.length(specs.c.body)
    row = connection.execute(
        sa.select(sa.case((size <= INLINE_CLOSURE_LIMIT, specs.c.body))).where(specs.c.digest == digest)
    ).scalar_one()
    return b"" if row is None else bytes(row)
