"""Going on from an ended run: which of its results stand in for nodes of the new one. Pure."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from limosa_idl.admin.v1alpha1.admin_pb2 import ResumedNode
from limosa_idl.core.v1alpha1.interface_pb2 import Interface
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, Node
from limosa_model.cache_key import interface_types
from limosa_model.graph import Index, children_of, dependencies
from limosa_model.targets import python_part, task_name

_OWN_POD = frozenset({"task", "map", "dynamic", "eager"})
"""Node kinds whose result is a launch's commit. The others have none, or ask again (gates, launch plans)."""


@dataclasses.dataclass(frozen=True)
class ResumePlan:
    """What is reused."""

    nodes: tuple[ResumedNode, ...]
    """Every node with a launch of its own, in graph order."""
    except_nodes: tuple[str, ...]
    """Paths that the operator launches although the old run may have a commit there."""


def plan_resume(
    old: Closure, states: Mapping[str, pb.NodeState], new: Closure, from_nodes: Iterable[str]
) -> ResumePlan:
    """Matches the nodes of two graphs by path, task name and interface.

    Whether a match holds is decided when the node's turn comes: its inputs must be those of the old result. This says
    what will come of it, as far as the graphs tell.

    Args:
        old: The graph of the run to go on from.
        states: The last states of its nodes, by path.
        new: The graph to run.
        from_nodes: Paths of nodes that are launched again whatever the old run has.
    """
    forced = set(from_nodes)
    before = {
        path: (node, graph) for graph in [Index(old)] for path, node in _walk(graph, graph.entry.nodes, "")
    }
    matcher = _Matcher(before, states, Index(new), forced)
    matcher.scope(matcher.graph.entry.nodes, "", "")
    return ResumePlan(tuple(matcher.nodes), tuple(sorted(matcher.excepted)))


def unknown_nodes(new: Closure, from_nodes: Iterable[str]) -> list[str]:
    """Paths that the graph does not have."""
    graph = Index(new)
    known = {path for path, _ in _walk(graph, graph.entry.nodes, "")}
    return [path for path in from_nodes if path not in known]


class _Matcher:
    def __init__(
        self,
        before: Mapping[str, tuple[Node, Index]],
        states: Mapping[str, pb.NodeState],
        graph: Index,
        forced: set[str],
    ) -> None:
        self._before = before
        self._states = states
        self._forced = forced
        self.graph = graph
        self.nodes: list[ResumedNode] = []
        self.excepted: set[str] = set()

    def scope(self, nodes: Iterable[Node], around: str, outer: str) -> bool:
        """Judges the nodes of one scope, in their order; tells whether one of them runs.

        Args:
            nodes: Of the scope, dependencies before dependents or after.
            around: Path before theirs, with a slash.
            outer: Why all of them run; empty where nothing around them says so.
        """
        running: set[str] = set()
        waiting = list(nodes)
        while waiting:
            ids = {node.id for node in waiting}
            ready = next((node for node in waiting if not dependencies(node) & ids), waiting[0])
            waiting.remove(ready)
            upstream = sorted(dependencies(ready) & running)
            why = outer or (f"it depends on {around}{upstream[0]}, which runs" if upstream else "")
            if self._runs(ready, around + ready.id, why):
                running.add(ready.id)
        return bool(running)

    def _runs(self, node: Node, path: str, why: str) -> bool:
        if path in self._forced:
            why = "asked for with --from"
            self.excepted.add(path)
        if node.WhichOneof("target") not in _OWN_POD:
            inside = list(children_of(self.graph, node))
            if not inside:
                return True
            return self.scope(inside, path + "/", why)
        row = ResumedNode(node_path=path, display_name=node.display_name or node.id)
        state = self._states.get(path, pb.NodeState())
        why = self._difference(node, path) or why or self._unfinished(state)
        row.items, row.items_reused = state.items, state.items_succeeded
        row.reused, row.detail = not why, why
        row.code_changed = self._code_changed(node, path)
        if why and not why.startswith(("failed", "aborted")):
            row.items_reused = 0
        self.nodes.append(row)
        return bool(why)

    def _difference(self, node: Node, path: str) -> str:
        """Why the old result is not this node's; such a result is not to be found, whatever its inputs."""
        if path not in self._before:
            return "it is new"
        other, graph = self._before[path]
        task, was = task_name(node), task_name(other)
        found = ""
        if task != was or node.WhichOneof("target") != other.WhichOneof("target"):
            found = (
                f"{was or other.WhichOneof('target')} stood here" if was != task else "it was of another kind"
            )
        elif not _same_interface(self.graph.task(task).interface, graph.task(was).interface):
            found = f"the inputs or outputs of {task} changed"
        if found:
            self.excepted.add(path)
        return found

    def _unfinished(self, state: pb.NodeState) -> str:
        if state.phase == pb.NODE_PHASE_SUCCEEDED:
            return ""
        if state.phase in (pb.NODE_PHASE_FAILED, pb.NODE_PHASE_ABORTED):
            return pb.NodePhase.Name(state.phase).removeprefix("NODE_PHASE_").lower() + " before"
        return "it did not run before"

    def _code_changed(self, node: Node, path: str) -> bool:
        if path not in self._before:
            return False
        other, graph = self._before[path]
        name = task_name(node)
        if name != task_name(other):
            return False
        now, then = python_part(self.graph.task(name)), python_part(graph.task(name))
        if now is None or then is None:
            return False
        return bool(
            now.function_digest and then.function_digest and now.function_digest != then.function_digest
        )


def _walk(graph: Index, nodes: Iterable[Node], around: str) -> Iterator[tuple[str, Node]]:
    for node in nodes:
        path = around + node.id
        yield path, node
        yield from _walk(graph, children_of(graph, node), path + "/")


def _same_interface(one: Interface, other: Interface) -> bool:
    return all(
        interface_types(getattr(one, side)) == interface_types(getattr(other, side))
        for side in ("inputs", "outputs")
    )
