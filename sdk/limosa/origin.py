"""Where something was written, and what it is called."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
SOURCE_ROOT_MARKS = ("limosa.toml", "pyproject.toml", ".git")
"""A source root is the nearest folder upwards that holds one of these."""


_shown_from: ContextVar[str | None] = ContextVar("limosa_shown_from", default=None)


@contextmanager
def shown_from(folder: str) -> Iterator[None]:
    """Has paths shown as seen from a folder, while the working directory is another."""
    token = _shown_from.set(folder)
    try:
        yield
    finally:
        _shown_from.reset(token)


class Origin(NamedTuple):
    """A line of the author's code."""

    file: str
    """Absolute path."""
    line: int

    def __str__(self) -> str:
        try:
            shown = os.path.relpath(self.file, _shown_from.get())
        except ValueError:
            shown = self.file
        return f"{self.file if shown.startswith('..') else shown}:{self.line}"


def origin_of(function: Callable[..., Any]) -> Origin:
    """Where a function begins."""
    code = getattr(function, "__code__", None)
    if code is None:
        return Origin("<unknown>", 0)
    return Origin(os.path.abspath(code.co_filename), code.co_firstlineno)


def origin_of_class(found: type) -> Origin:
    """Where a class begins. Raises OSError and TypeError where its source cannot be had."""
    import inspect

    return Origin(os.path.abspath(inspect.getfile(found)), inspect.getsourcelines(found)[1])


def caller() -> Origin:
    """The nearest line outside this package that led here."""
    frame = sys._getframe(1)
    while frame.f_back is not None and os.path.abspath(frame.f_code.co_filename).startswith(_PACKAGE):
        frame = frame.f_back
    return Origin(os.path.abspath(frame.f_code.co_filename), frame.f_lineno)


_pinned: list[str] = []


def pin_source_root(root: str) -> None:
    """Says which folder the source root of all files below it is: in a pod, where its marks may not be."""
    _pinned[:] = [os.path.abspath(root)]


def pin_loader(loader: str) -> None:
    """Has names of tasks start where the name of a pod's module does ("module:attribute"), whatever marks came along."""
    module_name = loader.partition(":")[0]
    file = getattr(sys.modules.get(module_name), "__file__", None)
    if file is None:
        return
    folder = os.path.dirname(os.path.abspath(file))
    parts = module_name.split(".")
    up = len(parts) if os.path.basename(file) == "__init__.py" else len(parts) - 1
    for _ in range(up):
        folder = os.path.dirname(folder)
    pin_source_root(folder)


def source_root(path: str) -> str:
    """The nearest folder upwards with one of `SOURCE_ROOT_MARKS`; else the file's own folder.

    Likewise where a folder in between has a name that no module can have ("my-flows"): nothing can be imported through it.
    """
    folder = os.path.dirname(os.path.abspath(path)) if not os.path.isdir(path) else os.path.abspath(path)
    start = folder
    for root in _pinned:
        if folder == root or folder.startswith(root + os.sep):
            return root
    while True:
        if any(os.path.exists(os.path.join(folder, mark)) for mark in SOURCE_ROOT_MARKS):
            return folder if _is_importable(start, folder) or _is_only_visited(path) else start
        parent = os.path.dirname(folder)
        if parent == folder:
            return start
        folder = parent


def _is_importable(folder: str, root: str) -> bool:
    parts = os.path.relpath(folder, root).split(os.sep)
    return parts == [os.curdir] or all(part.isidentifier() for part in parts)


def _is_only_visited(path: str) -> bool:
    """Whether it is a folder from which no file was run: there a person means the project around it."""
    return os.path.isdir(path) and not os.path.isdir(os.path.join(path, ".limosa"))


def module_name(path: str, root: str) -> str:
    """The dotted name under which a file is imported from a root ("pkg.flow")."""
    relative = os.path.relpath(os.path.abspath(path), root)
    parts = relative[: -len(".py")].split(os.sep) if relative.endswith(".py") else relative.split(os.sep)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def qualified_name(function: Callable[..., Any]) -> str:
    """Writes "<module from the source root>.<function>", whatever name the module was imported under here.

    A pod imports it by that name from the root of the code bundle.
    """
    path = origin_of(function).file
    module = function.__module__
    if os.path.exists(path) and "site-packages" not in path.split(os.sep):
        found = module_name(path, source_root(path))
        module = found if all(part.isidentifier() for part in found.split(".")) else module
    return f"{module}.{function.__qualname__}"
