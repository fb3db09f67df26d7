"""What an exception of the author's code is to a run: the same failure in a pod and on this machine."""

from pathlib import Path

from limosa.call_failed import CallFailed
from limosa.errors import CorruptData, LimosaError, ScriptFailed
from limosa.runtime.exceptions import end_at_author, exception_details
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_model import failures
from limosa_model.failures import Code

LEFT_REMEDY = "return a result, or raise an exception"
"""Of sys.exit() in a task."""


def failure_of(error: BaseException, root: Path, hint: str = "") -> Failure:
    """The failure that an exception is, without its origin.

    Args:
        error: The exception, as caught.
        root: Where the author's code lies; paths below it are shown relative to it.
        hint: What to do about an exception that is the author's own; empty where nothing is known.
    """
    if isinstance(error, ScriptFailed):
        return failures.user(Code.EXITED, str(error), retryable=True, remedy=error.remedy)
    if isinstance(error, CorruptData):
        return failures.system(error.code, error.located, retryable=False)
    is_mistake = isinstance(error, LimosaError) and error.is_mistake
    if is_mistake:
        end_at_author(error)
    details = exception_details(error, root)
    if isinstance(error, CallFailed):
        # The same outcome awaits every further attempt.
        failure = failures.user(Code.CALL_FAILED, str(error), exception=details)
        failure.cause.CopyFrom(error.cause)
        return failure
    if is_mistake and isinstance(error, LimosaError):
        # So does the same mistake.
        return failures.user(error.code, error.located, exception=details, remedy=error.remedy)
    if isinstance(error, SystemExit):
        hint = LEFT_REMEDY
    message = f"{details.type}: {details.message}" if details.message else details.type
    return failures.user(Code.USER_EXCEPTION, message, retryable=True, exception=details, remedy=hint)
