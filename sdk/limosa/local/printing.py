"""What an author's Python prints, copied while it goes where it went."""

import contextlib
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TextIO


class Copied:
    """A text stream that also writes to files, while there are any."""

    def __init__(self, stream: TextIO) -> None:
        """Takes the stream to stand for."""
        self._stream = stream
        self.files: list[TextIO] = []

    def write(self, text: str) -> int:
        """As the stream does it."""
        for file in self.files:
            file.write(text)
        return self._stream.write(text)

    def writelines(self, lines: Any) -> None:
        """As the stream does it."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def copying() -> Iterator[None]:
    """Puts copied streams in the place of standard output and error.

    Entered before an author's module is imported, so that a log handler made there writes to them too.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Copied(sys.stdout), Copied(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def copied_to(path: Path) -> Iterator[None]:
    """Copies what is printed meanwhile to a file, and to no other; it is not there where nothing was. Needs `copying` around it."""
    if not _streams():
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # By lines: a task may end the process without a chance to write the rest.
    with path.open("w", buffering=1, encoding="utf-8", errors="replace") as file, _only([file]):
        yield
    if not path.stat().st_size:
        path.unlink()


def not_copied() -> AbstractContextManager[None]:
    """What is printed meanwhile is not that of whoever printed before: others are at work in its place."""
    return _only([])


@contextlib.contextmanager
def _only(files: list[TextIO]) -> Iterator[None]:
    before = [(one, one.files) for one in _streams()]
    for one, _ in before:
        one.files = files
    try:
        yield
    finally:
        for one, old in before:
            one.files = old


def _streams() -> list[Copied]:
    # Standard output may stand for standard error; its text is one copy all the same.
    return list({id(one): one for one in (sys.stdout, sys.stderr) if isinstance(one, Copied)}.values())
