"""A long queue, as admin would have written it, and claims from it."""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import callers
import cpu
import grpc
import parts

from limosa_admin.store import claims
from limosa_admin.store.database import Database
from limosa_admin.store.queue import Scope
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1 import admin_pb2_grpc
from limosa_idl.run.v1alpha1 import run_pb2

CLAIMS = 2000
"""Claims measured of each size."""
MOST_P99_MS = 5.0
HELD = 200
"""Runs under way, about: others end."""
SLOTS = 200
"""Of the cluster whose objects are counted."""
CREATED_PER_S = 50
"""Runs made beside the claims."""
_FILL = """
INSERT INTO runs (uid, project, domain, name, request_digest, target_kind, target_name, target_version, closure_digest,
                  inputs, labels, annotations, created_by, phase, state, state_seq, epoch_generation, epoch_number,
                  abort_requested, abort_reason, change, priority, lane, lane_limit)
SELECT gen_random_uuid()::text, 'p' || mod(n, %(places)s), 'development', 'queued-' || n, '', 2, 'demo.t', 'v1', %(digest)s,
       '', '{}', '{}', 'bench', 1, %(state)s, -1, 0, 0, false, '', 0, mod(n, 3),
       CASE WHEN mod(n, 7) = 0 THEN 'demo.narrow' ELSE '' END, CASE WHEN mod(n, 7) = 0 THEN 4 ELSE 0 END
  FROM generate_series(%(first)s, %(last)s) AS n
"""
_BARE = """
UPDATE runs SET cluster_uid = 'c1', epoch_number = epoch_number + 1, change = change + 1 WHERE uid IN (
    SELECT uid FROM runs WHERE phase NOT IN (5, 6, 7) AND cluster_uid IS NULL ORDER BY number LIMIT %s
       FOR UPDATE SKIP LOCKED)
"""


class Series(NamedTuple):
    """A statement, carried out again and again."""

    taken: list[float]
    """Milliseconds."""
    unhindered: list[float]
    """The same without what who asks and the Postgres process that answers waited for a core."""
    python_ms: float
    """CPU of one: of who asks."""
    postgres_ms: float
    """CPU of one: of the Postgres process that answers."""


class Times(NamedTuple):
    """Claims, and a bare statement in turns with them."""

    queued: int
    slots: int
    disturbed: bool
    """Runs were created and ended meanwhile, by other processes."""
    ours: Series
    bare: Series

    def p99_ms(self) -> float:
        """The p99 of a claim that is held to `MOST_P99_MS`.

        Where others keep both cores busy, a statement waits for one longer than it takes: that wait is left out then, and the
        whole time reported beside it, as is a bare statement's.
        """
        return percentile(self.ours.unhindered if self.disturbed else self.ours.taken, 99)


def fill(platform: parts.Platform, digest: str, first: int, last: int) -> None:
    """Queues runs from one number to another: 20 project-domains, three priorities, a seventh of them limited."""
    state = run_pb2.RunState(phase=run_pb2.RUN_PHASE_QUEUED).SerializeToString()
    with parts.connected(platform.url) as cursor:
        # That specs and clusters are there need not be checked row by row.
        cursor.execute("SET session_replication_role = replica")
        for begin in range(first, last, 100_000):
            end = min(begin + 100_000, last) - 1
            given = {"places": callers.PLACES, "digest": digest, "state": state, "first": begin, "last": end}
            cursor.execute(_FILL, given)
        cursor.execute("VACUUM ANALYZE runs")
        cursor.execute("CHECKPOINT")


def measure(platform: parts.Platform, queued: int) -> Iterator[Times]:
    """Claims of one run with nothing beside them; then, as runs are created and end, of one, as slots become free, and of ten.

    Each stands beside a bare statement.
    """
    database = Database(platform.url.replace("postgresql://", "postgresql+psycopg2://", 1), pool_size=1)
    rules = claims.ClaimRules(0, Scope((), ()))
    claims.meet(database, pb.SyncRequest(cluster_uid="c1", cluster_name="c1"), rules.scope)

    def claim(slots: int) -> None:
        if len(claims.claim(database, "c1", claims.Slots(slots, 200), rules)) != slots:
            sys.exit("a claim found no runs; make the queue longer")

    with parts.connected(platform.url) as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backends = database.single("SELECT pg_backend_pid()")[0][0], cursor.fetchone()[0]

        def times(slots: int, disturbed: bool, between: Callable[[], object]) -> Times:
            works = (lambda: claim(slots)), (lambda: cursor.execute(_BARE, (slots,)))
            series = _times(list(zip(works, backends, strict=True)), CLAIMS // slots, between)
            return Times(queued, slots, disturbed, *series)

        with parts.connected(platform.url) as ends:
            yield times(1, False, lambda: callers.end(ends, HELD))
        with callers.creating(platform, CREATED_PER_S), callers.ending(platform, HELD):
            for slots in (1, 10):
                yield times(slots, True, lambda: None)
    database.close()


def count_lanes(platform: parts.Platform) -> int:
    """Lanes that have runs: of a project-domain, and of each of its launch plans with a limit."""
    with parts.connected(platform.url) as cursor:
        cursor.execute(
            "SELECT count(DISTINCT (project, domain, lane)) FROM runs WHERE cluster_uid IS NULL AND phase = 1"
        )
        return int(cursor.fetchone()[0])


def count_objects(platform: parts.Platform) -> int:
    """Runs that a cluster of `SLOTS` slots is to have after asking as often as it gets any."""
    reports: dict[str, pb.RunReport] = {}
    with grpc.insecure_channel(platform.address) as channel:
        stub = admin_pb2_grpc.OperatorServiceStub(channel)
        while True:
            request = pb.SyncRequest(cluster_uid="c2", cluster_name="c2", slots=SLOTS, runs=reports.values())
            request.free_slots = SLOTS - len(reports)
            answer = stub.Sync(request, metadata=parts.metadata("operator"))
            found = {run.run_uid: run.epoch for run in answer.runs}
            if found.keys() == reports.keys():
                return len(found)
            reports = {uid: pb.RunReport(run_uid=uid, epoch=epoch, phase=1) for uid, epoch in found.items()}


def percentile(taken: list[float], of: int) -> float:
    """The value that so many of a hundred do not exceed."""
    return statistics.quantiles(taken, n=100)[of - 1]


def _times(
    works: Sequence[tuple[Callable[[], object], int]], count: int, between: Callable[[], object]
) -> list[Series]:
    """Carries out all in turns, so that they meet the same conditions.

    Args:
        works: Each with the Postgres process that answers it.
        count: Of each.
        between: Carried out now and then, and not measured.
    """
    began_s = [cpu.seconds(backend) for _, backend in works]
    own = os.getpid()
    taken: list[list[float]] = [[] for _ in works]
    unhindered: list[list[float]] = [[] for _ in works]
    python_s = [0.0 for _ in works]
    for number in range(count):
        for which, (work, backend) in enumerate(works):
            waited = cpu.waited(own) + cpu.waited(backend)
            began, used = time.perf_counter(), time.thread_time()
            work()
            took = time.perf_counter() - began
            python_s[which] += time.thread_time() - used
            waited = cpu.waited(own) + cpu.waited(backend) - waited
            taken[which].append(took * 1000)
            unhindered[which].append((took - waited) * 1000)
        if number % 20 == 0:
            between()
    postgres_s = [cpu.seconds(backend) - before for (_, backend), before in zip(works, began_s, strict=True)]
    return [
        Series(*times, *(seconds * 1000 / count for seconds in used))
        for times, used in zip(
            zip(taken, unhindered, strict=True), zip(python_s, postgres_s, strict=True), strict=True
        )
    ]
