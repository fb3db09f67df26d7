"""The failure that an exception is, on this machine: kept with the exception on its way out of the run."""

from limosa.errors import LimosaError
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_model import failures
from limosa_model.workflow_errors import error_literal

_FAILURE = "_limosa_failure"


def remember_failure(error: BaseException, failure: Failure) -> None:
    """Notes what an exception is to the run; one that was raised before may be another failure now."""
    # Not setattr: exceptions may be frozen dataclasses.
    vars(error)[_FAILURE] = failure


def failure_of(error: BaseException) -> Failure | None:
    """What was noted; None where the exception is no node's."""
    found: Failure | None = vars(error).get(_FAILURE)
    return found


def failure_at(error: BaseException, path: str) -> Failure | None:
    """What was noted, or what the graph could not go on with, which is noted with its node.

    Args:
        error: What ended a node.
        path: The node's.
    """
    if failure_of(error) is None and isinstance(error, LimosaError):
        origin = FailureOrigin(node_path=path)
        remember_failure(error, failures.user(error.code, error.located, origin=origin, remedy=error.remedy))
    return failure_of(error)


def error_of(error: BaseException) -> Literal:
    """The exception as what an on-failure node gets."""
    return error_literal(failure_of(error) or unforeseen(error))


def unforeseen(error: BaseException) -> Failure:
    """The failure where no node has one: something of ours broke."""
    if isinstance(error, LimosaError):
        return failures.user(error.code, error.located, remedy=error.remedy)
    return failures.user(failures.Code.USER_EXCEPTION, f"{type(error).__name__}: {error}")


def note(error: BaseException, text: str) -> None:
    """Adds to what an exception says; Python prints notes from 3.11 on and keeps them as an attribute before."""
    own = vars(error)
    own["__notes__"] = [*own.get("__notes__", []), text]
