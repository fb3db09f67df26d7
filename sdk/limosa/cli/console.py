"""The two streams of a command."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limosa.errors import LimosaError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def stderr_console() -> "Console":
    """Rich output to standard error; plain and unwrapped where that is no terminal."""
    from limosa.render.terminal import NeutralConsole

    return NeutralConsole.over(sys.stderr)


def say(renderable: "RenderableType | str", style: str = "") -> None:
    """Tells a person something, on standard error."""
    from rich.text import Text

    shown = Text(renderable, style) if isinstance(renderable, str) else renderable
    stderr_console().print(shown, soft_wrap=isinstance(renderable, str))


def confirm(question: str) -> None:
    """Asks a person before something is lost.

    Raises:
        click.Abort: The answer was no.
        click.UsageError: Nobody is there to answer.
    """
    import click

    try:
        agreed = click.confirm(question, err=True)
    except click.Abort as error:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        message = "standard input is no terminal and gives no answer: add --yes"
        raise click.UsageError(message) from error
    if not agreed:
        raise click.Abort


def show_error(error: LimosaError) -> None:
    """An error in its one shape: cause, place, remedy; for a file or a workflow's body that raised, the line at fault."""
    from limosa.author_errors import BODY
    from limosa.render.failure import error_block

    say(error_block(error.message, place=error.place, remedy=error.remedy))
    if error.code in ("Import", BODY) and error.__cause__ is not None:
        _show_source(error.__cause__)


def _show_source(cause: BaseException) -> None:
    from limosa.render.failure import source_lines
    from limosa.runtime.exceptions import exception_details
    from limosa_model.failures import telling_frame

    frames = exception_details(cause, Path.cwd()).frames
    if frames:
        say("")
        say(source_lines(telling_frame(frames)))


def write_result(text: str) -> None:
    """The command's result, on standard output: byte for byte, unless a terminal would obey what is in it."""
    if sys.stdout.isatty():
        from limosa.render.terminal import neutralized

        text = neutralized(text)
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python would complain again at exit, of what it still holds.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise LimosaError(
            "LocalFile",
            f"the result cannot be written: {error.strerror}",
            "standard output",
            "make room, or write elsewhere; what a run gave stays: limosa outputs RUN",
        ) from error


def write_data(data: Any, form: str) -> None:
    """Plain data as text, JSON or YAML, on standard output."""
    from limosa.render.outputs import render_data

    write_result(render_data(data, form))
