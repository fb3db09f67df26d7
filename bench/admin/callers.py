"""Callers: processes of their own that ask for as much as they get, each of their threads over a connection of its own."""

import concurrent.futures
import contextlib
import multiprocessing
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import Any, NamedTuple

import cpu
import grpc
import parts

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1 import admin_pb2_grpc
from limosa_model import values

PROCESSES = 2
THREADS = 4
"""Of each process."""
PLACES = 20
"""Projects that callers ask in, in turn."""
_SPAWN = multiprocessing.get_context("spawn")


class Got(NamedTuple):
    """What callers got done."""

    calls: int
    seconds: float
    callers_cpu_s: float
    used: cpu.Used

    @property
    def per_second(self) -> float:
        """Calls."""
        return self.calls / self.seconds

    def ms(self, cpu_s: float) -> float:
        """CPU milliseconds of one call."""
        return cpu_s * 1000 / max(self.calls, 1)


def at_once(work: str, address: str, platform: parts.Platform, seconds: float) -> Got:
    """Lets all callers carry out one of this module's functions for some seconds.

    Args:
        work: Name of the function.
        address: What it calls: host:port, or a database's URL.
        platform: Whose CPU is measured.
        seconds: For how long.
    """
    answers: Queue[tuple[int, float]] = _SPAWN.Queue()
    together = _SPAWN.Barrier(PROCESSES + 1)
    processes = [
        _SPAWN.Process(target=_call, args=(work, address, seconds, together, answers))
        for _ in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    together.wait(120)
    before, began = cpu.used(platform), time.monotonic()
    together.wait(seconds + 120)
    took, after = time.monotonic() - began, cpu.used(platform)
    calls, cpu_s = zip(*[answers.get(timeout=60) for _ in processes], strict=True)
    for process in processes:
        process.join()
    return Got(sum(calls), took, sum(cpu_s), after.since(before))


def _call(
    work: str, address: str, seconds: float, together: Barrier, answers: "Queue[tuple[int, float]]"
) -> None:
    function: Callable[[str, Callable[[], bool]], int] = globals()[work]
    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        # Connections, and what is made once, are not what is measured.
        list(pool.map(lambda _: function(address, _times(20)), range(THREADS)))
        together.wait(120)
        until, began = time.monotonic() + seconds, time.process_time()
        done = sum(pool.map(lambda _: function(address, lambda: time.monotonic() < until), range(THREADS)))
        cpu_s = time.process_time() - began
    together.wait(120)
    answers.put((done, cpu_s))


def _times(count: int) -> Callable[[], bool]:
    left = iter(range(count))
    return lambda: next(left, None) is not None


# What is called


def create_runs(address: str, goes_on: Callable[[], bool], pause_s: float = 0.0) -> int:
    """Runs, each by one unary call with a token, inputs and a name of its own; who asks is made to cost little."""
    done = 0
    prefix = uuid.uuid4().hex[:20]
    parts_of = [_request(f"p{place}").split(_NAME) for place in range(PLACES)]
    with _channel(address) as channel:
        create = channel.unary_unary("/limosa_idl.admin.v1alpha1.RunService/CreateRun")
        token = parts.metadata("admin")
        while goes_on():
            create((b"made-%s-%010d" % (prefix.encode(), done)).join(parts_of[done % PLACES]), metadata=token)
            done += 1
            if pause_s:
                time.sleep(pause_s)
    return done


_NAME = b"n" * len(f"made-{uuid.uuid4().hex[:20]}-{0:010}")
"""Stands in a serialised request for a name of the same length."""


def _request(project: str) -> bytes:
    request = pb.CreateRunRequest(project=project, domain="development", name=_NAME.decode())
    request.target.name, request.target.version = "demo.t", "v1"
    request.target.kind = pb.ENTITY_KIND_WORKFLOW
    request.inputs.literals["x"].CopyFrom(values.integer(7))
    return request.SerializeToString()


def insert_rows(url: str, goes_on: Callable[[], bool]) -> int:
    """Rows of runs, each by a bare statement with a commit of its own."""
    statement = (
        "INSERT INTO runs (uid, project, domain, name, request_digest, target_kind, target_name, target_version, "
        "closure_digest, inputs, labels, annotations, created_by, phase, state, state_seq, epoch_generation, epoch_number, "
        "abort_requested, abort_reason, change) SELECT %s, %s, 'development', %s, '', 2, 'demo.t', 'v1', digest, '', '{}', "
        "'{}', 'bench', 1, '', -1, 0, 0, false, '', 0 FROM specs LIMIT 1"
    )
    done = 0
    with parts.connected(url) as cursor:
        while goes_on():
            uid = str(uuid.uuid4())
            cursor.execute(statement, (uid, f"p{done % PLACES}", f"bare-{uid[:20]}"))
            done += 1
    return done


def echo(address: str, goes_on: Callable[[], bool]) -> int:
    """Unary calls of a server that gives back what it gets."""
    done = 0
    with _channel(address) as channel:
        call = channel.unary_unary("/bench/Echo")
        token = parts.metadata("admin")
        while goes_on():
            call(b"x" * 150, metadata=token)
            done += 1
    return done


def _channel(address: str) -> grpc.Channel:
    # Else all channels of a process share one connection.
    return grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


# What is there meanwhile


@contextlib.contextmanager
def echoing() -> Iterator[str]:
    """A bare grpcio server with as many threads as admin has for unary calls, in a process of its own; its address."""
    ports: Queue[int] = _SPAWN.Queue()
    ended = _SPAWN.Event()
    process = _SPAWN.Process(target=_serve_echo, args=(ports, ended))
    process.start()
    try:
        yield f"127.0.0.1:{ports.get(timeout=60)}"
    finally:
        ended.set()
        process.join()


def _serve_echo(ports: "Queue[int]", ended: threading.Event) -> None:
    class Echo(grpc.GenericRpcHandler):
        def service(self, handler_call_details: object) -> grpc.RpcMethodHandler:
            return grpc.unary_unary_rpc_method_handler(lambda request, _: request)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(24), handlers=[Echo()])
    ports.put(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    ended.wait()
    server.stop(0).wait()


@contextlib.contextmanager
def waiting_operator(platform: parts.Platform) -> Iterator[None]:
    """An operator without free slots that asks for work, as there always is one."""
    ended = threading.Event()

    def ask() -> None:
        with grpc.insecure_channel(platform.address) as channel:
            stub = admin_pb2_grpc.OperatorServiceStub(channel)
            while not ended.is_set():
                request = pb.SyncRequest(cluster_uid="c1", cluster_name="c1", wait_ms=1000)
                stub.Sync(request, metadata=parts.metadata("operator"))

    with _running(ask, ended):
        yield


@contextlib.contextmanager
def creating(platform: parts.Platform, per_second: int) -> Iterator[None]:
    """Somebody who creates runs, about so many a second, in a process of its own."""
    with _beside(_create_until, platform.address, 1 / per_second):
        yield


def _create_until(ended: threading.Event, address: str, pause_s: float) -> None:
    create_runs(address, lambda: not ended.is_set(), pause_s)


@contextlib.contextmanager
def ending(platform: parts.Platform, held: int) -> Iterator[None]:
    """Ends of runs: of those that clusters have, all but so many of the youngest, again and again, from a process of its own."""
    with _beside(_end_until, platform.url, held):
        yield


_END = """
UPDATE runs SET phase = 5 WHERE uid IN (
    SELECT uid FROM runs WHERE cluster_uid IS NOT NULL AND phase NOT IN (5, 6, 7) ORDER BY epoch_number, number LIMIT %s)
"""
_HELD = "SELECT count(*) FROM runs WHERE cluster_uid IS NOT NULL AND phase NOT IN (5, 6, 7)"


def _end_until(ended: threading.Event, url: str, held: int) -> None:
    with parts.connected(url) as cursor:
        while not ended.wait(0.02):
            end(cursor, held)


def end(cursor: Any, held: int) -> None:
    """Ends the oldest of the runs that clusters have, all but so many."""
    cursor.execute(_HELD)
    over = cursor.fetchone()[0] - held
    if over > 0:
        cursor.execute(_END, (over,))


@contextlib.contextmanager
def _beside(work: Callable[..., None], *given: object) -> Iterator[None]:
    ended = _SPAWN.Event()
    process = _SPAWN.Process(target=work, args=(ended, *given))
    process.start()
    try:
        yield
    finally:
        ended.set()
        process.join()


@contextlib.contextmanager
def _running(work: Callable[[], object], ended: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
