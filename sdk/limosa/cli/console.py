"""The two streams of a command."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from limosa.errors import LimosaError


def stderr_console() -> "Console":
    """Rich output to standard error; plain and unwrapped where that is no terminal."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(stderr=True, highlight=False, width=200)
    return console


def say(renderable: "RenderableType | str", style: str = "") -> None:
    """Tells a person something, on standard error."""
    from rich.text import Text

    shown = Text(renderable, style) if isinstance(renderable, str) else renderable
    stderr_console().print(shown, soft_wrap=isinstance(renderable, str))


def show_error(error: "LimosaError") -> None:
    """An error in its one shape: cause, place, remedy."""
    from limosa.render.failure import error_block

    trace = getattr(error, "traceback", "")
    if trace:
        say(trace.rstrip())
    say(error_block(error.message, place=error.place, remedy=error.remedy))


def write_result(text: str) -> None:
    """The command's result, on standard output."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_data(data: Any, form: str) -> None:
    """Plain data as text, JSON or YAML, on standard output."""
    from limosa.render.outputs import render_data

    write_result(render_data(data, form))
