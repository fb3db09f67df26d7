"""The commits of the run that is resumed: taken over in a real store where they are the task's on the same inputs."""

import asyncio
import types
from pathlib import Path
from typing import Any, cast

import pytest

from limosa_engine import EngineSettings, Graph, Item, new_state
from limosa_engine.commands import CollectMap, ReuseCommit
from limosa_engine.events import CommitRead, StoreFailed
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal, LiteralMap, Offloaded
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_idl.run.v1alpha1.run_pb2 import ORIGIN_REUSE, ORIGIN_UNSPECIFIED, Commit, Epoch, Reuse, RunSpec
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, BindingData, Closure, OutputRef, WorkflowSpec
from limosa_model import values
from limosa_model.digests import serialize, sha256_hex
from limosa_model.layout import commit_key, run_prefix
from limosa_model.pod_contract import INLINE_OUTPUTS_LIMIT
from limosa_propeller.pods.manifest import PodFactory
from limosa_propeller.runs.collecting import collect_map
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.reused import reuse_commit
from limosa_propeller.runs.services import Services
from limosa_propeller.settings import PodSettings
from limosa_propeller.store_access import StoreAccess
from limosa_store.settings import StoreSettings
from limosa_store.store import Store, open_store

EARLIER = run_prefix("shop", "development", "old-heron", "uid-0")
INTEGER = LiteralType(simple=SIMPLE_TYPE_INTEGER)
NEW_CODE, OLD_CODE = "ab" * 32, "cd" * 32
SEVEN = {"o0": values.integer(7)}


def task(name: str, **target: Any) -> TaskSpec:
    x, out = Variable(name="x", type=INTEGER), Variable(name="o0", type=INTEGER)
    made = target or {"python": PythonTask(loader=f"flow:{name}", bundle_digest=NEW_CODE)}
    return TaskSpec(name=f"flow.{name}", interface=Interface(inputs=[x], outputs=[out]), **made)


def run_closure() -> Closure:
    """n0 runs t, n1 maps it, n2 is dynamic."""
    workflow = WorkflowSpec(name="flow.wf")
    workflow.nodes.add(id="n0").task.task = "flow.t"
    mapped = workflow.nodes.add(id="n1").map
    mapped.task = "flow.t"
    mapped.mapped_inputs.append("x")
    workflow.nodes.add(id="n2").dynamic.task = "flow.fan"
    fan = task("fan", dynamic=PythonTask(loader="flow:fan", bundle_digest=NEW_CODE))
    return Closure(entry="flow.wf", tasks=[task("t"), fan], workflows=[workflow])


def made_graph(bundle: str) -> bytes:
    """What the dynamic task made, by its code of then."""
    inner = task("t", python=PythonTask(loader="flow:t", bundle_digest=bundle))
    workflow = WorkflowSpec(name="flow.fan", interface=Interface(outputs=[Variable(name="o0", type=INTEGER)]))
    node = workflow.nodes.add(id="n0", display_name="t")
    node.task.task = inner.name
    node.inputs.append(Binding(name="x", data=BindingData(literal=values.integer(1))))
    workflow.outputs.append(Binding(name="o0", data=BindingData(output=OutputRef(node="n0", output="o0"))))
    return serialize(Closure(entry="flow.fan", tasks=[inner], workflows=[workflow]))


class Bench:
    """A run that resumes another, and the answers to its commands."""

    def __init__(self, root: Path) -> None:
        self.store: Store = open_store(StoreSettings(url=root.as_uri()))
        reuse = Reuse(run_prefix=EARLIER, run_name="old-heron")
        spec = RunSpec(run_uid="uid-1", name="calm-heron", project="shop", domain="development", reuse=reuse)
        epoch = Epoch(number=3)
        graph = Graph(
            run_closure(), EngineSettings(), run_uid="uid-1", name="r", epoch=epoch, inputs={}, reuse=reuse
        )
        factory = PodFactory(spec, epoch, "shop-development", "cr-uid", root.as_uri(), PodSettings())
        self.run = OpenedRun(spec, epoch, False, graph, new_state(graph, 0.0), False, factory)

    def earlier(self, item: Item, outputs: dict[str, Literal] | None = SEVEN, **fields: Any) -> None:
        """A commit of the run that is resumed."""
        facts = {
            "run_uid": "uid-0",
            "launch_id": "l9",
            "input_digest": "sha256:11",
            "task": "flow.t",
            **fields,
        }
        commit = Commit(**facts)
        if outputs is not None:
            commit.inline.CopyFrom(LiteralMap(literals=outputs))
        self.store.put(commit_key(EARLIER, item.node_path, item.index), serialize(commit))

    def own(self, item: Item) -> Commit | None:
        key = commit_key(self.run.factory.prefix, item.node_path, item.index)
        return Commit.FromString(self.store.get(key)) if self.store.head(key) else None

    def ask(self, item: Item, task_name: str = "flow.t", digest: str = "sha256:11") -> Any:
        return self.carry_out(lambda services: reuse_commit(
            services, "shop-development", self.run, ReuseCommit(item, task_name, digest)
        ))  # fmt: skip

    def collect(self, item: Item, items: int) -> Any:
        command = CollectMap(item, items, (), ("o0",))
        return self.carry_out(lambda services: collect_map(services.store, self.run, command))

    def carry_out(self, work: Any) -> Any:
        access = StoreAccess(self.store, 2)
        services = cast(Services, types.SimpleNamespace(store=access))
        try:
            return asyncio.run(work(services))
        finally:
            access.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("item", [Item("n0"), Item("n1", 2)], ids=str)
def test_the_earlier_result_becomes_the_items_commit(bench: Bench, item: Item) -> None:
    bench.earlier(item)
    answer = bench.ask(item)
    own = bench.own(item)
    assert isinstance(answer, CommitRead)
    assert own is not None
    assert answer.commit == own
    assert (own.run_uid, own.launch_id, own.epoch.number) == ("uid-1", "", 3)
    assert (own.origin, own.origin_run, own.input_digest) == (ORIGIN_REUSE, "old-heron", "sha256:11")
    assert own.inline.literals["o0"] == values.integer(7)


def test_the_items_own_commit_counts(bench: Bench) -> None:
    mine = Commit(run_uid="uid-1", launch_id="l1", inline=LiteralMap(literals={"o0": values.integer(1)}))
    bench.store.put(commit_key(bench.run.factory.prefix, "n0", None), serialize(mine))
    bench.earlier(Item("n0"))
    answer = bench.ask(Item("n0"))
    assert answer.commit == mine
    assert answer.commit.origin == ORIGIN_UNSPECIFIED


def test_whose_result_it_is_stays_known_through_several_resumptions(bench: Bench) -> None:
    bench.earlier(Item("n0"), origin=ORIGIN_REUSE, origin_run="first-heron")
    assert bench.ask(Item("n0")).commit.origin_run == "first-heron"


def test_without_an_earlier_result_there_is_none(bench: Bench) -> None:
    assert bench.ask(Item("n0")) == CommitRead(Item("n0"), None)


@pytest.mark.parametrize(
    "fields",
    [
        {"input_digest": "sha256:22"},
        {"task": "flow.other"},
        {"outputs": {"o0": values.string("seven")}},
        {"outputs": {"o1": values.integer(7)}},
        {"outputs": {}},
        {"outputs": {"o0": Literal(blob=Blob(uri="file:///gone"))}},
        {"outputs": None, "graph_inline": made_graph(NEW_CODE)},
    ],
    ids=["other inputs", "other task", "other type", "other output", "nothing", "a file", "a graph"],
)
def test_what_is_not_this_tasks_result_on_these_inputs_stands_in_for_nothing(
    bench: Bench, fields: dict[str, Any]
) -> None:
    bench.earlier(Item("n0"), **fields)
    assert bench.ask(Item("n0")).commit is None
    assert bench.own(Item("n0")) is None


def test_a_result_whose_data_is_gone_stands_in_for_nothing(bench: Bench) -> None:
    uri = bench.store.uri(f"{EARLIER}/launches/l9/data/o0.pb")
    gone = Literal(offloaded=Offloaded(uri=uri, digest="sha256:00", size=9))
    bench.earlier(Item("n0"), {"o0": gone})
    assert bench.ask(Item("n0")).commit is None
    bench.store.put(f"{EARLIER}/launches/l9/data/o0.pb", b"123456789")
    assert bench.ask(Item("n0")).commit.inline.literals["o0"] == gone


def test_outputs_that_the_earlier_run_offloaded_are_read_where_they_are(bench: Bench) -> None:
    data = serialize(LiteralMap(literals=SEVEN))
    key = f"{EARLIER}/launches/l9/data/outputs.pb"
    bench.store.put(key, data)
    where = Offloaded(uri=bench.store.uri(key), size=len(data), digest=f"sha256:{sha256_hex(data)}")
    bench.earlier(Item("n0"), None, offloaded=where)
    assert bench.ask(Item("n0")).commit.inline.literals["o0"] == values.integer(7)


def test_a_commit_that_cannot_be_read_stands_in_for_nothing(bench: Bench) -> None:
    bench.store.put(commit_key(EARLIER, "n0", None), b"\xff\xff\xff")
    assert bench.ask(Item("n0")).commit is None


def test_an_earlier_run_of_another_project_is_not_looked_at(bench: Bench) -> None:
    bench.run.spec.reuse.run_prefix = run_prefix("bank", "development", "old-heron", "uid-0")
    commit = Commit(run_uid="uid-0", input_digest="sha256:11", task="flow.t")
    commit.inline.CopyFrom(LiteralMap(literals=SEVEN))
    bench.store.put(commit_key(bench.run.spec.reuse.run_prefix, "n0", None), serialize(commit))
    assert bench.ask(Item("n0")).commit is None


def test_a_deleted_run_has_nothing(bench: Bench) -> None:
    bench.earlier(Item("n0"))
    bench.store.delete_prefix(EARLIER)
    assert bench.ask(Item("n0")).commit is None


def test_the_graph_of_a_dynamic_node_is_taken_over(bench: Bench) -> None:
    bench.earlier(Item("n2"), None, graph_inline=made_graph(NEW_CODE), task="flow.fan")
    answer = bench.ask(Item("n2"), "flow.fan")
    assert answer.commit.origin == ORIGIN_REUSE
    assert answer.graph.refusal is None
    assert [node.id for node in answer.graph.closure.workflows[0].nodes] == ["n0"]


@pytest.mark.parametrize("graph", [made_graph(OLD_CODE), b"\xff\xff", None])
def test_a_graph_of_other_code_is_made_anew(bench: Bench, graph: bytes | None) -> None:
    outputs = SEVEN if graph is None else None
    fields = {} if graph is None else {"graph_inline": graph}
    bench.earlier(Item("n2"), outputs, task="flow.fan", **fields)
    assert bench.ask(Item("n2"), "flow.fan") == CommitRead(Item("n2"), None)
    assert bench.own(Item("n2")) is None


def test_a_store_that_does_not_answer_is_said_to_be_so(bench: Bench) -> None:
    answer = bench.ask(Item("n0"))
    assert not isinstance(answer, StoreFailed)
    bench.run.spec.reuse.run_prefix = "shop/development/runs/../../bank"
    answer = bench.ask(Item("n0"))
    assert isinstance(answer, StoreFailed)
    assert not answer.retryable


def test_a_map_that_comes_to_the_same_is_the_same_object(bench: Bench) -> None:
    """What follows it has the same inputs only then."""
    large = values.string("x" * (INLINE_OUTPUTS_LIMIT // 2))

    def items(prefix: str, uid: str) -> None:
        for position in range(3):
            commit = Commit(run_uid=uid, inline=LiteralMap(literals={"o0": large}))
            bench.store.put(commit_key(prefix, "n1", position), serialize(commit))

    items(bench.run.factory.prefix, "uid-1")
    joined = bench.collect(Item("n1"), 3).commit
    reference = joined.inline.literals["o0"].offloaded
    bench.store.delete(commit_key(bench.run.factory.prefix, "n1", None))
    key = f"{EARLIER}/launches/l9/data/o0.pb"
    bench.store.put(key, b"what was joined before")
    before = Offloaded(uri=bench.store.uri(key), size=reference.size, digest=reference.digest, length=3)
    bench.earlier(Item("n1"), {"o0": Literal(offloaded=before)})
    assert bench.collect(Item("n1"), 3).commit.inline.literals["o0"].offloaded == before
