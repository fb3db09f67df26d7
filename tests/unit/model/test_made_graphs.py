"""What lies below dynamic and eager nodes, put together from the snapshots of nodes."""

from limosa_idl.run.v1alpha1.run_pb2 import NodeState
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, WorkflowSpec
from limosa_model.graph import Index, inside, scope_nodes
from limosa_model.made_graphs import made_graphs


def call(node: str, *tasks: str, inner: str = "") -> Closure:
    closure = Closure(entry="flow.e", tasks=[TaskSpec(name=name) for name in tasks])
    entry = closure.workflows.add(name="flow.e")
    made = entry.nodes.add(id=node, display_name=node)
    if inner:
        made.sub_workflow.workflow = inner
        closure.workflows.append(WorkflowSpec(name=inner))
        closure.workflows[1].nodes.add(id="n0").task.task = tasks[0]
    else:
        made.task.task = tasks[0]
    return closure


def test_calls_of_an_eager_node_stand_below_it_in_their_order():
    states = [
        (f"n0/{name}", NodeState(call=call(name, "flow.t"))) for name in ("e10", "e2-1", "e0", "e2-0", "e1")
    ]
    found = made_graphs([*states, ("n0", NodeState(kind="eager"))])
    assert list(found) == ["n0"]
    assert [node.id for node in found["n0"].workflows[0].nodes] == ["e0", "e1", "e2-0", "e2-1", "e10"]
    assert [task.name for task in found["n0"].tasks] == ["flow.t"]


def test_what_is_inside_a_called_workflow_is_found_in_the_same_graph():
    state = NodeState(call=call("e0", "flow.t", inner="flow.w"))
    found = made_graphs([("n0/e0", state)])
    eager = Closure().workflows.add().nodes.add(id="n0")
    eager.eager.task = "flow.e"
    index, nodes = inside(Index(Closure()), eager, found["n0"])
    (called,) = nodes
    _, below = inside(index, called, None)
    assert [node.id for node in below] == ["n0"]


def test_a_dynamic_node_that_was_called_has_both():
    graph = Closure(entry="g", workflows=[WorkflowSpec(name="g")])
    found = made_graphs([("n0/e0", NodeState(call=call("e0", "flow.d"), graph=graph))])
    assert found["n0/e0"] == graph
    assert [node.id for node in scope_nodes(Index(found["n0"]).entry)] == ["e0"]
