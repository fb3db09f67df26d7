"""What a person names of a run: refused where the run has no such thing."""

from types import SimpleNamespace

import pytest

from limosa.cli.gates import gate_of
from limosa.cli.nodes import check_attempt, path_of
from limosa.errors import LimosaError
from limosa_idl.admin.v1alpha1.admin_pb2 import RunDetail
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_idl.workflow.v1alpha1.workflow_pb2 import (
    BranchNode,
    Closure,
    GateNode,
    Node,
    TaskNode,
    WorkflowSpec,
)


class Server:
    """Knows one run: n0 with two attempts, the map n1 whose item 3 had three."""

    def get_run(self, name):
        node = pb.Snapshot(key=pb.SnapshotKey(node_path="n0"), node=pb.NodeState(launches=2))
        item = pb.Snapshot(key=pb.SnapshotKey(node_path="n1", index=3, launch=2), launch=pb.LaunchState())
        return RunDetail(snapshots=[node, item])


@pytest.mark.parametrize(
    ("node", "index", "attempt"),
    [("n0", None, 2), ("n1", 3, 3), ("n1", None, 3), ("", None, 3), ("n2", None, 9)],
)
def test_attempts_that_there_are_or_may_be(node, index, attempt):
    check_attempt(Server(), "r", node, index, attempt)


@pytest.mark.parametrize(("node", "index", "attempt"), [("n0", None, 3), ("n1", 3, 4), ("", None, 9)])
def test_an_attempt_there_was_not_is_refused(node, index, attempt):
    with pytest.raises(LimosaError, match=f"there is no attempt {attempt}; there were"):
        check_attempt(Server(), "r", node, index, attempt)


def test_a_node_may_be_named_by_path_by_name_or_as_the_tree_shows_it():
    branch = Node(
        id="n10", branch=BranchNode(cases=[BranchNode.Case(then=Node(id="n11", display_name="large"))])
    )
    closure = Closure(entry="w", workflows=[WorkflowSpec(name="w", nodes=[branch, Node(id="n12")])])
    found = [path_of(closure, RunDetail(), word) for word in ("n10/n11", "large", "n11", "n12")]
    assert found == ["n10/n11", "n10/n11", "n10/n11", "n12"]


def gated(*nodes):
    closure = Closure(entry="w", workflows=[WorkflowSpec(name="w", nodes=nodes)])
    detail = RunDetail(closure=closure)
    detail.run.name = "r"
    return SimpleNamespace(get_run=lambda name: detail)


def test_an_answer_goes_to_the_gate_of_a_name_that_a_task_has_too():
    gate, gate2 = (Node(id=key, display_name="ship", gate=GateNode()) for key in ("n2", "n4"))
    task, task2 = (Node(id=key, display_name="ship", task=TaskNode()) for key in ("n3", "n5"))
    assert gate_of(gated(gate, task), "r", "ship") == ("n2", gate)
    with pytest.raises(LimosaError) as refused:
        gate_of(gated(gate, task, gate2), "r", "ship")
    assert (
        str(refused.value)
        == "r: several nodes are called 'ship'; say which by its path: n2 (gate), n4 (gate)"
    )
    with pytest.raises(LimosaError, match=r"say which by its path: n3 \(task\), n5 \(task\)"):
        gate_of(gated(task, task2), "r", "ship")
    with pytest.raises(LimosaError, match=r"n3 \(ship\) is a task node and takes no answer"):
        gate_of(gated(task), "r", "ship")
