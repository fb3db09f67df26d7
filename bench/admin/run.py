"""What admin costs: `python bench/admin/run.py [--queued 10000,200000,1000000] [--seconds 20] [--only creates,snapshots,claims]`.

A real Postgres with fsync, synchronous_commit and full_page_writes on; admin as a process; callers in processes of their
own over gRPC. Runs created per second (unary, each with authentication and validation), snapshots published per second in
batches, and milliseconds of a claim with so many runs queued, alone and while others are created. Each stands beside the
limit of the machine in the same run (a bare statement by as many connections; a bare grpcio server that gives back what it
gets), and with the CPU that it took: that is what to compare where others use the machine. Exits 1 where a gate is missed.
"""

import argparse
import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

import callers
import cpu
import grpc
import parts
import psycopg2.extras
import queued

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1 import admin_pb2_grpc
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_model.digests import serialize
from limosa_model.graph import wrap_task

LEAST_RUNS_PER_S = 800.0
LEAST_SNAPSHOTS_PER_S = 8000.0
BATCH = 500
"""Snapshots of one Publish."""
RUNS_PER_BATCH = 10
SECTIONS = ("creates", "snapshots", "claims")
_INTEGER = LiteralType(simple=SIMPLE_TYPE_INTEGER)


def main() -> int:
    """Measures, prints, and gives the exit status."""
    given = _arguments()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    met = []
    with parts.started(_free_ports()) as platform:
        digest = _register(platform)
        if "creates" in given.only:
            met.append(_creates(platform, given.seconds))
        if "snapshots" in given.only:
            met.append(_snapshots(platform, digest, given.seconds))
        if "claims" in given.only:
            met += _claims(platform, digest, given.queued)
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    return int(not all(met))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    lengths = parser.add_argument("--queued", type=_numbers, default=[10_000, 200_000, 1_000_000])
    lengths.help = "lengths of the queue that claims are measured with, ascending, with commas between"
    parser.add_argument("--seconds", type=float, default=20.0, help="of each figure per second")
    only = parser.add_argument("--only", type=lambda text: text.split(","), default=list(SECTIONS))
    only.help = f"sections to measure, with commas between; default: {','.join(SECTIONS)}"
    given = parser.parse_args()
    unknown = set(given.only) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return given


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


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
        for number in range(callers.PLACES):
            request = pb.RegisterRequest(project=f"p{number}", domain="development", version="v1")
            request.closures.append(closure)
            registry.Register(request, metadata=parts.metadata("admin"))
    with parts.connected(platform.url) as cursor:
        cursor.execute("SELECT digest FROM entities WHERE kind = 2 LIMIT 1")
        digest: str = cursor.fetchone()[0]
    return digest


# Runs created per second


def _creates(platform: parts.Platform, seconds: float) -> bool:
    with callers.waiting_operator(platform):
        ours = callers.at_once("create_runs", platform.address, platform, seconds)
    bare = callers.at_once("insert_rows", platform.url, platform, seconds / 2)
    with callers.echoing() as address:
        echo = callers.at_once("echo", address, platform, seconds / 2)
    print(f"\nruns created, by {callers.PROCESSES * callers.THREADS} callers", flush=True)
    print(
        f"  {ours.per_second:9,.0f} /s   gate ≥ {LEAST_RUNS_PER_S:,.0f}{_missed(ours.per_second >= LEAST_RUNS_PER_S)}"
    )
    print(f"  {bare.per_second:9,.0f} /s   bare INSERT by as many connections")
    print(f"  {echo.per_second:9,.0f} /s   bare grpcio that gives back what it gets")
    admin, postgres, own = ours.ms(ours.used.admin), ours.ms(ours.used.postgres), ours.ms(ours.callers_cpu_s)
    print(f"  CPU of one run: admin {admin:.2f} ms, Postgres {postgres:.2f} ms, its caller {own:.2f} ms")
    print(f"  two cores with nothing else to do: {2000 / (admin + postgres + own):,.0f} /s by that CPU")
    print(
        f"  CPU of one bare INSERT: Postgres {bare.ms(bare.used.postgres):.2f} ms, its caller {bare.ms(bare.callers_cpu_s):.2f} ms",
        flush=True,
    )
    return ours.per_second >= LEAST_RUNS_PER_S


# Snapshots per second


def _snapshots(platform: parts.Platform, digest: str, seconds: float) -> bool:
    queued.fill(platform, digest, 2_000_000, 2_000_100)
    with parts.connected(platform.url) as cursor:
        cursor.execute("INSERT INTO clusters VALUES ('c1', 'c1', now(), 0) ON CONFLICT DO NOTHING")
        cursor.execute(
            "UPDATE runs SET cluster_uid = 'c1', epoch_generation = 1, epoch_number = 1, phase = 2 WHERE uid IN ("
            "SELECT uid FROM runs WHERE phase = 1 AND cluster_uid IS NULL ORDER BY number LIMIT 100) RETURNING uid"
        )
        uids = [uid for (uid,) in cursor.fetchall()]
        before = cpu.used(platform)
        ours = _publish(platform, uids, seconds) / seconds
        used = cpu.used(platform).since(before)
        cursor.execute(
            "CREATE TABLE bare (run_uid text, node_path text, seq bigint, body bytea, PRIMARY KEY (run_uid, node_path))"
        )
        bare = _bare_publish(cursor, uids, seconds / 2) / (seconds / 2)
        cursor.execute("UPDATE runs SET phase = 5 WHERE cluster_uid IS NOT NULL")
    met = ours >= LEAST_SNAPSHOTS_PER_S
    print(f"\nsnapshots published, {BATCH} of {RUNS_PER_BATCH} runs in a call, one caller")
    print(f"  {ours:9,.0f} /s   gate ≥ {LEAST_SNAPSHOTS_PER_S:,.0f}{_missed(met)}")
    print(f"  {bare:9,.0f} /s   bare upsert in the same batches")
    done = ours * seconds / 1000
    print(
        f"  CPU of a thousand: admin {used.admin * 1000 / done:.0f} ms, Postgres {used.postgres * 1000 / done:.0f} ms",
        flush=True,
    )
    return met


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


# Claims


def _claims(platform: parts.Platform, digest: str, lengths: list[int]) -> Iterator[bool]:
    print(
        f"\nclaims, ms: with nothing beside them, and while {queued.CREATED_PER_S} runs a second are created and as many end"
        " as are claimed"
    )
    print(
        f"  {'queued':>10}{'runs':>6}{'beside':>9}{'p50':>8}{'p99':>8}{'bare p50':>10}{'bare p99':>10}{'p99s':>6}"
        f"{'p99*':>8}{'bare*':>8}{'CPU':>8}{'Postgres':>10}{'bare':>7}   *: without waits for a core"
    )
    before = 0
    for length in lengths:
        queued.fill(platform, digest, before, length)
        before = length
        for found in queued.measure(platform, length):
            yield _print_times(found)
        objects, lanes = queued.count_objects(platform), queued.count_lanes(platform)
        print(
            f"  {length:10,} in {lanes} lanes; a cluster of {queued.SLOTS} slots is to have {objects} runs",
            flush=True,
        )
        yield objects <= queued.SLOTS


def _print_times(found: queued.Times) -> bool:
    series = found.ours, found.bare
    ours, bare = ([queued.percentile(of.taken, rank) for rank in (50, 99)] for of in series)
    ours_own, bare_own = (queued.percentile(of.unhindered, 99) for of in series)
    met = found.slots > 1 or found.p99_ms() <= queued.MOST_P99_MS
    column = "p99*" if found.disturbed else "p99"
    gate = f"   gate: {column} ≤ {queued.MOST_P99_MS:.1f}{_missed(met)}" if found.slots == 1 else ""
    figures = f"{ours[0]:8.1f}{ours[1]:8.1f}{bare[0]:10.1f}{bare[1]:10.1f}{ours[1] / bare[1]:6.2f}{ours_own:8.1f}{bare_own:8.1f}"
    used = f"{found.ours.python_ms:8.2f}{found.ours.postgres_ms:10.2f}{found.bare.postgres_ms:7.2f}"
    beside = "others" if found.disturbed else "nothing"
    print(f"  {found.queued:10,}{found.slots:6}{beside:>9}{figures}{used}{gate}", flush=True)
    return met


def _missed(met: bool) -> str:
    return "" if met else "  MISSED"


if __name__ == "__main__":
    sys.exit(main())
