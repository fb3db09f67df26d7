"""Values through every kind of node, without a database."""

import pathlib

import pytest

from limosa_admin import run_data
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.run_data import RunData
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap, Offloaded
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.run.v1alpha1.run_pb2 import Commit, NodeState
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import failures, values
from limosa_model.digests import sha256_hex
from limosa_model.graph import ON_FAILURE
from limosa_model.layout import commit_key
from limosa_store import Store, StoreSettings, open_store

PREFIX = "demo/development/runs/r.u"
INTEGER = LiteralType(simple=SIMPLE_TYPE_INTEGER)
NUMBERS = LiteralType(collection=INTEGER)


def interface(inputs: dict[str, LiteralType], outputs: dict[str, LiteralType]) -> Interface:
    return Interface(
        inputs=[Variable(name=name, type=kind) for name, kind in inputs.items()],
        outputs=[Variable(name=name, type=kind) for name, kind in outputs.items()],
    )


def given(name: str) -> wf.BindingData:
    return wf.BindingData(input=wf.InputRef(name=name))


def output(node: str) -> wf.BindingData:
    return wf.BindingData(output=wf.OutputRef(node=node, output="y"))


def step(node: str, x: wf.BindingData, **target) -> wf.Node:
    return wf.Node(id=node, inputs=[wf.Binding(name="x", data=x)], **target)


TASK = wf.TaskNode(task="t")


def closure() -> wf.Closure:
    """n0 task → n1 map over [input, n0] → n2 branch over n0 → n3 sub-workflow of the branch's output."""
    pair = wf.BindingData(collection=wf.BindingCollection(items=[given("x"), output("n0")]))
    branch = wf.BranchNode(
        cases=[wf.BranchNode.Case(then=step("low", output("n0"), task=TASK))],
        else_then=step("high", output("n0"), sub_workflow=wf.SubWorkflowNode(workflow="inner")),
    )
    inner = wf.WorkflowSpec(
        name="inner",
        interface=interface({"x": INTEGER}, {"y": INTEGER}),
        nodes=[step("n0", given("x"), task=TASK), step("n1", output("n0"), task=TASK)],
        outputs=[wf.Binding(name="y", data=output("n1"))],
    )
    outer = wf.WorkflowSpec(
        name="outer",
        interface=interface({"x": INTEGER}, {"y": INTEGER}),
        nodes=[
            step("n0", given("x"), task=TASK),
            step("n1", pair, map=wf.MapNode(task="t", mapped_inputs=["x"])),
            wf.Node(id="n2", branch=branch),
            step("n3", output("n2"), sub_workflow=wf.SubWorkflowNode(workflow="inner")),
        ],
        outputs=[wf.Binding(name="y", data=output("n3"))],
    )
    task = TaskSpec(name="t", interface=interface({"x": INTEGER, "k": INTEGER}, {"y": INTEGER}))
    task.interface.inputs[1].default_value.CopyFrom(values.integer(100))
    return wf.Closure(entry="outer", tasks=[task], workflows=[inner, outer])


class World:
    def __init__(self, folder: pathlib.Path) -> None:
        self.store: Store = open_store(StoreSettings(url=f"file://{folder}"))
        self.states: dict[str, NodeState] = {}
        self.closure = closure()

    def commit(self, path: str, value: int | Literal, index: int | None = None) -> None:
        literal = values.integer(value) if isinstance(value, int) else value
        commit = Commit(inline=LiteralMap(literals={"y": literal}))
        self.store.put(commit_key(PREFIX, path, index), commit.SerializeToString())

    def read(self, path: str, index: int | None = None):
        inputs = {"x": values.integer(1)}
        return RunData(self.closure, inputs, PREFIX, self.store, self.states.get).of_node(path, index)

    def numbers(self, path: str, index: int | None = None) -> tuple[object, object]:
        found = self.read(path, index)
        got = (
            values.to_plain(found.inputs.literals["x"])
            if found.HasField("inputs") and found.inputs.literals
            else None
        )
        gave = values.to_plain(found.outputs.literals["y"]) if found.HasField("outputs") else None
        return got, gave


@pytest.fixture
def world(tmp_path: pathlib.Path) -> World:
    return World(tmp_path)


def test_a_task_has_its_bindings_its_defaults_and_its_commit(world: World) -> None:
    assert world.numbers("n0") == (1, None)
    assert world.read("n0").note == "outputs: n0 has no result yet"
    world.commit("n0", 2)
    assert world.numbers("n0") == (1, 2)
    assert world.read("n0").inputs.literals["k"] == values.integer(100)


def test_what_has_no_result_says_why_it_will_have_none(world: World) -> None:
    world.states["n0"] = NodeState(phase=run_pb2.NODE_PHASE_FAILED)
    world.states["n1"] = NodeState(phase=run_pb2.NODE_PHASE_SKIPPED)
    assert world.read("n0").note == "outputs: n0 has no result: the node failed"
    assert "inputs: n0 has no result: the node failed" in world.read("n1").note
    assert world.read("n1", 0).note.endswith("outputs: n1[0] has no result: the node was skipped")
    world.states["n0"] = NodeState(phase=run_pb2.NODE_PHASE_RUNNING)
    assert world.read("n0").note == "outputs: n0 has no result yet"


def test_a_map_and_its_items(world: World) -> None:
    assert "inputs: n0 has no result yet" in world.read("n1").note
    world.commit("n0", 2)
    assert world.numbers("n1") == ([1, 2], None)
    world.commit("n1", 10, 0)
    assert world.numbers("n1", 0) == (1, 10)
    assert world.numbers("n1", 1) == (2, None)
    assert "the map has 2 items" in world.read("n1", 7).note
    world.states["n1"] = NodeState(items=2, items_succeeded=1)
    assert world.read("n1").note == "outputs: n1 has no result yet, 1 of 2 items have succeeded"
    world.commit("n1", 20, 1)
    world.states["n1"] = NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED, items=2, items_succeeded=2)
    assert world.numbers("n1") == ([1, 2], [10, 20])
    world.states["n1"] = NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED, items=5000, items_succeeded=5000)
    assert "ask for one by its index" in world.read("n1").note


def test_an_item_that_was_allowed_to_fail_is_none_among_the_results(world: World) -> None:
    world.closure.workflows[1].nodes[1].map.min_successes = 1
    world.commit("n0", 2)
    world.commit("n1", 10, 0)
    world.states["n1"] = NodeState(
        phase=run_pb2.NODE_PHASE_SUCCEEDED, items=2, items_succeeded=1, items_failed=1
    )
    assert world.numbers("n1") == ([1, 2], [10, None])
    assert world.read("n1", 1).note == "outputs: n1[1] has no result: the item failed"
    world.closure.workflows[1].nodes[1].map.ClearField("min_successes")
    assert not world.read("n1").HasField("outputs"), "items that must all succeed have all a commit"


def test_a_map_that_was_never_expanded_has_no_empty_list_as_its_result(world: World) -> None:
    world.commit("n0", 2)
    world.states["n1"] = NodeState(phase=run_pb2.NODE_PHASE_QUEUED)
    assert world.numbers("n1") == ([1, 2], None)
    assert world.read("n1").note == "outputs: n1 has no result yet"
    world.states["n1"] = NodeState(phase=run_pb2.NODE_PHASE_SKIPPED)
    assert world.read("n1").note == "outputs: n1 has no result: the node was skipped"
    world.states["n1"] = NodeState(
        phase=run_pb2.NODE_PHASE_FAILED, items=2, items_succeeded=1, items_failed=1
    )
    assert world.read("n1").note == (
        "outputs: n1 has no result: the node failed, 1 of 2 items have succeeded"
    )
    world.states["n1"] = NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED)
    assert world.numbers("n1") == ([1, 2], [])


def test_a_branch_is_the_case_it_took(world: World) -> None:
    world.commit("n0", 2)
    assert world.read("n2").note == "outputs: branch n2 has not taken a case"
    assert world.numbers("n2/low") == (2, None)
    world.states["n2"] = NodeState(branch_taken="high")
    world.commit("n2/high/n0", 3)
    world.commit("n2/high/n1", 4)
    assert world.numbers("n2") == (None, 4)
    assert world.numbers("n2/high") == (2, 4)
    assert world.numbers("n2/high/n1") == (3, 4)
    assert world.numbers("n3") == (4, None)


def test_a_sub_workflow_sees_only_its_own_nodes(world: World) -> None:
    world.commit("n0", 2)
    world.states["n2"] = NodeState(branch_taken="low")
    world.commit("n2/low", 7)
    world.commit("n3/n0", 8)
    world.commit("n3/n1", 9)
    assert world.numbers("n3/n0") == (7, 8)
    assert world.numbers("n3/n1") == (8, 9)
    assert world.numbers("n3") == (7, 9)


def test_a_dynamic_node_sees_the_graph_that_its_task_made(world: World) -> None:
    run = closure()
    run.tasks.add(name="d", interface=interface({"x": INTEGER}, {"y": INTEGER}))
    run.workflows[1].nodes.append(step("n4", output("n0"), dynamic=wf.DynamicNode(task="d")))
    other = TaskSpec(name="t2", interface=interface({"x": INTEGER}, {"y": INTEGER}))
    five = wf.BindingData(literal=values.integer(5))
    inner = wf.WorkflowSpec(
        name="d",
        interface=interface({}, {"y": INTEGER}),
        nodes=[
            step("n0", five, task=wf.TaskNode(task="t2")),
            step("n1", output("n0"), task=wf.TaskNode(task="t2")),
        ],
        outputs=[wf.Binding(name="y", data=output("n1"))],
    )
    made = wf.Closure(entry="d", tasks=[other], workflows=[inner])

    def read(path: str):
        inputs = {"x": values.integer(1)}
        return RunData(run, inputs, PREFIX, world.store, world.states.get).of_node(path, None)

    world.commit("n0", 2)
    assert read("n4").note == "outputs: n4 has not made its graph"
    assert read("n4").inputs.literals["x"] == values.integer(2)
    with pytest.raises(RequestError, match="n4/n1"):
        read("n4/n1")
    world.states["n4"] = NodeState(graph=made)
    world.commit("n4/n0", 6)
    assert read("n4/n0").inputs.literals["x"] == values.integer(5)
    assert read("n4/n1").inputs.literals["x"] == values.integer(6)
    world.commit("n4/n1", 7)
    assert read("n4").outputs.literals["y"] == values.integer(7)


def test_an_on_failure_node_has_the_failure_as_input_once_there_is_one(world: World) -> None:
    told = wf.BindingData(failure=wf.FailureRef())
    for workflow in world.closure.workflows:
        handler = wf.Node(id=ON_FAILURE, inputs=[wf.Binding(name="x", data=told)], task=TASK)
        workflow.on_failure.CopyFrom(handler)
    inner, outer = f"n3/{ON_FAILURE}", ON_FAILURE

    def read(path: str, failure: Failure | None):
        run = RunData(world.closure, {}, PREFIX, world.store, world.states.get, failure)
        found = run.of_node(path, None)
        if not found.HasField("inputs"):
            return found.note.split(";")[0]
        return values.to_plain(found.inputs.literals["x"].record.fields["message"])

    within = failures.user("Bad", "of n3", origin=FailureOrigin(node_path="n3/n0"))
    before = failures.user("Bad", "of n0", origin=FailureOrigin(node_path="n0"))
    assert read(outer, None) == "inputs: the run has not failed"
    assert read(inner, before) == "inputs: n3 has not failed"
    assert (read(outer, before), read(inner, within)) == ("of n0", "of n3")
    world.states["n3"] = NodeState(phase=run_pb2.NODE_PHASE_ABORTED)
    assert read(inner, before) == "of n0"
    world.states["n3"] = NodeState(phase=run_pb2.NODE_PHASE_FAILED, failure=within)
    assert read(inner, before) == "of n3"
    world.states[outer] = NodeState(phase=run_pb2.NODE_PHASE_SKIPPED)
    assert (
        read(outer, None)
        == f"inputs: {outer} was not run: its workflow has not failed, or a person ended the run"
    )


def offloaded(world: World, data: bytes, key: str = "demo/development/data/a", **change) -> Literal:
    world.store.put(key, data)
    fields = {
        "uri": world.store.uri(key),
        "size": len(data),
        "digest": f"sha256:{sha256_hex(data)}",
        **change,
    }
    return Literal(offloaded=Offloaded(**fields))


def test_large_values_stay_references(world: World) -> None:
    reference = offloaded(world, values.integer(5).SerializeToString())
    world.commit("n0", reference)
    assert world.read("n0").outputs.literals["y"] == reference


def test_a_commit_whose_outputs_lie_elsewhere(world: World) -> None:
    outputs = LiteralMap(literals={"y": values.integer(5)}).SerializeToString()
    reference = offloaded(world, outputs).offloaded
    world.store.put(commit_key(PREFIX, "n0", None), Commit(offloaded=reference).SerializeToString())
    assert world.numbers("n0") == (1, 5)


@pytest.mark.parametrize(
    ("key", "change", "expected"),
    [
        ("other/development/data/a", {}, "lies outside of the run's project and domain"),
        ("demo/production/data/a", {}, "lies outside of the run's project and domain"),
        ("demo/development/data/a", {"uri": "s3://elsewhere/a"}, "lies outside"),
        ("demo/development/data/a", {"size": 10**9}, "download it"),
    ],
)
def test_a_reference_is_not_followed_blindly(
    world: World, key: str, change: dict[str, object], expected: str
) -> None:
    reference = offloaded(world, b"", key, **change).offloaded
    world.store.put(commit_key(PREFIX, "n0", None), Commit(offloaded=reference).SerializeToString())
    assert expected in world.read("n0").note


def test_a_value_with_another_digest_is_damaged(world: World) -> None:
    reference = offloaded(world, b"", "demo/development/data/a", digest="sha256:00").offloaded
    world.store.put(commit_key(PREFIX, "n0", None), Commit(offloaded=reference).SerializeToString())
    with pytest.raises(RequestError, match="is damaged"):
        world.read("n0")


def test_damaged_and_huge_objects_are_said_to_be(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.store.put(commit_key(PREFIX, "n0", None), b"\xff\xff")
    with pytest.raises(RequestError, match="the commit of n0 is damaged") as raised:
        world.read("n0")
    assert raised.value.reason is Reason.DAMAGED
    assert raised.value.failure is not None
    assert raised.value.failure.code == "CorruptData"
    monkeypatch.setattr(run_data, "MOST_BYTES", 1)
    assert "has more than 1 bytes" in world.read("n0").note


@pytest.mark.parametrize("path", ["n9", "n0/n0", "n3/n9", "n3/n0/n0", "n2/none"])
def test_paths_that_the_graph_lacks(world: World, path: str) -> None:
    with pytest.raises(RequestError, match="does not exist"):
        world.read(path)


def test_an_index_needs_a_map(world: World) -> None:
    with pytest.raises(RequestError, match="is not a map"):
        world.read("n0", 0)
