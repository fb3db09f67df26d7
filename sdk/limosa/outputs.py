"""What a function that describes a graph returns, as the graph's outputs."""

from typing import TYPE_CHECKING, Any

from limosa.errors import LimosaError
from limosa.origin import origin_of

if TYPE_CHECKING:
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding


def bind_outputs(entity: Any, what: str, result: Any) -> "list[Binding]":
    """Bindings of a workflow's or dynamic task's outputs.

    Args:
        entity: The workflow or dynamic task.
        what: How messages call it.
        result: What its function returned.

    Raises:
        LimosaError: It does not fit the annotation.
    """
    from limosa.bindings import binding_of
    from limosa.promises import Nothing
    from limosa.results import described_output
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding
    from limosa_model.types import conforms
    from limosa_model.values import none

    names = list(entity.python_outputs)
    place = f"{origin_of(entity.function)}"
    called = f"{what} {entity.__name__}"
    if not names:
        if result is not None and not isinstance(result, Nothing):
            message = f"{called} is annotated to return nothing but returns something"
            raise LimosaError("OutputShape", message, place, "annotate what it returns")
        return []
    several = entity.signature.outputs_are_tuple and isinstance(result, tuple)
    values = list(result) if several else [result]
    nothing = result is None and conforms(none(), entity.interface.outputs[0].type) is not None
    if len(values) != len(names) or nothing:
        got = "nothing" if result is None else f"{len(values)}"
        wanted, remedy = "a value", "return one"
        if len(names) > 1:
            wanted, remedy = f"{len(names)} outputs", "return one value for each output"
        message = f"{called} is annotated to return {wanted} and returns {got}"
        raise LimosaError("OutputShape", message, place, remedy)
    bindings = []
    for variable, value in zip(entity.interface.outputs, values, strict=True):
        where = f"{called}: {described_output(variable.name, several)}"
        try:
            data = binding_of(value, entity.python_outputs[variable.name], variable.type, where)
        except LimosaError as error:
            # The function has returned: its own line is the nearest there is.
            error.place = place
            raise
        bindings.append(Binding(name=variable.name, data=data))
    return bindings
