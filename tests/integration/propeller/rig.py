"""An operator process on the sandbox's API server, and runs for it: shared by this folder's tests and bench/operator."""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_idl.run.v1alpha1.run_pb2 import Commit, Epoch, RunSpec
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, RetryPolicy, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import (
    Binding,
    BindingData,
    Closure,
    InputRef,
    MapNode,
    Node,
    OutputRef,
    TaskNode,
    WorkflowSpec,
)
from limosa_model.digests import serialize, sha256_hex
from limosa_model.graph import wrap_task
from limosa_model.layout import commit_key, run_prefix
from limosa_model.manifest import to_local_manifest
from limosa_model.names import launch_id
from limosa_model.values import collection, integer
from limosa_propeller.crd import load_definition

NAMESPACE = "demo-development"
OUTPUTS_ANNOTATION = "limosa.dev/sandbox-outputs"
RUNS_PATH = f"/apis/limosa.dev/v1alpha1/namespaces/{NAMESPACE}/workflowruns"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
EVENTS_PATH = f"/api/v1/namespaces/{NAMESPACE}/events"


class Cluster:
    """HTTP to an API server, as a person's client would."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self.kubeconfig = kubeconfig
        self.server = config["clusters"][0]["cluster"]["server"]
        self.token = config["users"][0]["user"]["token"]

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        request = urllib.request.Request(self.server + path, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", kind)
        with urllib.request.urlopen(request, data, timeout=30) as answer:
            return json.load(answer)

    def try_call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> int:
        try:
            self.call(method, path, body, kind)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    def run(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"{RUNS_PATH}/{name}")
        return found

    def pods(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", PODS_PATH)["items"]
        return found

    def patch_run(self, name: str, patch: Any) -> None:
        self.call("PATCH", f"{RUNS_PATH}/{name}", patch, "application/merge-patch+json")


@contextmanager
def running_cluster(folder: Path, *arguments: str) -> Iterator[Cluster]:
    """A sandbox API server of its own, with the CRD and one namespace."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "limosa_sandbox.cluster",
        "--kubeconfig",
        str(folder / "kubeconfig"),
        *arguments,
    ]
    with (folder / "cluster.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), (folder / "cluster.log").read_text()
        cluster = Cluster(folder / "kubeconfig")
        cluster.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", load_definition())
        labels = {"limosa.dev/project": "demo", "limosa.dev/domain": "development"}
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": labels},
        }
        cluster.call("POST", "/api/v1/namespaces", namespace)
        yield cluster
    finally:
        process.terminate()
        process.wait(20)


class Operator:
    """An operator process."""

    def __init__(self, cluster: Cluster, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self._environ = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(cluster.kubeconfig),
            "LIMOSA_STORAGE_URL": f"file://{folder / 'store'}",
            "LIMOSA_LOG_FORMAT": "text",
            **(environ or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.folder / "operator.log").read_text()

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "store").mkdir(exist_ok=True)
        with (self.folder / "operator.log").open("ab") as log:
            command = [sys.executable, "-m", "limosa_propeller"]
            self._process = subprocess.Popen(command, env=self._environ, stderr=log, stdout=log)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def exit_status(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(20)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end\n{self.log}") from None


@contextmanager
def running_operator(
    cluster: Cluster, folder: Path, environ: Mapping[str, str] | None = None
) -> Iterator[Operator]:
    operator = Operator(cluster, folder, environ)
    operator.start()
    try:
        yield operator
    finally:
        operator.kill()


def wait_for(what: Callable[[], Any], seconds: float = 90.0, told: Callable[[], str] = lambda: "") -> Any:
    """Polls until `what` is true; the limit only ends a test that would hang."""
    deadline = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < deadline, f"did not happen within {seconds} s\n{told()}"
        time.sleep(0.02)


def wait_for_phase(
    cluster: Cluster, name: str, phase: str, operator: Operator | None = None
) -> dict[str, Any]:
    def reached() -> dict[str, Any] | None:
        status = cluster.run(name).get("status") or {}
        return status if status.get("phase") == phase else None

    def told() -> str:
        return f"{cluster.run(name).get('status')}\n{operator.log[-6000:] if operator else ''}"

    found: dict[str, Any] = wait_for(reached, told=told)
    return found


def task_spec(retries: int = 0) -> TaskSpec:
    """double(x: int) -> int."""
    number = LiteralType(simple=SIMPLE_TYPE_INTEGER)
    return TaskSpec(
        name="flow.double",
        interface=Interface(
            inputs=[Variable(name="x", type=number)], outputs=[Variable(name="o0", type=number)]
        ),
        python=PythonTask(loader="flow:double", python_version="3.11"),
        retry=RetryPolicy(retries=retries),
    )


def chain(length: int, task: TaskSpec | None = None) -> Closure:
    """flow.chain(x) calls the task over and over."""
    task = task or task_spec()
    number = LiteralType(simple=SIMPLE_TYPE_INTEGER)
    nodes = []
    for n in range(length):
        data = (
            BindingData(output=OutputRef(node=f"n{n - 1}", output="o0"))
            if n
            else BindingData(input=InputRef(name="x"))
        )
        nodes.append(Node(id=f"n{n}", inputs=[Binding(name="x", data=data)], task=TaskNode(task=task.name)))
    last = BindingData(output=OutputRef(node=f"n{length - 1}", output="o0"))
    workflow = WorkflowSpec(
        name="flow.chain",
        interface=Interface(
            inputs=[Variable(name="x", type=number)], outputs=[Variable(name="o0", type=number)]
        ),
        nodes=nodes,
        outputs=[Binding(name="o0", data=last)],
    )
    return Closure(entry=workflow.name, tasks=[task], workflows=[workflow])


def dynamic(inner: Closure) -> tuple[Closure, bytes]:
    """flow.make(x) makes a graph that runs another closure's entry with x = 1; with the graph as its task commits it."""
    task = task_spec()
    task.name = "flow.make"
    task.dynamic.CopyFrom(PythonTask(loader="flow:make", python_version="3.11"))
    entry = next(workflow for workflow in inner.workflows if workflow.name == inner.entry)
    body = WorkflowSpec(name=task.name, interface=Interface(outputs=task.interface.outputs))
    one = Binding(name="x", data=BindingData(literal=integer(1)))
    body.nodes.add(id="w", inputs=[one]).sub_workflow.workflow = entry.name
    last = BindingData(output=OutputRef(node="w", output="o0"))
    body.outputs.append(Binding(name="o0", data=last))
    made = Closure(entry=body.name, tasks=inner.tasks, workflows=[*inner.workflows, body])
    return wrap_task(task), serialize(made)


def fan_out(task: TaskSpec | None = None) -> Closure:
    """flow.fan(xs) maps the task over a list."""
    task = task or task_spec()
    numbers = LiteralType(collection=LiteralType(simple=SIMPLE_TYPE_INTEGER))
    node = Node(
        id="n0",
        inputs=[Binding(name="x", data=BindingData(input=InputRef(name="xs")))],
        map=MapNode(task=task.name, mapped_inputs=["x"]),
    )
    workflow = WorkflowSpec(
        name="flow.fan",
        interface=Interface(
            inputs=[Variable(name="xs", type=numbers)], outputs=[Variable(name="o0", type=numbers)]
        ),
        nodes=[node],
        outputs=[Binding(name="o0", data=BindingData(output=OutputRef(node="n0", output="o0")))],
    )
    return Closure(entry=workflow.name, tasks=[task], workflows=[workflow])


def numbers(count: int) -> Literal:
    return collection([integer(n) for n in range(count)])


def local_run(
    name: str,
    closure: Closure,
    inputs: Mapping[str, Literal],
    annotations: Mapping[str, str] | None = None,
    project: str = "demo",
) -> dict[str, Any]:
    """A WorkflowRun to apply; its pods commit 42 where they are instant."""
    data = serialize(closure)
    committed = serialize(LiteralMap(literals={"o0": integer(42)}))
    spec = RunSpec(
        name=name,
        project=project,
        domain="development",
        closure=data,
        closure_digest=sha256_hex(data),
        inputs=LiteralMap(literals=dict(inputs)),
        annotations={OUTPUTS_ANNOTATION: base64.b64encode(committed).decode(), **(annotations or {})},
    )
    return to_local_manifest(spec)


def write_commits(
    operator: Operator,
    run: dict[str, Any],
    items: list[tuple[str, int | None]],
    graphs: Mapping[str, bytes] | None = None,
) -> None:
    """What the runtimes of instant pods would have left: one commit an item, of its first launch.

    Args:
        operator: Whose store it is.
        run: The WorkflowRun.
        items: Node path and index.
        graphs: What dynamic nodes commit, by path.
    """
    uid = run["metadata"]["uid"]
    prefix = run_prefix("demo", "development", run["metadata"]["name"], uid)
    for node_path, index in items:
        commit = Commit(run_uid=uid, launch_id=launch_id(uid, node_path, index, Epoch(), 0))
        if graphs and node_path in graphs:
            commit.graph_inline = graphs[node_path]
        else:
            commit.inline.literals["o0"].CopyFrom(integer(42))
        path = operator.folder / "store" / commit_key(prefix, node_path, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(serialize(commit))
