"""Which results of an ended run stand in for nodes of the next one."""

import pytest

from limosa_admin.resume_plan import node_paths, plan_resume
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, SIMPLE_TYPE_STRING, LiteralType
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import (
    Binding,
    BindingData,
    Closure,
    ComputedNode,
    DynamicNode,
    EagerNode,
    GateNode,
    LaunchPlanNode,
    MapNode,
    Node,
    OutputRef,
    SubWorkflowNode,
    TaskNode,
    WorkflowSpec,
)
from limosa_model.values import integer


def task(name, digest="1", simple=SIMPLE_TYPE_INTEGER):
    variable = Variable(name="o0", type=LiteralType(simple=simple))
    return TaskSpec(
        name=f"flow.{name}",
        interface=Interface(outputs=[variable]),
        python=PythonTask(loader=f"flow:{name}", function_digest=digest),
    )


def node(number, name, *upstream, **target):
    made = Node(id=f"n{number}", display_name=name, **(target or {"task": TaskNode(task=f"flow.{name}")}))
    for other in upstream:
        data = BindingData(output=OutputRef(node=f"n{other}", output="o0"))
        made.inputs.append(Binding(name=f"x{other}", data=data))
    return made


def closure(*nodes, tasks=None, inner=()):
    workflows = [WorkflowSpec(name="flow.wf", nodes=nodes)]
    if inner:
        workflows.append(WorkflowSpec(name="flow.inner", nodes=inner))
    names = tasks or [task(name) for name in "abcde"]
    return Closure(entry="flow.wf", tasks=names, workflows=workflows)


FIVE = [node(0, "a"), node(1, "b", 0), node(2, "c", 1), node(3, "d", 2), node(4, "e", 3)]
DONE = pb.NodeState(phase=pb.NODE_PHASE_SUCCEEDED)
FAILED = pb.NodeState(phase=pb.NODE_PHASE_FAILED)
SKIPPED = pb.NodeState(phase=pb.NODE_PHASE_SKIPPED)
BROKEN = {"n0": DONE, "n1": DONE, "n2": FAILED, "n3": SKIPPED, "n4": SKIPPED}


def told(plan):
    return {row.node_path: row.detail or "reused" for row in plan.nodes}


def test_what_succeeded_is_reused_and_the_rest_runs():
    fixed = closure(*FIVE, tasks=[task("a"), task("b"), task("c", digest="2"), task("d"), task("e")])
    plan = plan_resume(closure(*FIVE), BROKEN, fixed, [])
    assert told(plan) == {
        "n0": "reused",
        "n1": "reused",
        "n2": "failed before",
        "n3": "it depends on n2, which runs",
        "n4": "it depends on n3, which runs",
    }
    assert plan.except_nodes == ()
    assert [row.node_path for row in plan.nodes if row.code_changed] == ["n2"]


def test_a_reused_node_whose_code_changed_is_marked():
    edited = closure(*FIVE, tasks=[task("a", digest="9"), *[task(name) for name in "bcde"]])
    [first, *_] = plan_resume(closure(*FIVE), BROKEN, edited, []).nodes
    assert (first.reused, first.code_changed) == (True, True)


def test_other_packages_are_other_code():
    edited = closure(*FIVE)
    edited.tasks[0].python.packages = "ab" * 32
    [first, second, *_] = plan_resume(closure(*FIVE), BROKEN, edited, []).nodes
    assert (first.reused, first.code_changed, second.code_changed) == (True, True, False)


def test_what_is_asked_for_runs_with_everything_after_it():
    plan = plan_resume(closure(*FIVE), dict.fromkeys(BROKEN, DONE), closure(*FIVE), ["n3"])
    assert told(plan)["n3"] == "asked for with --from"
    assert told(plan)["n4"] == "it depends on n3, which runs"
    assert [path for path, why in told(plan).items() if why == "reused"] == ["n0", "n1", "n2"]
    assert plan.except_nodes == ("n3", "n4")


@pytest.mark.parametrize(
    ("now", "tasks", "detail"),
    [
        (node(1, "c", 0), None, "flow.b stood here"),
        (node(1, "b", 0, map=MapNode(task="flow.b")), None, "it was of another kind"),
        (
            node(1, "b", 0),
            [task("a"), task("b", simple=SIMPLE_TYPE_STRING), task("c")],
            "the inputs or outputs of flow.b changed",
        ),
    ],
)
def test_what_is_not_the_same_node_is_never_looked_for(now, tasks, detail):
    plan = plan_resume(closure(*FIVE[:2]), BROKEN, closure(FIVE[0], now, tasks=tasks), [])
    assert told(plan) == {"n0": "reused", "n1": detail}
    assert plan.except_nodes == ("n1",)


def test_a_new_node_and_one_that_never_ran():
    plan = plan_resume(closure(*FIVE[:2]), {"n0": DONE}, closure(*FIVE[:3]), [])
    assert told(plan) == {"n0": "reused", "n1": "it did not run before", "n2": "it is new"}


@pytest.mark.parametrize(
    "other", [BindingData(literal=integer(20)), BindingData(output=OutputRef(node="n9"))]
)
def test_a_node_that_is_bound_otherwise_runs(other):
    def graph(data):
        bound = node(1, "b", 0)
        bound.inputs.append(Binding(name="y", data=data))
        return closure(node(0, "a"), bound, node(2, "c", 1))

    done = dict.fromkeys(("n0", "n1", "n2"), DONE)
    plan = plan_resume(graph(BindingData(literal=integer(10))), done, graph(other), [])
    assert told(plan) == {
        "n0": "reused",
        "n1": "its input 'y' changed",
        "n2": "it depends on n1, which runs",
    }
    # The operator looks all the same: what it is bound to now may have the same value.
    assert plan.except_nodes == ()


def test_failed_items_of_a_map_that_bore_them_run_again():
    state = pb.NodeState(phase=pb.NODE_PHASE_SUCCEEDED, items=4, items_succeeded=3, items_failed=1)
    graph = closure(node(0, "a", map=MapNode(task="flow.a")), node(1, "b", 0))
    plan = plan_resume(graph, {"n0": state, "n1": DONE}, graph, [])
    assert told(plan) == {"n0": "failed items run again", "n1": "it depends on n0, which runs"}
    assert plan.nodes[0].items_reused == 3


def eager_run(phase):
    """An eager node with two calls, the second of which failed, and a node after it."""
    graph = closure(node(0, "a", eager=EagerNode(task="flow.a")), node(1, "b", 0))
    states = {"n0": pb.NodeState(phase=phase), "n1": DONE if phase == DONE.phase else SKIPPED}
    for call, ended in (("e0", DONE), ("e1", FAILED if phase == FAILED.phase else DONE)):
        made = Closure(entry="call", tasks=[task("c")])
        made.workflows.add(name="call").nodes.add(id=call, display_name="c").task.task = "flow.c"
        states[f"n0/{call}"] = pb.NodeState(phase=ended.phase, call=made)
    return graph, states


def test_calls_of_an_eager_node_are_told_of():
    graph, states = eager_run(FAILED.phase)
    plan = plan_resume(graph, states, graph, [])
    assert told(plan) == {
        "n0": "failed before",
        "n0/e0": "reused",
        "n0/e1": "failed before",
        "n1": "it depends on n0, which runs",
    }


def test_of_a_reused_eager_node_no_call_is_told_of():
    graph, states = eager_run(DONE.phase)
    states["n0/e1"].phase = FAILED.phase
    assert told(plan_resume(graph, states, graph, [])) == {"n0": "reused", "n1": "reused"}


def test_a_call_that_is_asked_for_makes_its_eager_node_run():
    graph, states = eager_run(DONE.phase)
    plan = plan_resume(graph, states, graph, ["n0/e1"])
    assert told(plan) == {
        "n0": "a call of it is asked for with --from",
        "n0/e0": "reused",
        "n0/e1": "asked for with --from",
        "n1": "it depends on n0, which runs",
    }
    assert plan.except_nodes == ("n0/e1", "n1")


def test_calls_after_one_that_is_asked_for_run_too():
    graph, states = eager_run(DONE.phase)
    plan = plan_resume(graph, states, graph, ["n0/e0"])
    assert told(plan)["n0/e0"] == "asked for with --from"
    assert told(plan)["n0/e1"] == "it comes after n0/e0, which runs"
    assert plan.except_nodes == ("n0/e0", "n0/e1", "n1")


def test_calls_made_by_other_code_are_marked():
    graph, states = eager_run(FAILED.phase)
    edited = closure(*graph.workflows[0].nodes)
    edited.tasks[0].eager.bundle_digest = "other"
    edited.tasks[0].eager.loader = graph.tasks[0].python.loader
    rows = {row.node_path: row for row in plan_resume(graph, states, edited, []).nodes}
    assert (rows["n0/e0"].reused, rows["n0/e0"].code_changed) == (True, True)
    assert not rows["n1"].code_changed


def test_a_case_that_was_not_taken_is_not_told_of():
    branch = Node(id="n0", display_name="branch")
    for name in ("a", "b"):
        branch.branch.cases.add().then.CopyFrom(node(name, name))
    graph = closure(branch, node(1, "b", 0))
    states = {"n0": DONE, "n0/na": SKIPPED, "n0/nb": DONE, "n1": DONE}
    assert told(plan_resume(graph, states, graph, [])) == {"n0/nb": "reused", "n1": "reused"}


def test_of_a_map_the_items_that_succeeded_are_reused():
    state = pb.NodeState(phase=pb.NODE_PHASE_FAILED, items=4, items_succeeded=3, items_failed=1)
    graph = closure(node(0, "a", map=MapNode(task="flow.a")))
    [row] = plan_resume(graph, {"n0": state}, graph, []).nodes
    assert (row.reused, row.items, row.items_reused, row.detail) == (False, 4, 3, "failed before")
    [row] = plan_resume(graph, {"n0": state}, graph, ["n0"]).nodes
    assert row.items_reused == 0


def test_inside_sub_workflows_too():
    graph = closure(
        node(0, "a"), node(1, "inner", 0, sub_workflow=SubWorkflowNode(workflow="flow.inner")), node(2, "c", 1),
        inner=[node(0, "b"), node(1, "d", 0)],
    )  # fmt: skip
    states = {"n0": DONE, "n1": FAILED, "n1/n0": DONE, "n1/n1": FAILED}
    assert told(plan_resume(graph, states, graph, [])) == {
        "n0": "reused",
        "n1/n0": "reused",
        "n1/n1": "failed before",
        "n2": "it depends on n1, which runs",
    }
    plan = plan_resume(graph, dict.fromkeys((*states, "n1/n1", "n2"), DONE), graph, ["n1"])
    assert told(plan)["n1/n0"] == "asked for with --from"
    assert plan.except_nodes == ("n1", "n2")


def test_what_depends_on_a_node_that_is_asked_for_inside_a_sub_workflow_runs_too():
    graph = closure(
        node(0, "inner", sub_workflow=SubWorkflowNode(workflow="flow.inner")), node(1, "c", 0), node(2, "a"),
        inner=[node(0, "b"), node(1, "d"), node(2, "e", 1)],
    )  # fmt: skip
    states = dict.fromkeys(("n0", "n0/n0", "n0/n1", "n0/n2", "n1", "n2"), DONE)
    plan = plan_resume(graph, states, graph, ["n0/n1"])
    assert plan.except_nodes == ("n0/n1", "n0/n2", "n1")
    assert [path for path, why in told(plan).items() if why == "reused"] == ["n0/n0", "n2"]


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ({"gate": GateNode(approval=GateNode.Approval())}, "gates ask again"),
        ({"launch_plan": LaunchPlanNode(launch_plan="nightly")}, "its run is made anew"),
    ],
)
def test_what_others_said_is_asked_again_and_what_depends_on_it_may_differ(target, why):
    graph = closure(node(0, "a"), node(1, "other", 0, **target), node(2, "c", 1))
    plan = plan_resume(graph, dict.fromkeys(("n0", "n1", "n2"), DONE), graph, [])
    assert told(plan) == {"n0": "reused", "n1": why, "n2": "it depends on n1, which runs"}
    assert plan.except_nodes == ()


def test_what_runs_on_failure_is_not_told_of():
    graph = closure(node(0, "a"))
    graph.workflows[0].on_failure.CopyFrom(node(9, "b"))
    plan = plan_resume(graph, {"n0": FAILED, "n9": DONE}, graph, [])
    assert told(plan) == {"n0": "failed before"}
    assert plan.except_nodes == ()


def fan(bundle):
    """n0 is dynamic, n1 takes what its graph gives."""
    made = task("a")
    made.ClearField("python")
    made.dynamic.bundle_digest = bundle
    return closure(node(0, "a", dynamic=DynamicNode(task="flow.a")), node(1, "b", 0), tasks=[made, task("b")])


def fanned(phase, *inner):
    return pb.NodeState(phase=phase, graph=closure(*inner))


def test_inside_a_dynamic_node_by_the_graph_that_it_made():
    states = {"n0": fanned(pb.NODE_PHASE_FAILED, node(0, "b"), node(1, "c", 0), node(2, "d", 1))}
    states |= {"n0/n0": DONE, "n0/n1": FAILED}
    assert told(plan_resume(fan("1"), states, fan("1"), [])) == {
        "n0": "reused",
        "n0/n0": "reused",
        "n0/n1": "failed before",
        "n0/n2": "it depends on n0/n1, which runs",
        "n1": "it depends on n0, which runs",
    }
    plan = plan_resume(fan("1"), states | {"n0/n1": DONE, "n0/n2": DONE, "n1": DONE}, fan("1"), ["n0/n2"])
    assert plan.except_nodes == ("n0/n2", "n1")


def test_a_dynamic_node_of_changed_code_makes_its_graph_anew_and_may_come_to_the_same():
    states = {"n0": fanned(pb.NODE_PHASE_SUCCEEDED, node(0, "b")), "n0/n0": DONE, "n1": DONE}
    plan = plan_resume(fan("1"), states, fan("2"), [])
    assert told(plan) == {
        "n0": "its code is of another version, so that it makes its graph anew",
        "n0/n0": "reused",
        "n1": "reused",
    }
    assert plan.except_nodes == ()


def test_a_dynamic_node_whose_graph_is_not_known():
    assert told(plan_resume(fan("1"), {"n0": FAILED}, fan("1"), [])) == {
        "n0": "failed before",
        "n1": "it depends on n0, which runs",
    }


def test_the_paths_that_can_be_asked_for():
    assert node_paths(closure(*FIVE), {}) == ["n0", "n1", "n2", "n3", "n4"]
    states = {"n0": fanned(pb.NODE_PHASE_SUCCEEDED, node(0, "b"))}
    assert node_paths(fan("1"), states) == ["n0", "n0/n0", "n1"]


@pytest.mark.parametrize(("first", "second"), [(DONE, "reused"), (FAILED, "it depends on n1, which runs")])
def test_what_is_computed_has_no_row_and_stands_between_its_inputs_and_whoever_needs_it(first, second):
    nodes = [node(0, "a"), node(1, "many", 0, computed=ComputedNode(kind="length")), node(2, "c", 1)]
    plan = plan_resume(closure(*nodes), {"n0": first, "n1": DONE, "n2": DONE}, closure(*nodes), [])
    assert told(plan) == {"n0": "reused" if first is DONE else "failed before", "n2": second}
