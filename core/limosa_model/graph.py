"""Graphs: looking things up in a closure, and what depends on what."""

import math
from collections.abc import Iterable, Iterator, Mapping

from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import (
    Binding,
    BindingData,
    BranchNode,
    Closure,
    InputRef,
    MapNode,
    Node,
    OutputRef,
    WorkflowSpec,
)
from limosa_model.bindings import outputs_of


class Index:
    """A closure's tasks and workflows by name."""

    def __init__(self, closure: Closure) -> None:
        self.closure = closure
        self._tasks = {task.name: task for task in closure.tasks}
        self._workflows = {workflow.name: workflow for workflow in closure.workflows}

    @property
    def entry(self) -> WorkflowSpec:
        """The workflow that runs."""
        return self._workflows[self.closure.entry]

    def task(self, name: str) -> TaskSpec:
        """A task by name; KeyError when the closure lacks it, which `validate_closure` reports."""
        return self._tasks[name]

    def workflow(self, name: str) -> WorkflowSpec:
        """A workflow by name; KeyError when the closure lacks it."""
        return self._workflows[name]

    def has_task(self, name: str) -> bool:
        """Whether the closure has the task."""
        return name in self._tasks

    def has_workflow(self, name: str) -> bool:
        """Whether the closure has the workflow."""
        return name in self._workflows


def branch_children(branch: BranchNode) -> Iterator[Node]:
    """The nodes a branch may take: its cases in order, then the otherwise."""
    for case in branch.cases:
        yield case.then
    if branch.WhichOneof("otherwise") == "else_then":
        yield branch.else_then


ON_FAILURE = "on-failure"
"""Id of every node that runs on failure."""


def branch_name(node: Node, path: str) -> str:
    """What failures call a branch: its author's name for it and where it was written, else its path."""
    return f"conditional '{node.display_name or node.id}' ({written_at(node, path)})"


def written_at(node: Node, path: str) -> str:
    """File and line of a node, else its path."""
    return f"{node.source.file}:{node.source.line}" if node.source.file else path


def check_failed(node: Node, path: str) -> str:
    """What is said of a check whose condition does not hold."""
    return f"{node.check.message} (the check at {written_at(node, path)})"


def scope_nodes(workflow: WorkflowSpec) -> list[Node]:
    """The nodes that stand in a workflow, the one that runs on failure last."""
    handler = [workflow.on_failure] if workflow.HasField("on_failure") else []
    return [*workflow.nodes, *handler]


def with_cases(nodes: Iterable[Node]) -> Iterator[Node]:
    """Nodes, and after each branch the nodes that it may take."""
    for node in nodes:
        yield node
        yield from with_cases(branch_children(node.branch))


def own_dependencies(node: Node) -> set[str]:
    """Ids a node itself waits for: those its inputs read and those it is ordered after."""
    found = set(node.upstream)
    for binding in node.inputs:
        found.update(node_id for node_id, _ in outputs_of(binding.data))
    return found


def tolerates_failures(node: MapNode) -> bool:
    """Whether a map may succeed with items that failed."""
    return bool(node.min_successes or node.min_success_ratio)


def needed_successes(node: MapNode, count: int) -> int:
    """How many of a map's `count` items must succeed for it to succeed."""
    if node.min_successes:
        return min(node.min_successes, count)
    if node.min_success_ratio:
        # 0.3 of ten is three, whatever is left over in floating point; and some success is asked for.
        return min(max(math.ceil(node.min_success_ratio * count - 1e-9), 1), count)
    return count


def unmet(node: MapNode, count: int, failed: int) -> str:
    """Why a map that tolerates failed items has failed all the same; empty where they are not too many, and for other maps.

    Args:
        node: The map.
        count: Its items.
        failed: Those that failed.
    """
    needed = needed_successes(node, count)
    if not tolerates_failures(node) or count - failed >= needed:
        return ""
    asked = f"min_successes={node.min_successes}"
    if node.min_success_ratio:
        asked = f"min_success_ratio={node.min_success_ratio:g}"
    return f"{asked} needs {needed} of {count} items; {failed} failed"


def dependencies(node: Node) -> set[str]:
    """Ids of the node's scope that it, or a child a branch may take, waits for."""
    found = own_dependencies(node)
    if node.WhichOneof("target") == "branch":
        for child in branch_children(node.branch):
            found |= dependencies(child)
    return found


def cycle(workflow: WorkflowSpec) -> list[str]:
    """Ids along one cycle, first repeated last; empty where there is none. Iterative: a chain may be long."""
    edges = {node.id: sorted(dependencies(node)) for node in workflow.nodes}
    done: set[str] = set()
    for start in edges:
        path: list[str] = []
        on_path: set[str] = set()
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            node_id, leaving = stack.pop()
            if leaving:
                path.pop()
                on_path.discard(node_id)
                done.add(node_id)
                continue
            if node_id in on_path:
                return [*path[path.index(node_id) :], node_id]
            if node_id in done or node_id not in edges:
                continue
            path.append(node_id)
            on_path.add(node_id)
            stack.append((node_id, True))
            stack += [(other, False) for other in edges[node_id]]
    return []


def find_node(closure: Closure, path: str) -> Node | None:
    """The node at a path ("n3/n1"), through branches and sub-workflows; None where there is none."""
    index = Index(closure)
    nodes: Iterable[Node] = scope_nodes(index.entry)
    found: Node | None = None
    for part in path.split("/"):
        found = next((node for node in nodes if node.id == part), None)
        if found is None:
            return None
        nodes = children_of(index, found)
    return found


def children_of(index: Index, node: Node) -> Iterable[Node]:
    """The nodes one step below a node: a branch's cases, a sub-workflow's nodes, else none."""
    kind = node.WhichOneof("target")
    if kind == "branch":
        return list(branch_children(node.branch))
    if kind == "sub_workflow" and index.has_workflow(node.sub_workflow.workflow):
        return scope_nodes(index.workflow(node.sub_workflow.workflow))
    return []


def inside(index: Index, node: Node, made: Closure | None) -> tuple[Index, Iterable[Node]]:
    """The nodes one step below a node of a run, and the closure whose names they use.

    Args:
        index: The closure whose names the node uses.
        node: The node.
        made: What lies below it, where it is a dynamic or eager node and that is known (`made_graphs`).
    """
    if node.WhichOneof("target") not in ("dynamic", "eager"):
        return index, children_of(index, node)
    if made is None or not made.workflows:
        return index, []
    inner = Index(made)
    return inner, scope_nodes(inner.entry)


def closure_around(closure: Closure, path: str, made: Mapping[str, Closure]) -> Closure:
    """The closure whose names the node at a path uses: the run's, or what lies below the dynamic or eager node around it.

    Args:
        closure: The run's.
        path: Of the node.
        made: What lies below such nodes, by path, as far as it is known (`made_graphs`).
    """
    around = path
    while "/" in around:
        around = around.rpartition("/")[0]
        if around in made:
            return made[around]
    return closure


def wrap_task(task: TaskSpec) -> Closure:
    """A workflow of one node "n0" with the task's name and interface: what runs when a task is run by itself."""
    workflow = WorkflowSpec(name=task.name, interface=task.interface, description=task.description)
    workflow.source.CopyFrom(task.source)
    node = workflow.nodes.add(id="n0", display_name=task.name.rpartition(".")[2])
    if task.WhichOneof("target") == "dynamic":
        node.dynamic.task = task.name
    elif task.WhichOneof("target") == "eager":
        node.eager.task = task.name
    else:
        node.task.task = task.name
    for variable in task.interface.inputs:
        data = BindingData(input=InputRef(name=variable.name))
        node.inputs.append(Binding(name=variable.name, data=data))
    for variable in task.interface.outputs:
        data = BindingData(output=OutputRef(node="n0", output=variable.name))
        workflow.outputs.append(Binding(name=variable.name, data=data))
    return Closure(entry=task.name, tasks=[task], workflows=[workflow])
