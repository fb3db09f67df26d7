"""Text that a run brought, made harmless to the terminal that shows it."""

import re
from collections.abc import Iterable
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_COLORS = re.compile("\x1b\\[[0-9;]*m")
_INSTEAD = "\N{REPLACEMENT CHARACTER}"


def neutralized(text: str) -> str:
    """The text without what commands a terminal: C0 and C1 but for tab and newline, and turns of direction.

    Colours vanish, because logs are full of them; everything else leaves a mark.
    """
    return _CONTROLS.sub(_INSTEAD, _COLORS.sub("", text.replace("\r\n", "\n")))


_TRAILING = re.compile(r"[ \t]+(?=\n)")
_UNBROKEN = 10_000
"""Characters of a line where no terminal has an end of it."""


class _Lines:
    """A stream that gets no blanks at the ends of lines: tables fill up their last column."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(_TRAILING.sub("", text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class NeutralConsole(Console):
    """A console whose texts move no cursor and clear no screen; its own styles and live displays do."""

    @classmethod
    def over(cls, stream: TextIO) -> "NeutralConsole":
        """One that writes to a stream: as wide as its terminal, and where it is none in whole lines, without blanks at their ends."""
        if cls(file=stream).is_terminal:
            return cls(file=stream, highlight=False)
        return cls(file=cast(TextIO, _Lines(stream)), highlight=False, width=_UNBROKEN)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does it, with every text neutralised."""
        for segment in super().render(renderable, options):
            if segment.control is None and _CONTROLS.search(segment.text):
                yield Segment(neutralized(segment.text), segment.style)
            else:
                yield segment
