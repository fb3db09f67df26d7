"""Exceptions of the author's code as values: type, message, frames from the author's first.

What takes tracebacks apart is loaded by the launches that have one: it is a tenth of a start.
"""

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ast
    import traceback
    from collections.abc import Iterator

from limosa_idl.core.v1alpha1.failure_pb2 import ExceptionDetails, Failure, Frame
from limosa_model.failures import Code

MAX_FRAMES = 50
MAX_MESSAGE = 8 * 1024
MAX_TRACEBACK = 64 * 1024
_CONTEXT = 2
_LIMOSA = str(Path(__file__).resolve().parent.parent) + os.sep
_IMPORTLIB = os.sep + "importlib" + os.sep
_STDLIB = os.path.dirname(os.__file__)
_AROUND = tuple(os.path.join(_STDLIB, *name) for name in (("asyncio", ""), ("concurrent", ""), ("bdb.py",)))
"""What an eager task's function runs in, and any under a debugger."""


def exception_details(error: BaseException, root: Path) -> ExceptionDetails:
    """What a person needs to see of an exception.

    Args:
        error: The exception, as caught.
        root: Where the code bundle lies; paths below it are shown relative to it.
    """
    import traceback

    _trim(error, set())
    try:
        text = str(error)
    except Exception as broken:  # noqa: BLE001 - the author's __str__ may do anything
        text = f"<its __str__ raised {type(broken).__name__}>"
    formatted = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    details = ExceptionDetails(
        type=_type_name(type(error)),
        message=_clip(text, MAX_MESSAGE),
        traceback=_clip(_relative_text(formatted, root), MAX_TRACEBACK),
    )
    summary = traceback.extract_tb(error.__traceback__)
    for frame in list(summary)[-MAX_FRAMES:]:
        details.frames.append(_frame(frame, root))
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        details.frames.append(_frame(traceback.FrameSummary(error.filename, error.lineno, "<module>"), root))
    return details


def last_words(failure: Failure) -> str:
    """How a log of an attempt that failed ends: the traceback, or what is wrong where none is known."""
    return failure.exception.traceback or f"{plain_words(failure)}\n"


def plain_words(failure: Failure) -> str:
    """One line of the platform's own. Why a pod was asked to end (preempted, aborted, out of time) is not known in it."""
    code = "" if failure.code == Code.PREEMPTED else f"{failure.code}: "
    return f"limosa: {code}{failure.message}"


def result_frames(function: Any, root: Path) -> list[Frame]:
    """The line that gave a function's result: its only return, else where it begins; empty where it has no source.

    Args:
        function: The author's function; decorators that use functools.wraps are looked through.
        root: Where the code bundle lies.
    """
    import ast
    import inspect
    import textwrap
    import traceback

    inner = inspect.unwrap(function)
    try:
        lines, first = inspect.getsourcelines(inner)
    except (OSError, TypeError):
        return []
    begins = (number for number, text in enumerate(lines) if text.lstrip().startswith(("def ", "async def ")))
    line = first + next(begins, 0)
    try:
        body = ast.parse(textwrap.dedent("".join(lines))).body
    except SyntaxError:
        body = []
    returns = list(_returns(body[0])) if body else []
    if len(returns) == 1:
        line = first + returns[0] - 1
    return [_frame(traceback.FrameSummary(inner.__code__.co_filename, line, inner.__name__), root)]


def _returns(function: "ast.AST") -> "Iterator[int]":
    """Line numbers of the values that a function returns, without those of functions inside it."""
    import ast

    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.lineno
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            yield from _returns(node)


def end_at_author(error: BaseException) -> None:
    """Cuts the frames after the author's last one: of a mistake that ours found, the author's line is what counts."""
    last = at = error.__traceback__
    while at is not None:
        if not _is_ours(at.tb_frame.f_code.co_filename):
            last = at
        at = at.tb_next
    if last is not None and not _is_ours(last.tb_frame.f_code.co_filename):
        last.tb_next = None


def _trim(error: BaseException, seen: set[int]) -> None:
    """Cuts the frames before the author's first one, in the causes too."""
    seen.add(id(error))
    error.__traceback__ = author_part(error.__traceback__)
    for other in (error.__cause__, error.__context__):
        if other is not None and id(other) not in seen:
            _trim(other, seen)


def author_part(tb: TracebackType | None) -> TracebackType | None:
    """A traceback from the author's first frame on; None where it has none."""
    start = tb
    while start is not None and _is_ours(start.tb_frame.f_code.co_filename):
        start = start.tb_next
    return start


def _is_ours(filename: str) -> bool:
    return filename.startswith((_LIMOSA, "<frozen", *_AROUND)) or _IMPORTLIB in filename


def _type_name(kind: type) -> str:
    return (
        kind.__qualname__
        if kind.__module__ in ("builtins", "__main__")
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _frame(summary: "traceback.FrameSummary", root: Path) -> Frame:
    import linecache

    line = summary.lineno or 0
    start = max(1, line - _CONTEXT)
    lines = [linecache.getline(summary.filename, number) for number in range(start, line + _CONTEXT + 1)]
    while lines and not lines[-1]:
        lines.pop()
    return Frame(
        file=_relative(summary.filename, root),
        line=line,
        function=summary.name,
        source=[_clip(_encodable(text.rstrip("\n")), 500) for text in lines],
        source_start=start,
    )


def _relative(filename: str, root: Path) -> str:
    prefix = str(root) + os.sep
    return filename[len(prefix) :] if filename.startswith(prefix) else filename


def _relative_text(text: str, root: Path) -> str:
    return text.replace(str(root) + os.sep, "")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _clip(text: str, limit: int) -> str:
    text = _encodable(text)
    return text if len(text) <= limit else text[: limit // 2] + "\n…\n" + text[-limit // 2 :]
