"""What the end of a launch's process means. Pure."""

import os
import signal
from typing import NamedTuple

from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_model import failures
from limosa_model.failures import Code

_CRASHES = {
    signal.SIGSEGV: "it used memory that is not its own",
    signal.SIGBUS: "it used memory that is not there",
    signal.SIGABRT: "a check of its own failed, or nobody caught its exception",
    signal.SIGFPE: "it divided by zero or left the range of a number",
    signal.SIGILL: "it was built for another processor",
}
"""Signals that native code brings upon itself, and what it usually did."""
_STOPS = (signal.SIGTERM, signal.SIGINT)
_SIGNALLED = 128
"""What shells and container runtimes add to a signal's number to make an exit code of it."""


class Ending(NamedTuple):
    """What is left to do after a launch's process ended."""

    exit_code: int
    """Of the container."""
    settled: bool
    """The launch came to its own end and left its outcome; nothing is to be looked up or recorded."""
    failure: Failure | None = None
    """To record if the node item has no commit; None: the pod's own reason tells more than we know."""


def judge(status: int, reported: bool) -> Ending:
    """What a wait status means.

    Args:
        status: As `os.waitpid` gives it.
        reported: Whether the launch told that it had come to its own end.
    """
    code = os.waitstatus_to_exitcode(status)
    exit_code = code if code >= 0 else _SIGNALLED - code
    if reported:
        return Ending(exit_code, settled=True)
    if code >= 0:
        # Status 0 is no success: there is no result.
        return Ending(exit_code or 1, settled=False, failure=_exited(f"ended with exit status {code}"))
    return Ending(exit_code, settled=False, failure=_killed(-code))


def descriptors_closed() -> Ending:
    """The launch could reach the store no more."""
    message = (
        "the task closed file descriptors that are not its own (os.close, os.closerange), those of the connections to the "
        "store among them: its result could not be stored. Close only what the task has opened"
    )
    return Ending(1, settled=False, failure=failures.user(Code.BAD_OUTPUT, message))


def no_commit() -> Failure:
    """The failure of a launch whose process said that it had committed, and had not."""
    message = (
        "the task's process says that its result is committed, and the store has none: something in the task's code, or in a "
        "library it uses, changed the runtime in its process"
    )
    return failures.system(Code.NO_COMMIT, message)


def preempted() -> Failure:
    """The failure of a launch that was asked to end."""
    message = "the pod was asked to end (SIGTERM) before the task had finished"
    return failures.system(Code.PREEMPTED, message)


def _killed(number: int) -> Failure | None:
    if number == signal.SIGKILL:
        # Out of memory, out of grace, or the node's doing: only the cluster knows.
        return None
    if number in _STOPS:
        return preempted()
    if number in _CRASHES:
        message = (
            f"the process was killed by {_name(number)}: native code crashed ({_CRASHES[signal.Signals(number)]}). "
            "The log ends with the Python lines that called it; update that library, or run the task by itself "
            "with the same inputs under a debugger"
        )
        return failures.user(Code.CRASHED, message, retryable=True)
    return _exited(f"was ended by {_name(number)}")


def _exited(how: str) -> Failure:
    message = (
        f"the process {how} before the task returned: the task's code, or a library it uses, ends the process "
        "by itself (os._exit, os.kill, exit() in native code). Return a result or raise an exception instead"
    )
    return failures.user(Code.EXITED, message, retryable=True)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
