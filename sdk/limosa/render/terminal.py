"""Text that a run brought, made harmless to the terminal that shows it."""

import re
from collections.abc import Iterable

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


class NeutralConsole(Console):
    """A console whose texts move no cursor and clear no screen; its own styles and live displays do."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does it, with every text neutralised."""
        for segment in super().render(renderable, options):
            if segment.control is None and _CONTROLS.search(segment.text):
                yield Segment(neutralized(segment.text), segment.style)
            else:
                yield segment
