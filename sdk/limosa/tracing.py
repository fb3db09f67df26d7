"""Tracing: calling a workflow's function once, with promises, to learn its graph."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from limosa.errors import LimosaError
from limosa.origin import Origin, caller
from limosa.promises import Nothing, Promise, named_outputs

if TYPE_CHECKING:
    from limosa.signature import Signature
    from limosa.types.transfer import TransferContext
    from limosa_idl.core.v1alpha1.interface_pb2 import Interface
    from limosa_idl.core.v1alpha1.literal_pb2 import Literal
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, Node

_current: ContextVar["Trace | None"] = ContextVar("limosa_trace", default=None)


class Trace:
    """The graph of one workflow while its function runs.

    Attributes:
        nodes: In the order of the calls that made them.
        targets: Tasks and workflows the nodes name, by name; launch plans by their keys.
    """

    is_eager = False
    """Whether values are at hand: each call is carried out while the function runs."""

    def __init__(
        self,
        workflow_name: str,
        source_root: str,
        transfer: "TransferContext | None" = None,
        stored: "Callable[[Literal], Literal] | None" = None,
    ) -> None:
        """Names the graph.

        Args:
            workflow_name: For messages.
            source_root: The folder that source locations are relative to.
            transfer: Makes files durable; None where a graph is traced before the run and can hold none.
            stored: Replaces literals that are too large for a graph; None: none is.
        """
        self.workflow_name = workflow_name
        self.source_root = source_root
        self.transfer = transfer
        self.stored = stored
        self.nodes: list[Node] = []
        self.targets: dict[str, Any] = {}
        self._open_branches: dict[int, tuple[str, Origin]] = {}
        self._created: dict[str, Node] = {}

    def new_node(self, display_name: str, origin: Origin) -> "Node":
        """Appends an empty node; ids count up in the order of the calls."""
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node

        node = Node(id=f"n{len(self._created)}", display_name=display_name)
        node.source.file, node.source.line = relative_file(origin, self.source_root), origin.line
        self._created[node.id] = node
        self.nodes.append(node)
        return node

    def owns(self, promise: Promise) -> bool:
        """Whether a promise is of this workflow: an input of it, or an output of one of its nodes."""
        node = promise._node
        return node is None or self._created.get(node.id) is node

    def take_back(self, node_id: str) -> "Node":
        """Removes a node from the top level, to be put into a branch."""
        found = next(node for node in self.nodes if node.id == node_id)
        self.nodes.remove(found)
        return found

    def open_branch(self, branch: object, name: str) -> None:
        """Notes a conditional that has no end yet."""
        self._open_branches[id(branch)] = (name, caller())

    def close_branch(self, branch: object) -> None:
        """Notes that a conditional has its end."""
        del self._open_branches[id(branch)]

    def check_ended(self) -> None:
        """Refuses conditionals without an end: their cases would vanish from the graph."""
        for name, origin in self._open_branches.values():
            message = f"conditional '{name}' does not say what happens when no case holds"
            raise LimosaError(
                "OpenBranch", message, str(origin), "end it with .else_().then(…) or .else_().fail('…')"
            )

    def give(
        self, promises: list[Promise], node: "Node", signature: "Signature", types: Mapping[str, Any]
    ) -> Any:
        """What the call that made a node gives to the author.

        Args:
            promises: The node's outputs.
            node: The node, complete.
            signature: Of what is called.
            types: The outputs' Python types by name.
        """
        return shape(promises, signature, node)

    def add_target(self, target: Any) -> None:
        """Notes a task or workflow that a node names."""
        known = self.targets.setdefault(target.name, target)
        if known is not target:
            raise LimosaError(
                "DuplicateName",
                f"two different functions are called {target.name}",
                str(caller()),
                "rename one of them",
            )

    def add_plan(self, plan: Any) -> None:
        """Notes a launch plan that a node names."""
        self.targets.setdefault(plan.key, plan).refuse_namesake(plan)


def current() -> "Trace | None":
    """The trace under way, None where functions run for real."""
    return _current.get()


@contextmanager
def tracing(trace: Trace) -> Iterator[Trace]:
    """Makes a trace the current one."""
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


@contextmanager
def not_tracing() -> Iterator[None]:
    """Runs functions for real, also inside a trace."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def relative_file(origin: Origin, root: str) -> str:
    """A file as specs name it: relative to the source root where it lies below it."""
    import os

    prefix = root + os.sep
    return origin.file[len(prefix) :].replace(os.sep, "/") if origin.file.startswith(prefix) else origin.file


def call_arguments(
    name: str, signature: "Signature", args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments by input name, defaults not filled in. Raises LimosaError as Python's own TypeError would."""
    names = list(signature.inputs)
    short = name.rpartition(".")[2]
    if len(args) > len(names):
        message = f"{short}() takes {len(names)} input{'s'[: len(names) != 1]}, {len(args)} were given"
        raise CallError("TooManyArguments", message, str(caller()))
    given = dict(zip(names, args, strict=False))
    for key, value in kwargs.items():
        if key not in signature.inputs:
            from limosa_model.interfaces import suggest

            message = f"{short}() has no input '{key}'"
            raise CallError("UnknownArgument", message, str(caller()), suggest(key, names))
        if key in given:
            raise CallError("TwiceGiven", f"{short}() got input '{key}' twice", str(caller()))
        given[key] = value
    for key in names:
        if key not in given and key not in signature.defaults:
            from limosa.types.converter import type_name

            message = f"{short}() misses its input '{key}' ({type_name(signature.inputs[key])})"
            raise CallError("MissingArgument", message, str(caller()), f"pass {key}=…")
    return {key: given[key] for key in names if key in given}


class CallError(LimosaError, TypeError):
    """A task or workflow was called with arguments it does not take."""


def bind_arguments(
    name: str, interface: "Interface", types: Mapping[str, Any], given: Mapping[str, Any]
) -> "list[Binding]":
    """Bindings of a call's arguments, their types checked. Raises CallError naming argument, expected and given."""
    from limosa.bindings import binding_of
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding

    expected = {variable.name: variable.type for variable in interface.inputs}
    short = name.rpartition(".")[2]
    return [
        Binding(name=key, data=binding_of(value, types[key], expected[key], f"{short}(): input '{key}'"))
        for key, value in given.items()
    ]


def promised(node: "Node", interface: "Interface", signature: "Signature", trace: Trace) -> Any:
    """What a call inside a workflow returns: one promise, several as the function's own tuple, or none."""
    promises = [
        Promise(node, variable.name, (), variable.type, variable.name == "o0")
        for variable in interface.outputs
    ]
    return trace.give(promises, node, signature, signature.outputs)


def shape(promises: list[Promise], signature: "Signature", node: "Node") -> Any:
    """Promises in the shape of the function's return annotation."""
    if not promises:
        return Nothing(node)
    if signature.output_class is not None:
        return named_outputs(signature.output_class, promises, node)
    return promises[0]
