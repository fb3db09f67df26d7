"""Inputs and outputs of a run's nodes, resolved from bindings and commits."""

import concurrent.futures
import dataclasses
from collections.abc import Callable, Mapping, Sequence

from google.protobuf.message import DecodeError

from limosa_admin.request_errors import Reason, RequestError, damaged, not_found
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap, Offloaded
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.run.v1alpha1.run_pb2 import Commit, NodeState
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, Closure, MapNode, Node, WorkflowSpec
from limosa_model import bindings, layout, values
from limosa_model.digests import sha256_hex
from limosa_model.graph import Index, children_of, inside, scope_nodes, tolerates_failures
from limosa_model.interfaces import node_interface
from limosa_model.workflow_errors import error_literal
from limosa_store import ErrorCode, Store, StoreError

MOST_ITEMS = 1000
"""Items of a map whose outputs are read for one answer."""
MOST_BYTES = 8 * 1024 * 1024
"""Largest object read into an answer."""
_READERS = 16
ENDS_WITHOUT_RESULT = {
    run_pb2.NODE_PHASE_FAILED: "failed",
    run_pb2.NODE_PHASE_SKIPPED: "was skipped",
    run_pb2.NODE_PHASE_ABORTED: "was aborted",
}
"""Phases after which no result comes any more, as words of a sentence."""


class NotKnown(Exception):
    """A value that is not there (yet), with the reason for people."""


@dataclasses.dataclass(frozen=True)
class _Scope:
    """The nodes that see each other: of the entry workflow, of one sub-workflow node, of a dynamic node's graph or of a call.

    Attributes:
        index: The closure whose names they use.
        workflow: Whose nodes they are.
        prefix: Path of the node around them, "" for the entry.
        inputs: Gives the inputs of the workflow; raises NotKnown.
    """

    index: Index
    workflow: WorkflowSpec
    prefix: str
    inputs: Callable[[], Mapping[str, Literal]]

    def path(self, node_id: str) -> str:
        return f"{self.prefix}/{node_id}" if self.prefix else node_id


class RunData:
    """Reads one run's values. Holds no more than what one answer needs; make a new one for each."""

    def __init__(
        self,
        closure: Closure,
        inputs: Mapping[str, Literal],
        run_prefix: str,
        store: Store,
        node_state: Callable[[str], NodeState | None],
        failure: Failure | None = None,
    ) -> None:
        """Reads nothing yet.

        Args:
            closure: The run's graph.
            inputs: The run's inputs.
            run_prefix: Key below which the run's objects lie.
            store: The objects.
            node_state: Gives the latest state published of a node path.
            failure: The run's; None where it has none (yet).
        """
        self._index = Index(closure)
        self._inputs = inputs
        self._prefix = run_prefix
        self._store = store
        self._node_state = node_state
        self._failure = failure
        self._commits: dict[tuple[str, int | None], Mapping[str, Literal]] = {}

    def of_node(self, path: str, index: int | None) -> pb.GetRunDataResponse:
        """Interface, inputs and outputs of a node or an item of a map, with a note where something is not known.

        Raises:
            RequestError: NOT_FOUND for a path that the graph lacks, INVALID for an index where there is no map,
                DAMAGED for a stored value that is not what was written.
        """
        scope, node, branch = self._locate(path)
        interface = self._interface(scope, node, path, index)
        response = pb.GetRunDataResponse(interface=interface)
        notes = []
        try:
            given = self._node_inputs(scope, node, interface, index)
            response.inputs.CopyFrom(LiteralMap(literals=given))
        except NotKnown as unknown:
            notes.append(f"inputs: {unknown}")
        try:
            outputs = self._outputs(scope, node, branch, index)
            response.outputs.CopyFrom(LiteralMap(literals=outputs))
        except NotKnown as unknown:
            notes.append(f"outputs: {unknown}")
        response.note = "; ".join(notes)
        return response

    def _locate(self, path: str) -> tuple[_Scope, Node, str]:
        """The scope whose values a node sees, the node, and the path of the branch node around it (or "")."""
        scope = _Scope(self._index, self._index.entry, "", lambda: self._inputs)
        nodes: Sequence[Node] = scope_nodes(scope.workflow)
        here, branch = "", ""
        node: Node | None = None
        for part in path.split("/"):
            if node is not None:
                around = scope
                scope, branch = self._step_into(around, node, here, branch, part)
                nodes = list(inside(around.index, node, self._made(node, here, part))[1])
            node = next((candidate for candidate in nodes if candidate.id == part), None)
            here = f"{here}/{part}" if here else part
            if node is None:
                raise not_found(f"node '{here}'", "`limosa get` shows the run's nodes")
        if node is None:
            raise not_found(f"node '{path}'")
        return scope, node, branch

    def _step_into(
        self, scope: _Scope, node: Node, path: str, branch: str, child: str = ""
    ) -> tuple[_Scope, str]:
        made = self._made(node, path, child)
        if made is not None:
            graph = Index(made)
            return _Scope(graph, graph.entry, path, dict), ""
        if node.WhichOneof("target") != "sub_workflow":
            return scope, path
        workflow = scope.index.workflow(node.sub_workflow.workflow)
        inner = _Scope(
            scope.index, workflow, path, lambda: self._node_inputs(scope, node, workflow.interface, None)
        )
        return inner, ""

    def _made(self, node: Node, path: str, child: str = "") -> Closure | None:
        """The graph that a dynamic node's task made, or the call of an eager one; None where there is none, or it is not known.

        Args:
            node: The node.
            path: Its path.
            child: Which call of an eager node.
        """
        if node.WhichOneof("target") == "eager":
            state = self._node_state(f"{path}/{child}")
            return state.call if state is not None and state.HasField("call") else None
        if node.WhichOneof("target") != "dynamic":
            return None
        state = self._node_state(path)
        return state.graph if state is not None and state.HasField("graph") else None

    def _interface(self, scope: _Scope, node: Node, path: str, index: int | None) -> Interface:
        if index is None:
            return node_interface(scope.index, node) or Interface()
        if node.WhichOneof("target") != "map":
            raise RequestError(Reason.INVALID, f"node '{path}' is not a map; leave the index out")
        return scope.index.task(node.map.task).interface

    def _node_inputs(
        self, scope: _Scope, node: Node, interface: Interface, index: int | None
    ) -> dict[str, Literal]:
        """Values of a node's bindings, then the interface's defaults for what is not bound."""
        found = {
            binding.name: error_literal(self._failure_in(scope, node))
            if binding.data.WhichOneof("value") == "failure"
            else self._resolve(scope, binding)
            for binding in node.inputs
        }
        if index is not None:
            for name in node.map.mapped_inputs:
                found[name] = self._item(found[name], index)
        for variable in interface.inputs:
            if variable.name not in found and variable.HasField("default_value"):
                found[variable.name] = variable.default_value
        return found

    def _failure_in(self, scope: _Scope, handler: Node) -> Failure:
        """What an on-failure node is told: the failure of its workflow, or of the nearest one around that has one."""
        own = self._node_state(scope.path(handler.id))
        if own is not None and own.phase == run_pb2.NODE_PHASE_SKIPPED:
            raise NotKnown(
                f"{scope.path(handler.id)} was not run: its workflow has not failed, or a person ended the run"
            )
        around = scope.prefix
        while around:
            state = self._node_state(around)
            if state is not None and state.HasField("failure"):
                return state.failure
            if state is None or state.phase not in ENDS_WITHOUT_RESULT:
                break
            around = around.rpartition("/")[0]
        origin = "" if self._failure is None else self._failure.origin.node_path
        if self._failure is None or not f"{origin}/".startswith(f"{around}/" if around else ""):
            raise NotKnown(f"{around or 'the run'} has not failed")
        return self._failure

    def _resolve(self, scope: _Scope, binding: Binding) -> Literal:
        try:
            # A binding may step into a value that lies in the store.
            return bindings.resolve(
                binding.data,
                lambda node_id, name: self._loaded_for(binding, self._output(scope, node_id, name)),
                {key: self._loaded_for(binding, literal) for key, literal in scope.inputs().items()},
            )
        except bindings.BindingError as error:
            raise NotKnown(f"{binding.name}: {error}") from error

    def _loaded_for(self, binding: Binding, literal: Literal) -> Literal:
        kind = binding.data.WhichOneof("value")
        reference = binding.data.output if kind == "output" else binding.data.input
        return self._loaded(literal) if kind in ("output", "input") and reference.path else literal

    def _item(self, literal: Literal, index: int) -> Literal:
        items = self._loaded(literal).collection.literals
        if index >= len(items):
            raise NotKnown(f"the map has {len(items)} items")
        return items[index]

    def _output(self, scope: _Scope, node_id: str, name: str) -> Literal:
        node = next((node for node in scope.workflow.nodes if node.id == node_id), None)
        if node is None:
            raise NotKnown(f"there is no node '{node_id}'")
        outputs = self._outputs_at(scope, node, scope.path(node_id))
        if name not in outputs:
            raise NotKnown(f"node {scope.path(node_id)} gave no '{name}'")
        return outputs[name]

    def _outputs(self, scope: _Scope, node: Node, branch: str, index: int | None) -> Mapping[str, Literal]:
        path = f"{branch}/{node.id}" if branch else scope.path(node.id)
        return self._outputs_at(scope, node, path) if index is None else self._commit(path, index)

    def _outputs_at(self, scope: _Scope, node: Node, path: str) -> Mapping[str, Literal]:
        kind = node.WhichOneof("target")
        if kind == "map":
            return self._map_outputs(scope, node, path)
        if kind == "check":
            return {}
        if kind == "branch":
            taken = getattr(self._node_state(path), "branch_taken", "")
            child = next((child for child in children_of(scope.index, node) if child.id == taken), None)
            if child is None:
                raise NotKnown(f"branch {path} has not taken a case")
            return self._outputs_at(scope, child, f"{path}/{child.id}")
        if kind == "dynamic" and self._made(node, path) is None:
            raise NotKnown(f"{path} has not made its graph")
        if kind in ("sub_workflow", "dynamic"):
            inner, _ = self._step_into(scope, node, path, "")
            return {binding.name: self._resolve(inner, binding) for binding in inner.workflow.outputs}
        return self._commit(path, None)

    def _map_outputs(self, scope: _Scope, node: Node, path: str) -> Mapping[str, Literal]:
        state = self._node_state(path)
        # Before it is expanded a map has no items, and an empty list would look like a result.
        if state is None or state.phase != run_pb2.NODE_PHASE_SUCCEEDED:
            why = self._why_absent(path, path)
            if state and state.items:
                why += f", {state.items_succeeded} of {state.items} items have succeeded"
            raise NotKnown(why)
        if state.items > MOST_ITEMS:
            raise NotKnown(f"{path} has {state.items} items; ask for one by its index")
        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            items = list(pool.map(lambda index: self._row(node.map, path, index), range(state.items)))
        outputs: Sequence[Variable] = scope.index.task(node.map.task).interface.outputs
        return {
            v.name: values.collection([values.none() if item is None else item[v.name] for item in items])
            for v in outputs
        }

    def _row(self, node: MapNode, path: str, index: int) -> Mapping[str, Literal] | None:
        """The outputs of an item of a map that succeeded; None of one that was allowed to fail."""
        try:
            return self._commit(path, index)
        except NotKnown:
            if not tolerates_failures(node):
                raise
            return None

    def _commit(self, path: str, index: int | None) -> Mapping[str, Literal]:
        if (path, index) not in self._commits:
            self._commits[path, index] = self._read_commit(path, index)
        return self._commits[path, index]

    def _read_commit(self, path: str, index: int | None) -> Mapping[str, Literal]:
        item = path if index is None else f"{path}[{index}]"
        data = self._get(
            layout.commit_key(self._prefix, path, index),
            lambda: self._why_absent(item, path, index is not None),
        )
        try:
            commit = Commit.FromString(data)
            if commit.WhichOneof("outputs") == "offloaded":
                return LiteralMap.FromString(self._read(commit.offloaded)).literals
        except DecodeError as error:
            raise damaged(f"the commit of {item}") from error
        return commit.inline.literals

    def _why_absent(self, item: str, path: str, is_item: bool = False) -> str:
        state = self._node_state(path)
        if is_item and state and state.phase == run_pb2.NODE_PHASE_SUCCEEDED:
            return f"{item} has no result: the item failed"
        end = ENDS_WITHOUT_RESULT.get(state.phase) if state else None
        return f"{item} has no result: the node {end}" if end else f"{item} has no result yet"

    def _loaded(self, literal: Literal) -> Literal:
        if literal.WhichOneof("value") != "offloaded":
            return literal
        try:
            return Literal.FromString(self._read(literal.offloaded))
        except DecodeError as error:
            raise damaged(literal.offloaded.uri) from error

    def _read(self, reference: Offloaded) -> bytes:
        key = self._store.key(reference.uri)
        # Admin reads with its own rights, so a reference must not lead out of the run's project-domain.
        if key is None or not key.startswith("/".join(self._prefix.split("/")[:2]) + "/"):
            raise NotKnown(f"{reference.uri} lies outside of the run's project and domain")
        if reference.size > MOST_BYTES:
            raise NotKnown(f"{reference.uri} has {reference.size} bytes; download it")
        data = self._get(key, lambda: f"{reference.uri} does not exist")
        if reference.digest and reference.digest != f"sha256:{sha256_hex(data)}":
            raise damaged(reference.uri)
        return data

    def _get(self, key: str, absent: Callable[[], str]) -> bytes:
        try:
            data = self._store.get(key, limit=MOST_BYTES + 1)
        except StoreError as error:
            if error.code is ErrorCode.NOT_FOUND:
                raise NotKnown(absent()) from error
            raise
        if len(data) > MOST_BYTES:
            raise NotKnown(f"{key} has more than {MOST_BYTES} bytes; download it")
        return data
