"""The author's function: literals in, Python call, literals out."""

from pathlib import Path
from typing import Any

from limosa.errors import CorruptData, LimosaError
from limosa.runtime.exceptions import exception_details, result_frames
from limosa.runtime.outcome import LaunchFailed, Preempted
from limosa.runtime.packing import missing_file_hint
from limosa.runtime.raised import failure_of
from limosa.runtime.transfer import LaunchTransfer
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_model import failures
from limosa_model.failures import Code
from limosa_store import StoreError


def call_task(task: Any, literals: LiteralMap, transfer: LaunchTransfer, code_root: Path) -> LiteralMap:
    """Runs a task on its inputs; gives its outputs, their data durable.

    Args:
        task: The author's task object.
        literals: Every input of its interface.
        transfer: Moves files and frames between the pod and the store.
        code_root: Where the code bundle lies, for tracebacks.

    Raises:
        LaunchFailed: The inputs, the function or its result are at fault.
        StoreError, CorruptData: The store is.
    """
    arguments = python_inputs(task, literals, transfer, code_root)
    try:
        result = task.run_function(arguments)
    except (Preempted, StoreError, LaunchFailed, CorruptData):
        raise
    except BaseException as error:
        raise LaunchFailed(raised(error, code_root)) from error
    return outputs_of(task, result, transfer, code_root)


def raised(error: BaseException, code_root: Path) -> Failure:
    """The failure that an exception of the author's code is in a pod."""
    return failure_of(error, code_root, missing_file_hint(error, code_root))


def python_inputs(
    task: Any, literals: LiteralMap, transfer: LaunchTransfer, code_root: Path
) -> dict[str, Any]:
    """The arguments that literals stand for. Raises LaunchFailed, StoreError and CorruptData."""
    from limosa.types import to_python

    arguments = {}
    transfer.name_inputs(literals)
    for name, python_type in task.python_inputs.items():
        if name not in literals.literals:
            message = (
                f"{task.name}: input '{name}' is missing; the task's signature and the registered one differ"
            )
            raise LaunchFailed(failures.user(Code.BAD_INPUT, message))
        try:
            arguments[name] = to_python(literals.literals[name], python_type, transfer)
        except (Preempted, StoreError, LaunchFailed, CorruptData):
            raise
        except Exception as error:
            message = f"{task.name}: input '{name}': {error}"
            details = exception_details(error, code_root)
            raise LaunchFailed(failures.user(Code.BAD_INPUT, message, exception=details)) from error
    return arguments


def outputs_of(task: Any, result: Any, transfer: LaunchTransfer, code_root: Path) -> LiteralMap:
    """What a function returned, as literals whose data is durable. Raises LaunchFailed and StoreError."""
    from limosa.results import output_literal, output_problem
    from limosa.types.iteration import IterationFailed
    from limosa.types.offloaded import offload

    try:
        values = task.signature.split(result, task.name)
    except LimosaError as error:
        raise LaunchFailed(_bad_output(task, error, error, code_root)) from error
    literals = {}
    for name, value in values.items():
        try:
            literals[name] = offload(output_literal(task, name, value, transfer), name, transfer)
        except (Preempted, StoreError, LaunchFailed, CorruptData):
            raise
        except IterationFailed as error:
            raise LaunchFailed(raised(error.cause, code_root)) from error.cause
        except Exception as error:
            problem = output_problem(task, name, value, error)
            raise LaunchFailed(_bad_output(task, problem, error, code_root)) from error
    return LiteralMap(literals=literals)


def _bad_output(task: Any, problem: LimosaError, cause: Exception, code_root: Path) -> Failure:
    """The failure, with the frames of a converter of the author's, else the line that gave the result."""
    details = exception_details(cause, code_root)
    if not details.frames:
        details.frames.extend(result_frames(task.function, code_root))
    return failures.user(Code.BAD_OUTPUT, problem.located, exception=details, remedy=problem.remedy)
