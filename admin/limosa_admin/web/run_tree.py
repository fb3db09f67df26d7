"""A run's graph with what is known of each node: what pictures and tables are drawn from."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.timestamp_pb2 import Timestamp

from limosa_admin.web import phases
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, MapNode, Node
from limosa_model import conditions
from limosa_model.graph import Index, dependencies, inside, scope_nodes, unmet
from limosa_model.made_graphs import made_graphs
from limosa_model.targets import task_name

MOST_DEPTH = 12
_ENDED = (run_pb2.NODE_PHASE_FAILED, run_pb2.NODE_PHASE_ABORTED)


@dataclasses.dataclass
class TreeNode:
    """One node of the graph.

    Attributes:
        path: Its path within the run.
        id: Its id within its scope.
        name: For people.
        kind: "task", "map", "branch", "sub_workflow", "dynamic", "eager", "gate" or "launch_plan".
        target: Task or workflow it runs; "" for a branch.
        case: Within a branch, the condition under which it is taken; else "".
        state: What was published of it; empty before.
        children: Nodes of a sub-workflow or of a dynamic node's graph, calls of an eager node, or the cases of a branch.
        edges: Pairs of ids of `children`: the second waits for the first.
        items: States of a map's items by index.
        launches: Snapshots of its launches, items' included.
        map: How its items are run, of a map.
    """

    path: str
    id: str
    name: str
    kind: str
    target: str
    case: str
    state: run_pb2.NodeState
    children: "list[TreeNode]" = dataclasses.field(default_factory=list)
    edges: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    items: dict[int, run_pb2.NodeState] = dataclasses.field(default_factory=dict)
    launches: list[run_pb2.Snapshot] = dataclasses.field(default_factory=list)
    map: MapNode = dataclasses.field(default_factory=MapNode)

    @property
    def phase(self) -> str:
        """Its phase as a word."""
        return phases.state_word(self.state, bool(self.launches))

    @property
    def unmet(self) -> str:
        """Why a map that tolerates failed items has failed all the same; else empty."""
        failed = self.state.phase == run_pb2.NODE_PHASE_FAILED
        return unmet(self.map, self.state.items, self.state.items_failed) if failed else ""

    def failure(self, index: int | None = None) -> Failure | None:
        """Why it, or an item of it, failed; None where that did not, or is not known."""
        state = self.items.get(index, self.state) if index is not None else self.state
        return state.failure if state.HasField("failure") else None

    def walk(self) -> "Iterator[TreeNode]":
        """This node and all below it, in the order of the graph."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclasses.dataclass
class RunTree:
    """The nodes of the entry workflow, and through them all others."""

    nodes: list[TreeNode]
    edges: list[tuple[str, str]]

    def walk(self) -> Iterator[TreeNode]:
        """All nodes, parents before children."""
        for node in self.nodes:
            yield from node.walk()

    def find(self, path: str) -> TreeNode | None:
        """The node at a path."""
        return next((node for node in self.walk() if node.path == path), None)

    def failure_at(self, origin: FailureOrigin) -> Failure | None:
        """Why a node, or an item of it, failed; None where that is not known."""
        node = self.find(origin.node_path)
        return None if node is None else node.failure(origin.index if origin.HasField("index") else None)


def build(closure: Closure, snapshots: Iterable[run_pb2.Snapshot]) -> RunTree:
    """The tree of a run."""
    index = Index(closure)
    known: dict[str, TreeNode] = {}
    snapshots = list(snapshots)
    made = made_graphs((one.key.node_path, one.node) for one in snapshots if one.HasField("node"))
    nodes, edges = _Builder(made, known).scope(index, scope_nodes(index.entry), "", 0)
    for snapshot in snapshots:
        node = known.get(snapshot.key.node_path)
        if node is None:
            continue
        if snapshot.WhichOneof("state") == "launch":
            node.launches.append(snapshot)
        elif snapshot.key.HasField("index"):
            node.items[snapshot.key.index] = snapshot.node
        else:
            node.state = snapshot.node
    for node in nodes:
        _skip_below(node)
    return RunTree(nodes, edges)


def span(
    started: Timestamp | None, finished: Timestamp | None, now: dt.datetime
) -> tuple[dt.datetime, dt.datetime] | None:
    """When something ran, until `now` where it has not ended; None before it began."""
    if started is None or not started.ToNanoseconds():
        return None
    end = phases.moment(finished) if finished is not None and finished.ToNanoseconds() else now
    begin = phases.moment(started)
    return begin, max(begin, end)


def duration(state: run_pb2.NodeState, now: dt.datetime) -> str:
    """How long a node ran, "" before it began."""
    times = span(state.started_at, state.finished_at, now)
    return "" if times is None else phases.lasted((times[1] - times[0]).total_seconds())


def _skip_below(node: TreeNode) -> None:
    """Marks what will not run because of what is above it, should nothing have been published of it."""
    for child in node.children:
        untaken = node.kind == "branch" and node.state.branch_taken not in ("", child.id)
        if not child.state.phase and (untaken or node.state.phase == run_pb2.NODE_PHASE_SKIPPED):
            child.state = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SKIPPED)
        elif not child.state.phase and node.state.phase in _ENDED:
            child.state = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_ABORTED)
        _skip_below(child)


class _Builder:
    """Makes the nodes, from the closure and what lies below dynamic and eager nodes (by path)."""

    def __init__(self, made: Mapping[str, Closure], known: dict[str, TreeNode]) -> None:
        self._made = made
        self._known = known

    def scope(
        self, index: Index, nodes: Iterable[Node], prefix: str, depth: int
    ) -> tuple[list[TreeNode], list[tuple[str, str]]]:
        """The nodes of one workflow, and what waits for what."""
        nodes = list(nodes)
        names = {node.id: _name(node) for node in nodes}
        found = [self._node(index, node, prefix, depth, "", names) for node in nodes]
        ids = {node.id for node in nodes}
        edges = [(other, node.id) for node in nodes for other in sorted(dependencies(node)) if other in ids]
        return found, edges

    def _node(
        self, index: Index, node: Node, prefix: str, depth: int, case: str, scope: Mapping[str, str]
    ) -> TreeNode:
        path = f"{prefix}/{node.id}" if prefix else node.id
        kind = node.WhichOneof("target") or "task"
        target = task_name(node) or node.sub_workflow.workflow
        made = self._known[path] = TreeNode(
            path, node.id, _name(node), kind, target, case, run_pb2.NodeState(), map=node.map
        )
        if depth >= MOST_DEPTH:
            return made
        if kind == "branch":
            names = _operand_names(node, scope)
            for one in node.branch.cases:
                text = f"if {conditions.describe(one.condition, names)}"
                made.children.append(self._node(index, one.then, path, depth + 1, text, scope))
            if node.branch.WhichOneof("otherwise") == "else_then":
                otherwise = self._node(index, node.branch.else_then, path, depth + 1, "else", scope)
                made.children.append(otherwise)
            return made
        inner, below = inside(index, node, self._made.get(path))
        made.children, made.edges = self.scope(inner, below, path, depth + 1)
        return made


def _name(node: Node) -> str:
    """What people call a node."""
    target = task_name(node) or node.sub_workflow.workflow
    return node.display_name or target.rpartition(".")[2] or node.id


def _operand_names(branch: Node, names: Mapping[str, str]) -> dict[str, str]:
    """How the operands of a branch's conditions read with nodes' names (by id) in place of their ids."""
    read = {}
    for binding in branch.inputs:
        source = binding.data.output.node
        id_, dot, rest = binding.name.partition(".")
        if source and id_ == source:
            read[binding.name] = f"{names.get(source, source)}{dot}{rest}"
    return read
