"""Nodes that compute: `from limosa.nodes import length`. Every kind of `limosa_model.computed` is a function here.

A call of one in a workflow is a node without a pod; what it gives can be used as any result can.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from limosa.errors import LimosaError
from limosa.origin import caller
from limosa.promises import Promise

if TYPE_CHECKING:
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType

    # What type checkers are to know of a kind; of one that is not here they take anything.
    def length(values: list[Any] | dict[str, Any]) -> int:
        """How many elements a list has, or entries a dict."""


def __getattr__(name: str) -> Callable[..., Any]:
    from limosa_model.computed import KINDS
    from limosa_model.interfaces import suggest

    if name.startswith("__") or name not in KINDS:
        raise AttributeError(f"limosa.nodes has no '{name}'; {suggest(name, KINDS)}")

    def call(*args: Any, **kwargs: Any) -> Promise:
        return _call(name, args, kwargs)

    call.__name__ = call.__qualname__ = name
    globals()[name] = call
    return call


def __dir__() -> list[str]:
    from limosa_model.computed import KINDS

    return sorted(KINDS)


def _call(kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Promise:
    from limosa.bindings import binding_of
    from limosa.tracing import current
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding
    from limosa_model.computed.kind import Unfit
    from limosa_model.computed.nodes import computed_node

    trace = current()
    if trace is None or trace.is_eager:
        where = "in an eager task" if trace is not None else "outside of a workflow's function"
        message = f"{kind}() was called {where}"
        raise LimosaError("NodeOutside", message, str(caller()), "use Python there: the values are at hand")
    given = _arguments(kind, args, kwargs)
    types = {name: _type_of(value, f"{kind}(): input '{name}'") for name, value in given.items()}
    try:
        made = computed_node(kind, types)
    except Unfit as unfit:
        message = f"{kind}(): {unfit}"
        raise LimosaError("NodeInputs", message, str(caller()), "pass another result") from None
    bindings = [
        Binding(
            name=name, data=binding_of(value, _python_type(value), types[name], f"{kind}(): input '{name}'")
        )
        for name, value in given.items()
    ]
    node = trace.new_node(kind, caller())
    node.computed.CopyFrom(made)
    node.inputs.extend(bindings)
    output = made.interface.outputs[0]
    return Promise(node, output.name, (), output.type, True)


def _arguments(kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names of the kind's inputs, in their order. Raises LimosaError."""
    from limosa_model.computed import KINDS

    takes = KINDS[kind].takes
    given = dict(zip(takes, args, strict=False))
    twice = given.keys() & kwargs.keys()
    given.update(kwargs)
    if len(args) > len(takes) or twice or given.keys() != set(takes):
        told = f"{kind}() takes {', '.join(takes)}, each once"
        raise LimosaError("NodeInputs", told, str(caller()), f"write {kind}({', '.join(takes)})")
    return {name: given[name] for name in takes}


def _type_of(value: Any, place: str) -> "LiteralType":
    """The type of a result, a simple value, or a list of them. Raises LimosaError."""
    from limosa.types import TypeProblem, literal_type
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType

    if isinstance(value, list) and value:
        return LiteralType(collection=_element_type(value, place))
    if isinstance(value, Promise):
        if value.type_ is None:
            message = f"{place}: the type of {value.origin()} is not known before the run"
            raise LimosaError(
                "NodeInputs", message, str(caller()), "give it to a task, which can name a type"
            )
        return value.type_
    try:
        return literal_type(type(value))
    except TypeProblem as error:
        message = f"{place}: got {value!r}, which is no result and no simple value"
        raise LimosaError(
            "NodeInputs", message, str(caller()), "pass a result, or make it in a task"
        ) from error


def _element_type(items: list[Any], place: str) -> "LiteralType":
    """The type of the first, which all others are of. Raises LimosaError."""
    from limosa_model.types import assignable

    first, *others = (_type_of(item, f"{place}[{position}]") for position, item in enumerate(items))
    for position, other in enumerate(others, 1):
        reason = assignable(other, first)
        if reason:
            message = f"{place}[{position}]: {reason}, as the items before it"
            raise LimosaError("NodeInputs", message, str(caller()), "pass items of one type")
    return first


def _python_type(value: Any) -> Any:
    """What the values in an argument are converted as."""
    if isinstance(value, list):
        return list[next((_python_type(item) for item in value if not isinstance(item, Promise)), Any)]  # type: ignore[misc]
    return type(value)
