"""A task's function under pdb: it stops in the author's code, never in ours around it."""

import pdb
import sys
from types import CodeType, FrameType, TracebackType
from typing import Any

from limosa.declared_tasks import DeclaredTask
from limosa.errors import LimosaError
from limosa.runtime.exceptions import end_at_author


class LeftDebugger(Exception):
    """The person quit the debugger before the task had a result."""


_OURS = frozenset({"limosa", "limosa_idl", "limosa_model", "limosa_store", "asyncio", "concurrent"})
"""What calls the author's code, and what carries a loop."""


class _Debugger(pdb.Pdb):
    """Runs on until a function is entered; from there on it is pdb that steps over what is not the author's."""

    def __init__(self, code: CodeType) -> None:
        super().__init__()
        self.left = False
        self._code = code
        self._entered = False

    def stop_here(self, frame: FrameType) -> bool:
        """Whether to stop: neither in what leads to the function nor in ours between it and what it calls."""
        self._entered = self._entered or frame.f_code is self._code
        return self._entered and super().stop_here(frame) and _is_theirs(frame)

    def user_call(self, frame: FrameType, argument_list: Any) -> None:
        """Stops where a function is called, but for the one in question: that stops at its first line."""
        if frame.f_code is not self._code:
            super().user_call(frame, argument_list)

    def set_quit(self) -> None:
        """Notes that there will be no result."""
        self.left = True
        super().set_quit()


def _is_theirs(frame: FrameType | None) -> bool:
    """Whether a frame is of the author's code, or of a library that this calls."""
    while frame is not None:
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module in _OURS:
            return False
        file = frame.f_code.co_filename
        is_library = module in sys.stdlib_module_names or "site-packages" in file or file.startswith("<")
        if not is_library:
            return True
        frame = frame.f_back
    return False


def debugged(task: Any, arguments: dict[str, Any]) -> Any:
    """Runs a task's function, stopped at its first line; what it raises passes on.

    Raises:
        LeftDebugger: The person quit.
        LimosaError: The task is a script, which has no lines of Python.
    """
    if isinstance(task, DeclaredTask):
        message = f"{task.name} runs a script, and pdb debugs Python"
        remedy = "leave out --pdb; `set -x` in the script shows what it runs"
        raise LimosaError("NoDebugger", message, task.signature.place, remedy)
    debugger = _Debugger(task.function.__code__)
    try:
        # A coroutine runs only within a loop, which is ours.
        result = (
            debugger.runcall(task.run_function, arguments)
            if task.makes_calls
            else debugger.runcall(task.function, **arguments)
        )
    except Exception:
        if debugger.left:
            raise LeftDebugger from None
        raise
    finally:
        sys.settrace(None)
    if debugger.left:
        raise LeftDebugger
    return result


def look_at(error: Exception) -> None:
    """A debugger at the author's last line before an exception was raised."""
    end_at_author(error)
    last: TracebackType | None = error.__traceback__
    if last is not None:
        pdb.post_mortem(last)
