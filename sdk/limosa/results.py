"""What a task's function returned, as literals, and what is wrong with it."""

from typing import TYPE_CHECKING, Any

from limosa.errors import LimosaError
from limosa.signature import SINGLE_OUTPUT
from limosa.types.converter import ValueProblem, type_name
from limosa_model.failures import Code

if TYPE_CHECKING:
    from limosa.types.transfer import TransferContext
    from limosa_idl.core.v1alpha1.literal_pb2 import Literal

_REMEDY = "return a value of that type, or correct the annotation"


def output_literal(task: Any, name: str, value: Any, transfer: "TransferContext") -> "Literal":
    """One output as a literal, with what stands for it in cache keys where its author says.

    Raises:
        ValueProblem: It does not fit its type.
        LimosaError: Its hash method gave no text.
    """
    from limosa.types import to_literal

    literal = to_literal(value, task.python_outputs[name], transfer)
    method = task.signature.hash_methods.get(name)
    if method is None:
        return literal
    # A file that was passed on has the literal that it came with.
    marked = type(literal)()
    marked.CopyFrom(literal)
    marked.digest = method.digest(value)
    return marked


def output_problem(task: Any, name: str, value: Any, error: Exception) -> LimosaError:
    """The complaint about one output, with the function as its place.

    Args:
        task: The author's task object.
        name: The output's.
        value: What the function gave for it.
        error: What the converter of its type said.
    """
    what = described_output(name, task.outputs_are_tuple)
    if task.replacement is not None:
        message = error.message if isinstance(error, LimosaError) else str(error)
        place = f"limosa.testing.patch({task.__name__})"
        remedy = f"give it a value of type {type_name(task.python_outputs[name])}"
        return LimosaError(Code.BAD_OUTPUT, f"{what} of what stands in for it: {message}", place, remedy)
    if value is None and not task.outputs_are_tuple and isinstance(error, ValueProblem):
        expected = type_name(task.python_outputs[name])
        message = f"the function returned None, not {expected}: it has no return, or one without a value"
        return LimosaError(
            Code.BAD_OUTPUT, message, task.signature.place, f"return a value of type {expected}"
        )
    if isinstance(error, LimosaError):
        message, remedy = error.message, error.remedy or _REMEDY
    else:
        message, remedy = str(error), ""
    return LimosaError(Code.BAD_OUTPUT, f"{what}: {message}", task.signature.place, remedy)


def described_output(name: str, several: bool = False) -> str:
    """What messages call an output: a single one has no name of its author's."""
    return "the result" if name == SINGLE_OUTPUT and not several else f"output '{name}'"
