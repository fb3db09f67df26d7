"""Graphs in commits: read from a real store, and examined before any of it runs."""

import asyncio
import dataclasses
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from limosa_engine import EngineSettings, Graph, Item, new_state
from limosa_engine.commands import ReadCall, ReadCommit
from limosa_engine.events import CallRead, CommitRead, MadeGraph, StoreFailed
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Offloaded
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_idl.run.v1alpha1.run_pb2 import Commit, EagerCall, Epoch, RunSpec
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, SecretRef, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, BindingData, Closure, OutputRef, WorkflowSpec
from limosa_model.digests import serialize, sha256_hex
from limosa_model.generated import MAX_GRAPH_BYTES
from limosa_model.graph import wrap_task
from limosa_model.layout import call_key, commit_key
from limosa_model.values import integer
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.pods.manifest import PodFactory
from limosa_propeller.runs.made_graphs import read_call, read_commit
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.services import Services
from limosa_propeller.settings import PodSettings
from limosa_propeller.store_access import StoreAccess
from limosa_store.settings import StoreSettings
from limosa_store.store import Store, open_store

INTEGER = LiteralType(simple=SIMPLE_TYPE_INTEGER)
BUNDLE = "ab" * 32


def task(name: str, **fields: Any) -> TaskSpec:
    interface = Interface(
        inputs=[Variable(name="x", type=INTEGER)], outputs=[Variable(name="o0", type=INTEGER)]
    )
    if "dynamic" not in fields:
        fields.setdefault("python", PythonTask(loader=f"flow:{name[5:]}", bundle_digest=BUNDLE))
    return TaskSpec(name=name, interface=interface, **fields)


def graph(*tasks: TaskSpec) -> Closure:
    """Calls each task once, at lines 11, 12, …; the first one's output is the graph's."""
    workflow = WorkflowSpec(name="flow.fan", interface=Interface(outputs=[Variable(name="o0", type=INTEGER)]))
    for number, one in enumerate(tasks):
        node = workflow.nodes.add(id=f"n{number}", display_name=one.name[5:])
        node.task.task = one.name
        node.source.file, node.source.line = "flow.py", 11 + number
        node.inputs.append(Binding(name="x", data=BindingData(literal=integer(1))))
    first = BindingData(output=OutputRef(node="n0", output="o0"))
    workflow.outputs.append(Binding(name="o0", data=first))
    return Closure(entry="flow.fan", tasks=tasks, workflows=[workflow])


class Secrets:
    """One Secret is for tasks, one is not; with `down` nobody can tell."""

    down = False

    async def refusal(self, namespace: str, names: Iterable[str]) -> str:
        if self.down:
            raise ApiError(503, "", "not now")
        return "Secret 'admin-token' is not for tasks" if "admin-token" in set(names) else ""


class Bench:
    """A run of one dynamic node, its store, and the answer to the question for its commit."""

    def __init__(self, root: Path) -> None:
        self.store: Store = open_store(StoreSettings(url=root.as_uri()))
        self.secrets = Secrets()
        self.templates: dict[str, Any] = {}
        maker = task("flow.fan", dynamic=PythonTask(loader="flow:fan", bundle_digest=BUNDLE))
        spec = RunSpec(run_uid="uid-1", name="calm-heron", project="demo", domain="development")
        closure = wrap_task(maker)
        epoch = Epoch(number=1)
        made = Graph(
            closure, EngineSettings(), run_uid="uid-1", name="r", epoch=epoch, inputs={"x": integer(1)}
        )
        factory = PodFactory(spec, epoch, "demo-development", "cr-uid", root.as_uri(), PodSettings())
        self.run = OpenedRun(spec, epoch, False, made, new_state(made, 0.0), False, factory)

    async def get(self, namespace: str, name: str) -> Any:
        """A PodTemplate's pod."""
        found = self.templates.get(name)
        return None if found is None else found["template"]

    def commit(self, **fields: Any) -> None:
        commit = Commit(run_uid="uid-1", launch_id="l0", **fields)
        self.store.put(commit_key(self.run.factory.prefix, "n0", None), serialize(commit))

    def offload(self, data: bytes, **changes: Any) -> None:
        key = f"{self.run.factory.prefix}/launches/l0/data/graph.pb"
        self.store.put(key, data)
        digest = "sha256:" + sha256_hex(data)
        facts = {"uri": self.store.uri(key), "size": len(data), "digest": digest, **changes}
        self.commit(graph_offloaded=Offloaded(**facts))

    def read(self) -> Any:
        access = StoreAccess(self.store, 2)
        parts = types.SimpleNamespace(store=access, secrets=self.secrets, templates=self)
        services = cast(Services, parts)
        try:
            return asyncio.run(read_commit(services, "demo-development", self.run, ReadCommit(Item("n0"))))
        finally:
            access.close()

    def made(self, closure: Closure) -> MadeGraph:
        self.commit(graph_inline=serialize(closure))
        answer = self.read()
        assert isinstance(answer, CommitRead)
        assert answer.graph is not None
        return answer.graph

    def refusal(self, closure: Closure) -> tuple[str, str]:
        refusal = self.made(closure).refusal
        assert refusal is not None
        assert not refusal.retryable
        return refusal.code, refusal.message


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_graph_in_the_commit_and_one_beside_it_are_the_same(bench: Bench) -> None:
    closure = graph(task("flow.t"))
    inline = bench.made(closure)
    assert (inline.closure, inline.refusal) == (closure, None)
    assert inline.digest == "sha256:" + sha256_hex(serialize(closure))
    bench.offload(serialize(closure))
    assert bench.read().graph == inline


def test_no_commit_and_no_graph(bench: Bench) -> None:
    assert bench.read() == CommitRead(Item("n0"), None)
    bench.commit()
    assert bench.read().graph is None


def test_what_a_commit_says_of_its_graph_s_size_is_not_believed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    get = bench.store.get
    monkeypatch.setattr(
        bench.store, "get", lambda key, **more: (found := get(key, **more), read.append(len(found)))[0]
    )
    bench.offload(bytes(3 * MAX_GRAPH_BYTES), size=10)
    answer = bench.read()
    assert answer.graph.refusal.code == "GraphTooLarge"
    assert "12,582,912 bytes" in answer.graph.refusal.message
    assert max(read) == MAX_GRAPH_BYTES + 1


def test_a_graph_of_few_bytes_and_many_parts_is_not_decoded(bench: Bench) -> None:
    bench.offload(serialize(Closure(tasks=[TaskSpec()])) * (MAX_GRAPH_BYTES // 4))
    refusal = bench.read().graph.refusal
    assert refusal.code == "GraphTooLarge"
    assert "in memory" in refusal.message


def test_the_record_of_a_call_that_is_too_large_is_refused(bench: Bench) -> None:
    key = call_key(bench.run.factory.prefix, "n0", "e0")
    record = EagerCall(run_uid="uid-1", call="e0", graph=bytes(2 * MAX_GRAPH_BYTES))
    bench.store.put(key, serialize(record))
    access = StoreAccess(bench.store, 2)
    services = cast(Services, types.SimpleNamespace(store=access))
    try:
        answer = asyncio.run(read_call(services, "demo-development", bench.run, ReadCall(Item("n0"), "e0")))
    finally:
        access.close()
    assert isinstance(answer, CallRead)
    assert answer.graph is not None
    assert answer.graph.refusal is not None
    assert (answer.graph.refusal.code, answer.over) == ("GraphTooLarge", False)


def test_a_damaged_graph_is_no_answer(bench: Bench) -> None:
    bench.offload(b"abc", digest="sha256:00")
    answer = bench.read()
    assert isinstance(answer, StoreFailed)
    assert (answer.code, answer.retryable) == ("CorruptData", False)


def test_a_graph_that_is_too_large_is_not_even_read(bench: Bench) -> None:
    bench.offload(b"", size=MAX_GRAPH_BYTES + 1, uri="file:///elsewhere")
    refusal = bench.read().graph.refusal
    assert refusal.code == "GraphTooLarge"
    assert "takes 4,194,305 bytes, at most 4,194,304 are allowed" in refusal.message


def test_something_that_is_no_graph(bench: Bench) -> None:
    bench.commit(graph_inline=b"\xff\xff\xff")
    assert bench.read().graph.refusal.code == "GraphInvalid"


def test_what_may_not_be_registered_may_not_run(bench: Bench) -> None:
    closure = graph(task("flow.t"))
    closure.workflows[0].nodes[0].inputs[0].name = "y"
    code, message = bench.refusal(closure)
    assert code == "GraphInvalid"
    assert "flow.py:11" in message
    assert "there is no such input" in message


def test_other_code_than_the_run_s_is_refused(bench: Bench) -> None:
    foreign = task("flow.t", python=PythonTask(loader="evil:f", bundle_digest="cd" * 32))
    code, message = bench.refusal(graph(foreign))
    assert (code, "its code is bundle cdcdcdcdcdcd, the run's is abababababab" in message) == (
        "GraphInvalid",
        True,
    )


def test_a_graph_has_no_inputs_and_the_outputs_of_its_task(bench: Bench) -> None:
    closure = graph(task("flow.t"))
    closure.workflows[0].interface.inputs.append(Variable(name="z", type=INTEGER))
    assert "it has an input 'z'" in bench.refusal(closure)[1]
    closure = graph(task("flow.t"))
    del closure.workflows[0].interface.outputs[:], closure.workflows[0].outputs[:]
    assert "output 'o0': nothing gives it" in bench.refusal(closure)[1]


@pytest.mark.parametrize(
    ("template", "field"),
    [
        ('{"spec": {"hostNetwork": true}}', "spec.hostNetwork"),
        ('{"spec": {"serviceAccountName": "admin"}}', "spec.serviceAccountName"),
        (
            '{"spec": {"containers": [{"name": "task", "securityContext": {"privileged": true}}]}}',
            "privileged",
        ),
    ],
)
def test_a_pod_that_may_not_be_names_the_line_that_asked_for_it(
    bench: Bench, template: str, field: str
) -> None:
    code, message = bench.refusal(graph(task("flow.t"), task("flow.greedy", pod_template=template)))
    assert code == "PodPolicy"
    assert message.startswith("flow.py:12: greedy: task flow.greedy: pod_template: ")
    assert field in message


def test_a_template_of_the_namespace_is_judged_too(bench: Bench) -> None:
    closure = graph(task("flow.t", pod_template_name="big"))
    assert bench.made(closure).refusal is None, "a template that is not there yet is waited for"
    bench.templates["big"] = {"metadata": {}, "template": {"spec": {"hostPID": True, "containers": []}}}
    assert bench.made(closure).refusal is not None
    assert bench.refusal(closure)[1].startswith("flow.py:11: t: task flow.t: PodTemplate 'big': spec.hostPID")


def test_a_secret_that_is_not_for_tasks_is_refused(bench: Bench) -> None:
    good = task("flow.t", secrets=[SecretRef(name="tokens", key="hub")])
    bad = task("flow.thief", secrets=[SecretRef(name="admin-token", key="t")])
    assert bench.made(graph(good)).refusal is None
    code, message = bench.refusal(graph(good, bad))
    assert (code, message) == ("SecretMissing", "flow.py:12: thief: Secret 'admin-token' is not for tasks")


def test_as_long_as_nobody_can_tell_about_a_secret_nothing_runs(bench: Bench) -> None:
    bench.secrets.down = True
    bench.commit(graph_inline=serialize(graph(task("flow.t", secrets=[SecretRef(name="tokens", key="hub")]))))
    answer = bench.read()
    assert isinstance(answer, StoreFailed)
    assert answer.retryable


def test_examining_leaves_nothing_behind_in_the_factory(bench: Bench) -> None:
    before = dataclasses.replace(bench.run).factory.__dict__["_fixed"].copy()
    bench.made(graph(task("flow.t"), task("flow.u")))
    assert bench.run.factory.__dict__["_fixed"] == before
