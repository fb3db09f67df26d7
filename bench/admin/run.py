"""What admin costs with a long queue: `python bench/admin/run.py [--backlog 1000000] [--seconds 20]`.

A real Postgres with fsync, synchronous_commit and full_page_writes on; admin as a process; clients of other processes over
gRPC. Measured with the whole backlog queued: milliseconds of a claim (one run as slots become free, and ten), runs created per
second (unary, each with authentication and validation), snapshots published per second in batches. Each stands beside the
least that any program could do on the same database in the same run: the bare statements, by the same number of clients.
Exits 1 where a gate is missed.
"""

import argparse
import contextlib
import multiprocessing
import socket
import statistics
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import grpc
import parts
import psycopg2
import psycopg2.extras

from limosa_admin.store import claims
from limosa_admin.store.database import Database
from limosa_admin.store.queue import Scope
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1 import admin_pb2_grpc
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_model import values
from limosa_model.digests import serialize
from limosa_model.graph import wrap_task

GATES = {"claim p99 ms": 5.0, "runs/s": 800.0, "snapshots/s": 8000.0}
"""Most of the first, least of the others."""
PLACES = 20
"""Projects that the backlog is spread over."""
CLAIMS = 500
"""Claims measured of each size."""
CLIENTS = 8
"""Callers at a time that create runs."""
BATCH = 500
"""Snapshots of one Publish."""
RUNS_PER_BATCH = 10
_INTEGER = LiteralType(simple=SIMPLE_TYPE_INTEGER)
_BACKLOG = """
INSERT INTO runs (uid, project, domain, name, request_digest, target_kind, target_name, target_version, closure_digest,
                  inputs, labels, annotations, created_by, phase, state, state_seq, epoch_generation, epoch_number,
                  abort_requested, abort_reason, change, priority)
SELECT gen_random_uuid()::text, 'p' || n % %(places)s, 'development', 'queued-' || n, '', 2, 'demo.t', 'v1', %(digest)s,
       '', '{}', '{}', 'bench', 1, %(state)s, -1, 0, 0, false, '', 0, n % 3
  FROM generate_series(%(first)s, %(last)s) AS n
"""


class Measured(NamedTuple):
    """One figure beside its reference."""

    what: str
    value: float
    reference: float
    gate: float
    at_most: bool

    @property
    def missed(self) -> bool:
        """The gate is missed."""
        return self.value > self.gate if self.at_most else self.value < self.gate


def main() -> int:
    """Measures everything, prints a table."""
    given = _arguments()
    with parts.started(_free_ports()) as platform:
        digest = _register(platform)
        _fill(platform, digest, given.backlog)
        print(f"{given.backlog:,} runs are queued in {PLACES} project-domains", flush=True)
        rows = [*_claims(platform), _creates(platform, given.seconds), _snapshots(platform, given.seconds)]
    print(f"{'':24}{'measured':>12}{'bare SQL':>12}{'gate':>12}")
    for row in rows:
        gate = "" if not row.gate else f"{'≤' if row.at_most else '≥'} {row.gate:,.0f}"
        note = "  MISSED" if row.gate and row.missed else ""
        print(f"{row.what:24}{row.value:>12,.1f}{row.reference:>12,.1f}{gate:>12}{note}")
    return int(any(row.gate and row.missed for row in rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--backlog", type=int, default=1_000_000, help="runs queued before anything is measured"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="of each figure per second")
    return parser.parse_args()


def _free_ports() -> tuple[int, int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return sockets[0].getsockname()[1], sockets[1].getsockname()[1]


def _register(platform: parts.Platform) -> str:
    """Registers one task in every project, as people do; gives the digest of what runs."""
    interface = Interface(
        inputs=[Variable(name="x", type=_INTEGER)], outputs=[Variable(name="o0", type=_INTEGER)]
    )
    task = TaskSpec(name="demo.t", interface=interface, python=PythonTask(loader="demo:t"))
    closure = serialize(wrap_task(task))
    with grpc.insecure_channel(platform.address) as channel:
        registry = admin_pb2_grpc.RegistryServiceStub(channel)
        for number in range(PLACES):
            request = pb.RegisterRequest(project=f"p{number}", domain="development", version="v1")
            request.closures.append(closure)
            registry.Register(request, metadata=parts.metadata("admin"))
    with _connected(platform) as cursor:
        cursor.execute("SELECT digest FROM entities WHERE kind = 2 LIMIT 1")
        digest: str = cursor.fetchone()[0]
    return digest


@contextlib.contextmanager
def _connected(platform: parts.Platform) -> Iterator[Any]:
    connection = psycopg2.connect(platform.url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _fill(platform: parts.Platform, digest: str, count: int) -> None:
    state = run_pb2.RunState(phase=run_pb2.RUN_PHASE_QUEUED).SerializeToString()
    with _connected(platform) as cursor:
        for first in range(0, count, 100_000):
            last = min(first + 100_000, count) - 1
            given = {"places": PLACES, "digest": digest, "state": state, "first": first, "last": last}
            cursor.execute(_BACKLOG.replace("n % %(", "n %% %(").replace("n % 3", "n %% 3"), given)
        cursor.execute("VACUUM ANALYZE runs")
        cursor.execute("CHECKPOINT")


# Claims


def _claims(platform: parts.Platform) -> list[Measured]:
    database = Database(platform.url.replace("postgresql://", "postgresql+psycopg2://", 1), pool_size=2)
    rules = claims.ClaimRules(0, Scope((), ()))
    with database.transaction() as connection:
        claims.meet(connection, pb.SyncRequest(cluster_uid="c1", cluster_name="c1"), rules.scope)

    def claim(slots: int) -> None:
        with database.transaction() as connection:
            if claims.claim(connection, "c1", claims.Slots(slots, 200), rules) != slots:
                sys.exit("a claim found no runs; make the backlog larger")

    found = []
    with _connected(platform) as cursor:
        for slots, gate in ((1, GATES["claim p99 ms"]), (10, 0.0)):
            ours = _times(lambda slots=slots: claim(slots))  # type: ignore[misc]
            bare = _times(lambda slots=slots: _bare_claim(cursor, slots))  # type: ignore[misc]
            for name, of in (("p50", 50), ("p99", 99)):
                wanted = gate if of == 99 else 0.0
                what = f"claim of {slots}, {name} ms"
                found.append(Measured(what, _percentile(ours, of), _percentile(bare, of), wanted, True))
            # So many runs are never under way on one cluster: each size begins with none.
            cursor.execute("UPDATE runs SET phase = 5 WHERE cluster_uid IS NOT NULL")
            cursor.execute("VACUUM ANALYZE runs")
    database.close()
    return found


def _bare_claim(cursor: Any, slots: int) -> None:
    cursor.execute(
        "UPDATE runs SET cluster_uid = 'c1', epoch_number = epoch_number + 1, change = change + 1 WHERE uid IN ("
        "SELECT uid FROM runs WHERE phase NOT IN (5, 6, 7) AND cluster_uid IS NULL ORDER BY number LIMIT %s "
        "FOR UPDATE SKIP LOCKED)",
        (slots,),
    )


def _times(work: Callable[[], None]) -> list[float]:
    for _ in range(20):
        work()
    taken = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def _percentile(taken: list[float], of: int) -> float:
    return statistics.quantiles(taken, n=100)[of - 1]


# Runs created per second


def _creates(platform: parts.Platform, seconds: float) -> Measured:
    with _waiting_operator(platform):
        ours = _at_once(_create_runs, platform, seconds)
    bare = _at_once(_bare_creates, platform, seconds)
    return Measured("runs created/s", ours / seconds, bare / seconds, GATES["runs/s"], False)


@contextlib.contextmanager
def _waiting_operator(platform: parts.Platform) -> Iterator[None]:
    """An operator without free slots that asks for work, as there always is one."""
    ended = threading.Event()

    def ask() -> None:
        with grpc.insecure_channel(platform.address) as channel:
            stub = admin_pb2_grpc.OperatorServiceStub(channel)
            while not ended.is_set():
                request = pb.SyncRequest(cluster_uid="c1", cluster_name="c1", wait_ms=1000)
                stub.Sync(request, metadata=parts.metadata("operator"))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _at_once(work: Callable[..., int], platform: parts.Platform, seconds: float) -> int:
    """What `CLIENTS` callers in two processes of their own get done."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        halves = [(work.__name__, platform.address, platform.url, seconds, CLIENTS // 2)] * 2
        return sum(pool.starmap(_callers, halves))


def _callers(work: str, address: str, url: str, seconds: float, count: int) -> int:
    import concurrent.futures

    function: Callable[[str, str, float], int] = globals()[work]
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return sum(pool.map(lambda _: function(address, url, time.monotonic() + seconds), range(count)))


def _create_runs(address: str, _: str, until: float) -> int:
    done = 0
    with grpc.insecure_channel(address) as channel:
        stub = admin_pb2_grpc.RunServiceStub(channel)
        while time.monotonic() < until:
            name = f"made-{uuid.uuid4().hex[:20]}"
            request = pb.CreateRunRequest(project=f"p{done % PLACES}", domain="development", name=name)
            request.target.name, request.target.version = "demo.t", "v1"
            request.target.kind = pb.ENTITY_KIND_WORKFLOW
            request.inputs.literals["x"].CopyFrom(values.integer(done))
            stub.CreateRun(request, metadata=parts.metadata("admin"))
            done += 1
    return done


def _bare_creates(_: str, url: str, until: float) -> int:
    statement = (
        "INSERT INTO runs (uid, project, domain, name, request_digest, target_kind, target_name, target_version, "
        "closure_digest, inputs, labels, annotations, created_by, phase, state, state_seq, epoch_generation, epoch_number, "
        "abort_requested, abort_reason, change) SELECT %s, %s, 'development', %s, '', 2, 'demo.t', 'v1', digest, '', '{}', "
        "'{}', 'bench', 1, '', -1, 0, 0, false, '', 0 FROM specs LIMIT 1"
    )
    done = 0
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            uid = str(uuid.uuid4())
            cursor.execute(statement, (uid, f"p{done % PLACES}", f"bare-{uid[:20]}"))
            done += 1
    connection.close()
    return done


# Snapshots per second


def _snapshots(platform: parts.Platform, seconds: float) -> Measured:
    with _connected(platform) as cursor:
        cursor.execute(
            "UPDATE runs SET cluster_uid = 'c1', epoch_generation = 1, epoch_number = 1, phase = 2 WHERE uid IN ("
            "SELECT uid FROM runs WHERE phase = 1 AND cluster_uid IS NULL ORDER BY number LIMIT 100) RETURNING uid"
        )
        uids = [uid for (uid,) in cursor.fetchall()]
        ours = _publish(platform, uids, seconds)
        cursor.execute(
            "CREATE TABLE bare (run_uid text, node_path text, seq bigint, body bytea, PRIMARY KEY (run_uid, node_path))"
        )
        bare = _bare_publish(cursor, uids, seconds)
    return Measured("snapshots/s", ours / seconds, bare / seconds, GATES["snapshots/s"], False)


def _publish(platform: parts.Platform, uids: list[str], seconds: float) -> int:
    done = 0
    until = time.monotonic() + seconds
    with grpc.insecure_channel(platform.address) as channel:
        stub = admin_pb2_grpc.OperatorServiceStub(channel)
        while time.monotonic() < until:
            batch = [_snapshot(uid, node, done) for uid, node in _keys(uids, done)]
            request = pb.PublishRequest(cluster_uid="c1", snapshots=batch)
            if stub.Publish(request, metadata=parts.metadata("operator")).stale_run_uids:
                sys.exit("admin says that claims are stale which the bench has just made")
            done += BATCH
    return done


def _bare_publish(cursor: Any, uids: list[str], seconds: float) -> int:
    done = 0
    until = time.monotonic() + seconds
    statement = "INSERT INTO bare VALUES %s ON CONFLICT (run_uid, node_path) DO UPDATE SET seq = excluded.seq, body = excluded.body"
    while time.monotonic() < until:
        rows = [
            (uid, node, done, _snapshot(uid, node, done).SerializeToString())
            for uid, node in _keys(uids, done)
        ]
        psycopg2.extras.execute_values(cursor, statement, rows, page_size=BATCH)
        done += BATCH
    return done


def _keys(uids: list[str], done: int) -> list[tuple[str, str]]:
    """Nodes of some runs, in turn."""
    first = done // BATCH * RUNS_PER_BATCH
    chosen = [uids[(first + number) % len(uids)] for number in range(RUNS_PER_BATCH)]
    return [(uid, f"n{node}") for uid in chosen for node in range(BATCH // RUNS_PER_BATCH)]


def _snapshot(uid: str, node: str, seq: int) -> run_pb2.Snapshot:
    state = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING, kind="task", target="demo.t", launches=1)
    key = run_pb2.SnapshotKey(run_uid=uid, node_path=node)
    return run_pb2.Snapshot(key=key, epoch=run_pb2.Epoch(generation=1, number=1), seq=seq + 1, node=state)


if __name__ == "__main__":
    sys.exit(main())
