"""The gates of a graph, as far as they are known before it runs."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from limosa.launch_plans import LaunchPlan
from limosa.workflows import Workflow
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
from limosa_model.graph import branch_children, scope_nodes


class Gate(NamedTuple):
    """One gate."""

    path: str
    node: Node


class Gates(NamedTuple):
    """Those of a graph."""

    gates: list[Gate]
    whole: bool
    """There are no others: nothing in the graph is made by a dynamic or eager task, or contains itself."""


def gates_of(entity: Any) -> Gates:
    """The gates of a task, workflow or launch plan, in the order of the author's code. Raises LimosaError."""
    found: list[Gate] = []
    whole = True
    target = entity.workflow if isinstance(entity, LaunchPlan) else entity
    if not isinstance(target, Workflow):
        return Gates([], not (target.makes_graph or target.makes_calls))
    for path, node in _walk(target, "", ()):
        if node.HasField("gate"):
            found.append(Gate(path, node))
        elif not node.WhichOneof("target") or node.HasField("dynamic") or node.HasField("eager"):
            whole = False
    return Gates(found, whole)


def _walk(workflow: Workflow[..., Any], prefix: str, around: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
    """Every node with its path; an empty one where a workflow contains itself through a launch plan."""
    if workflow.name in around:
        yield prefix, Node()
        return
    waiting = [(prefix + node.id, node) for node in reversed(scope_nodes(workflow.spec))]
    while waiting:
        path, node = waiting.pop()
        yield path, node
        if node.HasField("branch"):
            cases = [(f"{path}/{child.id}", child) for child in branch_children(node.branch)]
            waiting += reversed(cases)
        elif node.HasField("sub_workflow"):
            inner = workflow.targets[node.sub_workflow.workflow]
            yield from _walk(inner, path + "/", (*around, workflow.name))
        elif node.HasField("launch_plan"):
            plan = workflow.targets[f"launch plan {node.launch_plan.launch_plan}"]
            yield from _walk(plan.workflow, path + "/", (*around, workflow.name))
