"""Options that several verbs share."""

import dataclasses
import math
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from limosa.errors import LimosaError
from limosa.options import MOST_PRIORITY

if TYPE_CHECKING:
    from limosa.config import Settings
    from limosa.remote import Client
    from limosa_idl.run.v1alpha1.run_pb2 import CacheMode

_Function = TypeVar("_Function", bound=Callable[..., Any])
NO_ENDPOINT = "NoEndpoint"
"""Code of the error where nothing says which platform is meant."""

MOST_PARALLELISM = 1_000_000
"""More than any run has items."""


@dataclasses.dataclass(frozen=True)
class TargetFlags:
    """The flags that choose a server and a project-domain; None: not given."""

    context: str | None = None
    endpoint: str | None = None
    project: str | None = None
    domain: str | None = None


def cache_options(function: _Function) -> _Function:
    """Adds --overwrite-cache and --no-cache; see `cache_mode`."""
    for option in (
        click.option("--no-cache", is_flag=True, help="Run cached tasks anew and keep nothing of them."),
        click.option(
            "--overwrite-cache", is_flag=True, help="Run cached tasks anew and replace their results."
        ),
    ):
        function = option(function)
    return function


def cache_mode(overwrite_cache: bool, no_cache: bool) -> "CacheMode.ValueType":
    """What a run does with cached results. Raises click.UsageError."""
    from limosa_idl.run.v1alpha1 import run_pb2

    if overwrite_cache and no_cache:
        raise click.UsageError("--overwrite-cache and --no-cache exclude each other")
    if overwrite_cache:
        return run_pb2.CACHE_MODE_OVERWRITE
    return run_pb2.CACHE_MODE_SKIP if no_cache else run_pb2.CACHE_MODE_UNSPECIFIED


def scheduling_options(function: _Function) -> _Function:
    """Adds --priority and --max-parallelism; None where they are not given."""
    for option in (
        click.option(
            "--max-parallelism",
            type=click.IntRange(1, MOST_PARALLELISM),
            metavar="N",
            help="Most pods of the run at once, below the platform's own limit.",
        ),
        click.option(
            "--priority",
            type=click.IntRange(-MOST_PRIORITY, MOST_PRIORITY),
            metavar="N",
            help="Greater ones of a project and domain begin first; 0 is usual.",
        ),
    ):
        function = option(function)
    return function


def target_options(function: _Function) -> _Function:
    """Adds the flags of `TargetFlags`."""
    for option in (
        click.option("-d", "--domain", metavar="NAME", help="Domain: development, staging or production."),
        click.option("-p", "--project", metavar="NAME", help="Project."),
        click.option("--endpoint", metavar="URL", help="Address of admin, in place of the context's."),
        click.option("--context", metavar="NAME", help="Context to use."),
    ):
        function = option(function)
    return function


def output_option(function: _Function) -> _Function:
    """Adds -o."""
    option = click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json", "yaml"]),
        default="text",
        show_default=True,
        help="Form of the result on standard output.",
    )
    return option(function)


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A finite length of time above zero. Raises click.BadParameter."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise click.BadParameter(f"{value!r} is not a number of seconds above 0, such as 600", ctx, param)
    return seconds


def inputs_file_option(function: _Function) -> _Function:
    """Adds --inputs-file, which may also stand among the inputs."""
    option = click.option(
        "--inputs-file",
        metavar="FILE",
        help="Inputs as a JSON, YAML or TOML object; - is standard input. It may stand among the inputs too.",
    )
    return option(function)


def timeout_option(text: str) -> Callable[[_Function], _Function]:
    """Adds --timeout with a help text."""
    return click.option("--timeout", callback=_seconds, metavar="SECONDS", help=text)


def resolve_settings(flags: dict[str, Any], start: Path | None = None) -> "Settings":
    """Every setting, for a command given these flags.

    Args:
        flags: By setting name.
        start: Directory whose project file counts; the working directory by default.
    """
    from limosa.config import resolve

    return resolve(flags, os.environ, start or Path.cwd())


def open_client(settings: "Settings") -> "Client":
    """A client of the settings' target, which it names on standard error."""
    from limosa.cli.console import say
    from limosa.remote import Client, Endpoint, Target

    if not settings["endpoint"]:
        raise LimosaError(
            code=NO_ENDPOINT,
            message="no platform is configured",
            remedy="start one on this machine with `limosa demo start`, "
            "or name yours with `limosa config add NAME --endpoint https://…`",
        )
    _check_names(settings)
    certificate = settings["ca_certificate"]
    # The context is named only where it is what chose the endpoint.
    chose = settings.origin("endpoint") == f"context {settings['context']}"
    target = Target(
        endpoint=Endpoint.parse(settings["endpoint"]),
        project=settings["project"],
        domain=settings["domain"],
        token=settings["token"],
        context=settings["context"] if chose else "",
        ca_certificate=Path(certificate).expanduser() if certificate else None,
        selection=_selection(settings),
    )
    say(target.describe(), "dim")
    return Client(target)


def open_target(flags: TargetFlags) -> "Client":
    """A client of the target that the flags and everything below them choose."""
    return open_client(resolve_settings(dataclasses.asdict(flags)))


def _check_names(settings: "Settings") -> None:
    from limosa_model.names import check_name

    for kind in ("project", "domain"):
        problem = check_name(kind, settings[kind])
        if problem:
            remedy = "correct it; `limosa config show` tells where values come from"
            raise LimosaError(code="BadName", message=problem, place=settings.origin(kind), remedy=remedy)


def _selection(settings: "Settings") -> str:
    """The flags without which a command in this folder would go to another target."""
    from limosa.config import resolve

    bare = resolve({}, os.environ, Path.cwd())
    flags = {"context": "--context", "endpoint": "--endpoint", "project": "-p", "domain": "-d"}
    parts = [
        f"{flag} {shlex.quote(settings[name])}"
        for name, flag in flags.items()
        if settings[name] != bare[name] and not settings.origin(name).startswith("context ")
    ]
    return " ".join(parts)
