"""What an on-failure node is told in runs on this machine: the exception that ended the workflow, as an error."""

import contextlib
from pathlib import Path

from limosa.errors import LimosaError
from limosa_idl.core.v1alpha1.failure_pb2 import FailureOrigin
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.workflow_errors import error_literal

_NODE = "_limosa_node"


def remember_node(error: BaseException, path: str) -> None:
    """Notes where an exception came from; the innermost node is the first to say so."""
    if not hasattr(error, _NODE):
        # Exceptions with slots cannot be marked: their node stays unknown.
        with contextlib.suppress(AttributeError):
            setattr(error, _NODE, path)


def error_of(error: BaseException) -> Literal:
    """The exception as what an on-failure node gets."""
    from limosa.runtime.exceptions import exception_details

    origin = FailureOrigin(node_path=getattr(error, _NODE, ""))
    if isinstance(error, LimosaError):
        return error_literal(failures.user(error.code, error.message, origin=origin))
    details = exception_details(error, Path())
    return error_literal(
        failures.user(Code.USER_EXCEPTION, f"{details.type}: {details.message}", origin=origin)
    )


def note(error: BaseException, text: str) -> None:
    """Adds to what an exception says; Python prints notes from 3.11 on and keeps them as an attribute before."""
    notes = getattr(error, "__notes__", None)
    error.__notes__ = [*(notes or []), text]  # type: ignore[attr-defined]
