"""Where an exception of the author's code was raised, and what to do about it."""

import os
import re
import sys
from types import FrameType, TracebackType
from typing import NamedTuple

from limosa.errors import LimosaError
from limosa.origin import Origin

BODY = "WorkflowBody"
"""Code of the error that an exception in a workflow's function becomes while it is traced."""

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Raised(NamedTuple):
    """The author's innermost line on the way to an exception."""

    origin: Origin
    frame: FrameType | None
    """None where the file could not even be parsed."""


def where_raised(error: BaseException, root: str) -> Raised | None:
    """The innermost line below a source root that led to an exception, None where there is none.

    What is installed below the root, such as a virtual environment, is not the author's.
    """
    if (
        isinstance(error, SyntaxError)
        and error.filename
        and error.lineno
        and _is_author(error.filename, root)
    ):
        return Raised(Origin(os.path.abspath(error.filename), error.lineno), None)
    found = None
    at: TracebackType | None = error.__traceback__
    while at is not None:
        file = at.tb_frame.f_code.co_filename
        if _is_author(file, root):
            found = Raised(Origin(os.path.abspath(file), at.tb_lineno), at.tb_frame)
        at = at.tb_next
    return found


def body_error(name: str, error: BaseException, root: str) -> LimosaError:
    """What an exception in a workflow's function is to its author: an error like any other of the graph.

    Args:
        name: The workflow's.
        error: The exception.
        root: The source root of the function.
    """
    raised = where_raised(error, root)
    place = str(raised.origin) if raised is not None else ""
    message = f"the body of workflow {name} raised {described(error)}"
    return LimosaError(BODY, message, place, suggestion(error, raised))


def described(error: BaseException) -> str:
    """Type and message: "NameError: name 'x' is not defined"."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def suggestion(error: BaseException, raised: Raised | None) -> str:
    """The name that was meant where an undefined one is close to it, else nothing."""
    if isinstance(error, ImportError):
        return _importable(error)
    if not isinstance(error, NameError) or not error.name or raised is None or raised.frame is None:
        return ""
    import difflib

    frame = raised.frame
    names = [name for name in (*frame.f_locals, *frame.f_globals, *frame.f_builtins) if name != error.name]
    close = difflib.get_close_matches(error.name, names, n=1)
    return f"did you mean '{close[0]}'?" if close else ""


def _importable(error: ImportError) -> str:
    """What a module has that is called nearly as what was to be imported from it."""
    import difflib

    missing = re.match(r"cannot import name '(\w+)'", str(error))
    module = sys.modules.get(error.name or "")
    if missing is None or module is None:
        return ""
    close = difflib.get_close_matches(missing[1], dir(module), n=1)
    return f"did you mean '{close[0]}'?" if close else ""


def _is_author(file: str, root: str) -> bool:
    path = os.path.abspath(file)
    installed = path.startswith(_PACKAGE) or "site-packages" in path.split(os.sep)
    return path.startswith(root.rstrip(os.sep) + os.sep) and not installed
