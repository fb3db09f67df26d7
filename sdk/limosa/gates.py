"""Gates: nodes that wait for a person, a value or a time."""

import datetime as dt
from typing import TYPE_CHECKING, Any, TypeVar, overload

from limosa.errors import LimosaError
from limosa.options import check_duration
from limosa.origin import caller
from limosa.promises import NodeHandle, Nothing, Promise
from limosa.tracing import current

if TYPE_CHECKING:
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node

T = TypeVar("T")
Duration = str | float | dt.timedelta
"""A length of time: "10m", seconds, or a timedelta."""
_NO_VALUE: Any = object()


@overload
def approve(*, name: str = ..., timeout: Duration | None = ..., prompt: str = ...) -> NodeHandle: ...


@overload
def approve(value: T, *, name: str = ..., timeout: Duration | None = ..., prompt: str = ...) -> T: ...


def approve(
    value: Any = _NO_VALUE, *, name: str = "approve", timeout: Duration | None = None, prompt: str = ""
) -> Any:
    """Waits until a person approves, or fails when one rejects: `limosa approve RUN NAME [--reject]`.

    Args:
        value: A result to pass on once approved; what uses it waits. Without one, order with `>>` or `chain`.
        name: What people call the gate.
        timeout: Longest wait from when the gate's turn comes; then it fails with GateTimeout. None: no limit.
        prompt: What is asked, for people.

    Raises:
        LimosaError: Not called in a workflow, or an argument makes no sense.
    """
    node = _gate("approve", name, timeout, prompt)
    node.gate.approval.SetInParent()
    if value is _NO_VALUE:
        return Nothing(node)
    if not isinstance(value, Promise) or value.type_ is None:
        message = f"approve() got {value!r} to pass on, which is not one typed result of a call"
        raise LimosaError(
            "GateValue", message, str(caller()), "pass one output of a task, or none and order with >>"
        )
    from limosa.bindings import binding_of
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding
    from limosa_model.gates import VALUE

    passed: LiteralType = value.type_
    node.gate.approval.type.CopyFrom(passed)
    node.inputs.append(Binding(name=VALUE, data=binding_of(value, None, passed, "approve(): its value")))
    return _output(node, passed)


def wait_for_input(name: str, type: type[T], *, timeout: Duration | None = None, prompt: str = "") -> T:
    """Waits until a person or a program gives a value: `limosa signal RUN NAME VALUE`.

    Args:
        name: What people call the gate.
        type: Of the value, as an annotation would say it.
        timeout: Longest wait from when the gate's turn comes; then it fails with GateTimeout. None: no limit.
        prompt: What is asked, for people.

    Raises:
        LimosaError: Not called in a workflow, or an argument makes no sense.
    """
    from limosa.types import TypeProblem, literal_type

    node = _gate("wait_for_input", name, timeout, prompt)
    try:
        wanted = literal_type(type)
    except TypeProblem as error:
        message = f"wait_for_input({name!r}): {error.message}"
        raise LimosaError(error.code, message, str(caller()), error.remedy) from error
    node.gate.wait_for_input.type.CopyFrom(wanted)
    result: Any = _output(node, wanted)
    return result  # type: ignore[no-any-return]


def sleep(duration: Duration, *, name: str = "sleep") -> NodeHandle:
    """Waits for a time, counted from when its turn comes; order it with `>>` or `chain`. Holds no pod meanwhile.

    Args:
        duration: "10m", seconds, or a timedelta.
        name: What people call the gate.

    Raises:
        LimosaError: Not called in a workflow, or the duration makes no sense.
    """
    seconds = check_duration("duration", duration)
    if seconds is None:
        message = "sleep() got no duration"
        raise LimosaError("GateDuration", message, str(caller()), 'write sleep("10m")')
    node = _gate("sleep", name, None, "")
    node.gate.sleep.duration.FromMicroseconds(round(seconds * 1_000_000))
    return Nothing(node)


def _gate(function: str, name: str, timeout: Duration | None, prompt: str) -> "Node":
    trace = current()
    if trace is None:
        message = f"{function}() was called outside of a workflow's function"
        raise LimosaError(
            "GateOutside", message, str(caller()), "call it in a function decorated with @workflow"
        )
    if trace.is_eager:
        message = f"{function}() was called in an eager task"
        raise LimosaError("GateInEager", message, str(caller()), "put it into a @workflow, and call that")
    if not isinstance(name, str) or not name.strip():
        raise LimosaError("GateName", f"{function}() got the name {name!r}", str(caller()), "name it")
    limit = check_duration("timeout", timeout)
    node = trace.new_node(name, caller())
    node.gate.prompt = prompt
    if limit is not None:
        node.gate.timeout.FromMicroseconds(round(limit * 1_000_000))
    return node


def _output(node: "Node", type_: "LiteralType") -> Promise:
    from limosa_model.gates import OUTPUT

    return Promise(node, OUTPUT, (), type_, True, "gate '{}'")
