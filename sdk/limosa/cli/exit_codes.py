"""How the command ends."""

import enum

from limosa.errors import LimosaError


class ExitCode(enum.IntEnum):
    """Exit statuses that scripts may rely on."""

    OK = 0
    USER_FAILURE = 1
    """The author's code or data failed the run."""
    USAGE = 2
    """Wrong arguments, configuration or source: nothing was started."""
    SYSTEM = 3
    """The platform failed."""
    ABORTED = 4
    WAIT_TIMEOUT = 5
    """The run goes on; waiting for it ended."""
    UNREACHABLE = 6
    """The platform does not answer, or not to us."""
    INTERRUPTED = 130


_UNREACHABLE = {"Unreachable", "Unauthenticated", "Forbidden", "NoEndpoint"}
_USER_FAILURE = {"BranchFailed", "BranchCondition", "CheckFailed", "Computation"}
"""What a local run finds out only from the values: on the platform it would fail the run."""
_SYSTEM = {"Server", "Exhausted", "Timeout", "Transfer", "LocalFile", "CorruptData", "PlatformFailed"}


def exit_code_of(error: LimosaError) -> ExitCode:
    """The status for an error that ends the command."""
    if error.code in _UNREACHABLE:
        return ExitCode.UNREACHABLE
    if error.code in _USER_FAILURE:
        return ExitCode.USER_FAILURE
    return ExitCode.SYSTEM if error.code in _SYSTEM else ExitCode.USAGE
