"""Going on from an ended run: which of its results stand in for nodes of the new one. Pure."""

import contextlib
import dataclasses
import enum
from collections.abc import Iterable, Iterator, Mapping

from limosa_idl.admin.v1alpha1.admin_pb2 import ResumedNode
from limosa_idl.core.v1alpha1.interface_pb2 import Interface
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, Node
from limosa_model.cache_key import interface_types
from limosa_model.graph import Index, branch_children, dependencies, inside, scope_nodes
from limosa_model.made_graphs import made_graphs
from limosa_model.targets import python_part, task_name

_ALWAYS_ANEW = {"gate": "gates ask again", "launch_plan": "its run is made anew"}
"""Node kinds whose result is another's word, and why it is asked for again."""
_NEW_GRAPH = "its code is of another version, so that it makes its graph anew"

_ITEMS_STAY = ("failed", "aborted")
"""How reasons begin for which a map's items that succeeded are reused."""

_Places = Mapping[str, tuple[Node, Index]]
"""Nodes by path, each with the closure whose names it uses."""


@dataclasses.dataclass(frozen=True)
class ResumePlan:
    """What is reused."""

    nodes: tuple[ResumedNode, ...]
    """Every node that is more than a frame around others, in graph order."""
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
        from_nodes: Paths of nodes that are launched again whatever the old run has, with all that depends on them.
    """
    made = made_graphs(states.items())
    matcher = _Matcher(_places(old, made), states, made, set(from_nodes))
    graph = Index(new)
    matcher.scope(graph, graph.entry.nodes, "", "")
    return ResumePlan(tuple(matcher.nodes), tuple(sorted(matcher.excepted)))


def node_paths(new: Closure, states: Mapping[str, pb.NodeState]) -> list[str]:
    """Paths that can be asked for: the graph's, and those that its dynamic and eager nodes made before."""
    return list(_places(new, made_graphs(states.items())))


class _Fate(enum.IntEnum):
    """What comes of a node, as those that depend on it see it."""

    REUSED = 0
    RUNS = 1
    """Its outputs may be others than before."""
    FORCED = 2
    """It, or one before it, was asked for: what depends on it runs whatever the outputs are."""


class _Matcher:
    def __init__(
        self,
        before: _Places,
        states: Mapping[str, pb.NodeState],
        made: Mapping[str, Closure],
        asked_for: set[str],
    ) -> None:
        self._before = before
        self._states = states
        self._made = made
        self._asked_for = asked_for
        self.nodes: list[ResumedNode] = []
        self.excepted: set[str] = set()
        self._code_is_other = False

    def scope(self, graph: Index, nodes: Iterable[Node], around: str, outer: str) -> _Fate:
        """Judges the nodes of one scope; gives the fate of whatever depends on all of them.

        Args:
            graph: The closure whose names the nodes use.
            nodes: Of the scope, dependencies before dependents or after; without what runs on failure.
            around: Path before the nodes' own, with a slash.
            outer: Why all of them run; empty where nothing around them says so.
        """
        fates: dict[str, _Fate] = {}
        waiting = list(nodes)
        while waiting:
            ids = {node.id for node in waiting}
            node = next((node for node in waiting if not dependencies(node) & ids), waiting[0])
            waiting.remove(node)
            upstream = [one for one in sorted(dependencies(node)) if fates.get(one, _Fate.REUSED)]
            why = outer or (f"it depends on {around}{upstream[0]}, which runs" if upstream else "")
            forced = any(fates[one] is _Fate.FORCED for one in upstream)
            fates[node.id] = self._judge(graph, node, around + node.id, why, forced)
        return max(fates.values(), default=_Fate.REUSED)

    def _judge(self, graph: Index, node: Node, path: str, why: str, forced: bool) -> _Fate:
        if path in self._asked_for:
            why, forced = "asked for with --from", True
        if forced:
            self.excepted.add(path)
        kind = node.WhichOneof("target")
        if kind == "branch":
            fate = self._branch(graph, node, path, why)
        elif kind == "sub_workflow":
            why = why or self._rebound(node, path)
            fate = self.scope(graph, graph.workflow(node.sub_workflow.workflow).nodes, path + "/", why)
        elif kind == "dynamic":
            fate = self._dynamic(graph, node, path, why)
        elif kind == "eager":
            fate = self._eager(graph, node, path, why)
        elif kind in ("check", "computed"):
            # It runs no code of its author's, and looks again at what is reused.
            fate = _Fate.RUNS if why else _Fate.REUSED
        elif kind in _ALWAYS_ANEW:
            fate = self._tell(graph, node, path, why or _ALWAYS_ANEW[kind])
        else:
            fate = self._tell(graph, node, path, self._why(graph, node, path, why))
        return _Fate.FORCED if forced else fate

    def _why(self, graph: Index, node: Node, path: str, why: str) -> str:
        """Why a node runs, as far as the graphs tell; empty where it is reused."""
        return (
            self._difference(graph, node, path) or why or self._rebound(node, path) or self._unfinished(path)
        )

    def _branch(self, graph: Index, node: Node, path: str, why: str) -> _Fate:
        """Of a branch that was decided, and is not to be decided anew, only what was taken is told of."""
        why = why or self._rebound(node, path)
        cases = list(branch_children(node.branch))
        if not why and self._phase(path) == pb.NODE_PHASE_SUCCEEDED:
            cases = [case for case in cases if self._phase(f"{path}/{case.id}") != pb.NODE_PHASE_SKIPPED]
        return self.scope(graph, cases, path + "/", why)

    def _eager(self, graph: Index, node: Node, path: str, why: str) -> _Fate:
        """An eager node, and the calls that the old run had: it may make the same."""
        why = self._why(graph, node, path, why)
        asked_for = any(other.startswith(path + "/") for other in self._asked_for)
        if asked_for:
            # The call's own exception is enough: without its eager node nobody makes it.
            why = why or "a call of it is asked for with --from"
        fate = self._tell(graph, node, path, why)
        # Of one that is reused the calls are not made again.
        if why and path in self._made and path in self._before:
            with self._inside(self._bundle(graph, node) != self._bundle_before(path)):
                self._calls(Index(self._made[path]), path)
        return _Fate.FORCED if asked_for else fate

    def _calls(self, made: Index, around: str) -> None:
        """The calls of an eager node, in their order: what comes after one that was asked for may depend on it."""
        before = ""
        for call in scope_nodes(made.entry):
            path = f"{around}/{call.id}"
            why = f"it comes after {before}, which runs" if before else ""
            self._judge(made, call, path, why, bool(before))
            if not before and any(f"{asked}/".startswith(f"{path}/") for asked in self._asked_for):
                before = path

    @contextlib.contextmanager
    def _inside(self, changed: bool) -> Iterator[None]:
        """Nodes that code made are looked at: what they run is known of the old code only, so a change of any of it counts."""
        outside, self._code_is_other = self._code_is_other, self._code_is_other or changed
        yield
        self._code_is_other = outside

    def _dynamic(self, graph: Index, node: Node, path: str, why: str) -> _Fate:
        """A dynamic node, and what its graph of the old run had: the new one may have the same."""
        state = self._states.get(path, pb.NodeState())
        why = self._difference(graph, node, path) or why or self._rebound(node, path)
        if not state.HasField("graph"):
            return self._tell(graph, node, path, why or self._unfinished(path))
        changed = self._bundle(graph, node) != self._bundle_before(path)
        fate = self._tell(graph, node, path, why or (_NEW_GRAPH if changed else ""))
        made = Index(state.graph)
        with self._inside(changed):
            within = self.scope(made, made.entry.nodes, path + "/", why)
        # A graph that is made anew and comes to the same leaves what depends on it as it was.
        return max(fate, within) if why else within

    def _tell(self, graph: Index, node: Node, path: str, why: str) -> _Fate:
        """Adds the node's row."""
        state = self._states.get(path, pb.NodeState())
        row = ResumedNode(node_path=path, display_name=node.display_name or node.id)
        row.items, row.items_reused = state.items, state.items_succeeded
        row.reused, row.detail = not why, why
        row.code_changed = self._code_is_other or self._code_changed(graph, node, path)
        if why and not why.startswith(_ITEMS_STAY):
            row.items_reused = 0
        self.nodes.append(row)
        return _Fate.RUNS if why else _Fate.REUSED

    def _difference(self, graph: Index, node: Node, path: str) -> str:
        """Why the old result is not this node's; such a result is not to be found, whatever its inputs."""
        if path not in self._before:
            return "it is new"
        other, before = self._before[path]
        task, was = task_name(node), task_name(other)
        found = ""
        if task != was or node.WhichOneof("target") != other.WhichOneof("target"):
            found = (
                f"{was or other.WhichOneof('target')} stood here" if was != task else "it was of another kind"
            )
        elif not _same_interface(graph.task(task).interface, before.task(was).interface):
            found = f"the inputs or outputs of {task} changed"
        if found:
            self.excepted.add(path)
        return found

    def _rebound(self, node: Node, path: str) -> str:
        """Which input is bound to something else; where that has the same value, the result is reused all the same."""
        other, _ = self._before.get(path, (node, None))
        before = {binding.name: binding.data for binding in other.inputs}
        for binding in node.inputs:
            if binding.name in before and before[binding.name] != binding.data:
                return f"its input '{binding.name}' changed"
        return ""

    def _phase(self, path: str) -> pb.NodePhase.ValueType:
        return self._states.get(path, pb.NodeState()).phase

    def _unfinished(self, path: str) -> str:
        state = self._states.get(path, pb.NodeState())
        phase = state.phase
        if phase == pb.NODE_PHASE_SUCCEEDED:
            return "failed items run again" if state.items_failed else ""
        if phase in (pb.NODE_PHASE_FAILED, pb.NODE_PHASE_ABORTED):
            return pb.NodePhase.Name(phase).removeprefix("NODE_PHASE_").lower() + " before"
        return "it did not run before"

    def _code_changed(self, graph: Index, node: Node, path: str) -> bool:
        if path not in self._before:
            return False
        other, before = self._before[path]
        name = task_name(node)
        if not name or name != task_name(other):
            return False
        task, old = graph.task(name), before.task(name)
        now, then = python_part(task), python_part(old)
        if now is None or then is None:
            return (task.container, task.container_image) != (old.container, old.container_image)
        body = now.function_digest and then.function_digest and now.function_digest != then.function_digest
        return bool(body) or now.packages != then.packages

    def _bundle_before(self, path: str) -> str:
        other, before = self._before.get(path, (None, None))
        return "" if other is None or before is None else self._bundle(before, other)

    @staticmethod
    def _bundle(graph: Index, node: Node) -> str:
        code = python_part(graph.task(task_name(node)))
        return "" if code is None else code.bundle_digest


def _places(closure: Closure, made: Mapping[str, Closure]) -> _Places:
    """Every node of a run, also those that its dynamic and eager nodes made."""
    graph = Index(closure)
    return {path: (node, names) for path, node, names in _walk(graph, graph.entry.nodes, "", made)}


def _walk(
    graph: Index, nodes: Iterable[Node], around: str, made: Mapping[str, Closure]
) -> Iterator[tuple[str, Node, Index]]:
    for node in nodes:
        path = around + node.id
        yield path, node, graph
        yield from _walk(*inside(graph, node, made.get(path)), path + "/", made)


def _same_interface(one: Interface, other: Interface) -> bool:
    return all(
        interface_types(getattr(one, side)) == interface_types(getattr(other, side))
        for side in ("inputs", "outputs")
    )
