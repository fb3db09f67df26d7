"""The author's function: literals in, Python call, literals out."""

from pathlib import Path
from typing import Any

from limosa.errors import ScriptFailed
from limosa.runtime.exceptions import exception_details
from limosa.runtime.outcome import LaunchFailed, Preempted
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
        StoreError: The store is.
    """
    arguments = python_inputs(task, literals, transfer, code_root)
    try:
        result = task.run_function(arguments)
    except (Preempted, StoreError, LaunchFailed):
        raise
    except BaseException as error:
        raise LaunchFailed(raised(error, code_root)) from error
    return _outputs(task, result, transfer, code_root)


def raised(error: BaseException, code_root: Path) -> Failure:
    """The failure that an exception of the author's code is."""
    if isinstance(error, ScriptFailed):
        return failures.user(Code.EXITED, str(error), retryable=True)
    details = exception_details(error, code_root)
    message = f"{details.type}: {details.message}" if details.message else details.type
    return failures.user(Code.USER_EXCEPTION, message, retryable=True, exception=details)


def python_inputs(
    task: Any, literals: LiteralMap, transfer: LaunchTransfer, code_root: Path
) -> dict[str, Any]:
    """The arguments that literals stand for. Raises LaunchFailed and StoreError."""
    from limosa.types import to_python

    arguments = {}
    for name, python_type in task.python_inputs.items():
        if name not in literals.literals:
            message = (
                f"{task.name}: input '{name}' is missing; the task's signature and the registered one differ"
            )
            raise LaunchFailed(failures.user(Code.BAD_INPUT, message))
        try:
            arguments[name] = to_python(literals.literals[name], python_type, transfer)
        except (Preempted, StoreError, LaunchFailed):
            raise
        except Exception as error:
            message = f"{task.name}: input '{name}': {error}"
            details = exception_details(error, code_root)
            raise LaunchFailed(failures.user(Code.BAD_INPUT, message, exception=details)) from error
    return arguments


def _outputs(task: Any, result: Any, transfer: LaunchTransfer, code_root: Path) -> LiteralMap:
    from limosa.types import to_literal
    from limosa.types.offloaded import offload

    names = list(task.python_outputs)
    if not names:
        if result is not None:
            message = f"{task.name} is annotated to return nothing but returned {type(result).__name__}"
            raise LaunchFailed(failures.user(Code.BAD_OUTPUT, message))
        return LiteralMap()
    results = [result] if len(names) == 1 and not task.outputs_are_tuple else result
    if not isinstance(results, (tuple, list)) or len(results) != len(names):
        got = len(results) if isinstance(results, (tuple, list)) else type(result).__name__
        message = f"{task.name} returns {len(names)} values ({', '.join(names)}), its function gave {got}"
        raise LaunchFailed(failures.user(Code.BAD_OUTPUT, message))
    literals = {}
    for name, value in zip(names, results, strict=True):
        try:
            literals[name] = offload(to_literal(value, task.python_outputs[name], transfer), name, transfer)
        except (Preempted, StoreError, LaunchFailed):
            raise
        except Exception as error:
            message = f"{task.name}: output '{name}': {error}"
            details = exception_details(error, code_root)
            raise LaunchFailed(failures.user(Code.BAD_OUTPUT, message, exception=details)) from error
    return LiteralMap(literals=literals)
