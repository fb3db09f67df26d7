"""Arguments of calls in a workflow as bindings: promises, literals, and lists and dicts of both."""

from typing import TYPE_CHECKING, Any, get_args

from limosa.conditions import Condition
from limosa.errors import LimosaError
from limosa.origin import caller
from limosa.promises import Nothing, Promise, PromiseMisuse, node_of

if TYPE_CHECKING:
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import BindingData


_REMEDY = "pass a value of that type, or correct the annotation"


class ArgumentProblem(LimosaError, TypeError):
    """A value does not fit the input or output it is given for."""

    def __init__(self, message: str, remedy: str = "", code: str = "ArgumentType") -> None:
        """Takes what is wrong; the place is the author's line."""
        super().__init__(code, message, str(caller()), remedy)


def binding_of(value: Any, python_type: Any, expected: "LiteralType", place: str) -> "BindingData":
    """The binding of a value.

    Args:
        value: A promise, a list or dict with promises inside, or a plain value.
        python_type: What the input or output is annotated with.
        expected: The same on the wire.
        place: What it is given for ("train(): input 'rate'").

    Raises:
        LimosaError: The value does not fit.
    """
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import BindingCollection, BindingData, BindingMap

    if isinstance(value, Promise):
        _check_type(value, expected, place)
        return value.to_binding()
    _refuse_handles(value, place)
    if isinstance(value, list) and any(_holds_promise(item) for item in value):
        inner = _variant(expected, "collection", value, place).collection
        element = _element_type(python_type, list)
        items = [
            binding_of(item, element, inner, f"{place}[{position}]") for position, item in enumerate(value)
        ]
        return BindingData(collection=BindingCollection(items=items))
    if isinstance(value, dict) and any(_holds_promise(item) for item in value.values()):
        inner = _variant(expected, "map_value", value, place).map_value
        element = _element_type(python_type, dict)
        entries = {key: binding_of(item, element, inner, f"{place}[{key!r}]") for key, item in value.items()}
        return BindingData(map_value=BindingMap(items=entries))
    if _holds_promise(value):
        message = f"{place}: a {type(value).__name__} that holds promises cannot be made before the run"
        raise ArgumentProblem(message, "pass the parts as inputs and make it inside a task", "PromiseUsed")
    return BindingData(literal=literal_of(value, python_type, place))


def literal_of(value: Any, python_type: Any, place: str) -> Any:
    """The literal of a plain value in a spec. Raises LimosaError; files cannot be in one that is traced before the run."""
    from limosa.tracing import current
    from limosa.types import to_literal
    from limosa.types.converter import TypeProblem, ValueProblem
    from limosa.types.transfer import NoTransfer

    trace = current()
    transfer = None if trace is None else trace.transfer
    try:
        literal = to_literal(
            value, python_type, transfer or NoTransfer(place, "make it an input of the workflow")
        )
        return literal if trace is None or trace.stored is None else trace.stored(literal)
    except (TypeProblem, ValueProblem) as error:
        raise ArgumentProblem(f"{place}: {error.message}", error.remedy or _REMEDY) from None
    except ValueError as error:
        raise ArgumentProblem(f"{place}: {error}") from error
    except LimosaError as error:
        error.place = error.place or str(caller())
        raise


def _check_type(promise: Promise, expected: "LiteralType", place: str) -> None:
    from limosa.tracing import current
    from limosa_model.types import assignable

    trace = current()
    if trace is not None and not trace.owns(promise):
        message = f"{place}: the promise belongs to another workflow"
        raise PromiseMisuse("ForeignPromise", message, str(caller()), "pass it in as an input")
    if promise.type_ is None:
        return
    reason = assignable(promise.type_, expected)
    if reason:
        raise ArgumentProblem(
            f"{place}: {reason}; the value is {promise.origin()}",
            _type_remedy(promise, promise.type_, expected),
        )


def _type_remedy(promise: Promise, given: "LiteralType", expected: "LiteralType") -> str:
    """What to do where one type is given and another one wanted."""
    from limosa_model.types import assignable, describe

    if remedy := _none_remedy(given):
        return remedy
    if given.WhichOneof("kind") == "collection" and not assignable(given.collection, expected):
        return "map_task(…) runs a task for each element"
    if node_of(promise) is None:
        return f"annotate it as {describe(expected)} there, or as {describe(given)} here"
    return "correct one of the two annotations, or convert it in a task"


def _none_remedy(given: "LiteralType") -> str:
    """What to do where a value that may be None, or a list with such items, goes where None may not; else empty."""
    from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_NONE
    from limosa_model.types import describe

    inner = given.collection if given.WhichOneof("kind") == "collection" else given
    kinds = (one.type for one in inner.union_type.variants)
    if not any(one.WhichOneof("kind") == "simple" and one.simple == SIMPLE_TYPE_NONE for one in kinds):
        return ""
    return f"annotate it as {describe(given)}, and leave None out in a task"


def _refuse_handles(value: Any, place: str) -> None:
    if isinstance(value, Condition):
        message = f"{place}: a comparison of promises is a condition, not a value"
        raise ArgumentProblem(message, "compare inside a task, or branch with conditional", "PromiseUsed")
    if hasattr(value, "_limosa_call"):
        message = f"{place}: the call before it was not awaited"
        raise ArgumentProblem(message, "write await before that call", "CallNotAwaited")
    if isinstance(value, (Nothing, tuple)) and node_of(value) is not None:
        what = "nothing" if isinstance(value, Nothing) else f"several outputs ({', '.join(_names(value))})"
        raise ArgumentProblem(
            f"{place}: the call before it gives {what}", "pass one of its outputs", "OutputShape"
        )


def _names(outputs: Any) -> "tuple[str, ...]":
    return getattr(outputs, "_fields", ())


def _holds_promise(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_holds_promise(item) for item in value)
    if isinstance(value, dict):
        return any(_holds_promise(item) for item in value.values())
    if hasattr(type(value), "__dataclass_fields__"):
        return any(_holds_promise(getattr(value, name)) for name in type(value).__dataclass_fields__)
    return isinstance(value, Promise)


def _variant(expected: "LiteralType", kind: str, value: Any, place: str) -> "LiteralType":
    """The part of the expected type, itself or a variant of its union, that such a value can be."""
    from limosa_model.types import describe

    variants = [variant.type for variant in expected.union_type.variants] or [expected]
    for variant in variants:
        if variant.WhichOneof("kind") == kind:
            return variant
    message = f"{place}: expected {describe(expected)}, got a {type(value).__name__} of promises"
    raise ArgumentProblem(message)


def _element_type(python_type: Any, container: type) -> Any:
    for candidate in (python_type, *get_args(python_type)):
        if getattr(candidate, "__origin__", None) is container:
            return get_args(candidate)[-1]
    from limosa.types.json_data import JsonData

    return JsonData
