"""`limosa demo`."""

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from limosa.cli.console import say, stderr_console, write_data, write_result
from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import output_option, resolve_settings
from limosa.errors import LimosaError

if TYPE_CHECKING:
    from limosa.cli.platform import Options, Platform

_home = click.option(
    "--home", metavar="DIR", help="Directory of everything it keeps (LIMOSA_HOME, else ~/.limosa)."
)
_SECRETS = ("admin_token", "database_url")


def _quantity(ctx: click.Context, option: click.Parameter, text: str | None) -> str | None:
    """An amount of cores or of memory as it was given. Raises click.BadParameter."""
    from limosa_model.quantity import QuantityError, parse_quantity

    try:
        if text is None or parse_quantity(text) > 0:
            return text
    except QuantityError:
        pass
    example = "8 or 500m" if option.name == "cpus" else "8Gi or 500Mi"
    raise click.BadParameter(f"{text!r} is no quantity, such as {example}", ctx, option)


def _start_options(function: Any) -> Any:
    for option in (
        click.option(
            "--memory",
            metavar="SIZE",
            callback=_quantity,
            help="Memory to offer to pods, such as 8Gi (default: most).",
        ),
        click.option(
            "--cpus", metavar="N", callback=_quantity, help="Cores to offer to pods (default: all)."
        ),
        click.option(
            "--gpus", type=click.IntRange(min=0), metavar="N", help="GPUs to offer (default: those found)."
        ),
        _home,
    ):
        function = option(function)
    return function


@click.group(invoke_without_command=True)
@_start_options
@click.pass_context
def command(ctx: click.Context, /, home: str | None, **options: Any) -> int:
    """The whole platform on this machine. By itself: start it and run an example on it."""
    if ctx.invoked_subcommand is not None:
        if home or any(value is not None for value in options.values()):
            raise click.UsageError(
                f"options stand after the verb: limosa demo {ctx.invoked_subcommand} …", ctx
            )
        return ExitCode.OK
    from limosa.cli.platform import CONTEXT

    platform = _platform(home)
    _start(platform, _options(options))
    from limosa.cli.example import write_example

    example = write_example(platform.home)
    say(f"\nlimosa run --remote {shlex.join(example)}", "bold")
    from limosa.cli.main import run

    status = run(
        ["run", "--remote", "--context", CONTEXT, "--project", "demo", "--domain", "development", *example]
    )
    say("")
    _say_ways_on(platform, shlex.join(example))
    return status


@command.command()
@_start_options
def start(home: str | None, **options: Any) -> int:
    """Start the platform, wait until it is ready, make it the current context."""
    platform = _platform(home)
    _start(platform, _options(options))
    _say_ways_on(platform, None)
    return ExitCode.OK


@command.command()
@_home
def stop(home: str | None) -> int:
    """Stop the platform in order; everything it keeps stays."""
    platform = _platform(home)
    with stderr_console().status("stopping"):
        ran = platform.stop()
    say("stopped" if ran else "it was not running")
    return ExitCode.OK


@command.command()
@_home
@output_option
def status(home: str | None, output: str) -> int:
    """Show whether the platform runs, and where; exit 3 where it is not ready."""
    from limosa.cli.tables import write_table

    platform = _platform(home)
    state = platform.state()
    phase = state.get("phase", "stopped") if platform.is_running() else "stopped"
    ready = phase == "ready"
    facts = {"phase": phase, "home": str(platform.home)}
    for key in (
        "step",
        "error",
        "admin_url",
        "admin_endpoint",
        "kubeconfig",
        "storage_endpoint",
        "storage_url",
    ):
        if state.get(key) and (platform.is_running() or key == "error"):
            facts[key] = state[key]
    parts = state.get("parts", {}) if platform.is_running() else {}
    if output != "text":
        write_data({**facts, "parts": parts}, output)
    else:
        for key, value in facts.items():
            write_result(f"{key.replace('_', ' '):<17} {value}\n")
        if ready:
            from limosa.cli.login import login_url

            write_result(f"{'log in':<17} {login_url(state['admin_url'], state['admin_token'])}\n")
        if parts:
            write_result("\n")
            rows = [{"part": name, **part} for name, part in parts.items()]
            write_table(["part", "state", "pid", "restarts", "log"], rows)
    return ExitCode.OK if ready else ExitCode.SYSTEM


@command.command()
@click.argument("part", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option(
    "--tail",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    metavar="LINES",
    help="Lines to begin with; 0: all.",
)
@_home
def logs(part: str | None, follow: bool, tail: int, home: str | None) -> int:
    """Show the log of one PART of the platform (sandbox, admin, operator, postgres, storage …)."""
    platform = _platform(home)
    known = platform.parts()
    if part not in known:
        names = ", ".join(known) or "none yet; `limosa demo start` starts it"
        raise click.UsageError(
            (f"there is no log '{part}'; " if part else "name a part; ") + f"logs are: {names}"
        )
    for line in platform.log_lines(part, tail):
        write_result(line + "\n")
    if follow:
        try:
            for text in platform.follow_log(part):
                write_result(text)
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
    return ExitCode.OK


@command.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@_home
def reset(yes: bool, home: str | None) -> int:
    """Stop the platform and delete everything it keeps: runs, results, registrations."""
    platform = _platform(home)
    if not platform.state() and not platform.is_running():
        say(f"nothing to reset in {platform.home}")
        return ExitCode.OK
    if not yes:
        question = f"delete all runs, results and registrations in {platform.home}?"
        try:
            agreed = click.confirm(question, err=True)
        except click.Abort:
            say("")
            agreed = False
        if not agreed:
            say("nothing was reset; without a question: limosa demo reset --yes")
            return ExitCode.USER_FAILURE
    platform.stop()
    left = platform.remove()
    say(f"deleted what the platform kept in {platform.home}")
    if left:
        say(
            f"left as it is, because it is not the platform's: {', '.join(path.name for path in left)}", "dim"
        )
    return ExitCode.OK


def _platform(home: str | None) -> "Platform":
    from limosa.cli.platform import Platform

    return Platform(resolve_settings({"home": home}).home)


def _options(given: dict[str, Any]) -> "Options":
    from limosa.cli.platform import Options

    return Options(**given)


def _start(platform: "Platform", options: "Options") -> None:
    """Starts it with its steps on the screen; the context is renewed either way. Raises LimosaError."""
    import time

    from limosa.cli.platform import store_context

    given = shlex.join(options.arguments())
    if given and platform.is_running():
        message = f"the platform runs already, and {given} is for its start"
        remedy = f"limosa demo stop, then limosa demo start {given}; runs and results are kept"
        raise LimosaError("AlreadyRunning", message, str(platform.home), remedy)
    began = time.monotonic()
    console = stderr_console()
    ran = platform.is_ready()
    with console.status("starting the platform") as shown:
        state = platform.start(options, lambda state: shown.update(_progress(state)))
    store_context(state, os.environ)
    if ran:
        say("the platform runs already; context demo is current")
    else:
        say(f"the platform is ready after {time.monotonic() - began:.1f} s; context demo is current")


def _progress(state: dict[str, Any]) -> str:
    up = sum(1 for part in state.get("parts", {}).values() if part.get("state") == "running")
    step = state.get("step") or "starting the platform"
    return f"{step} ({up} parts up)" if up else step


def _say_ways_on(platform: "Platform", example: str | None) -> None:
    from limosa.cli.login import login_url
    from limosa.cli.platform import path_line

    state = platform.state()
    rows = {"page": login_url(state["admin_url"], state["admin_token"])}
    rows["kubectl"] = f"export KUBECONFIG={shlex.quote(state['kubeconfig'])}"
    line = path_line(sys.argv)
    if line:
        rows["limosa on PATH"] = line
    rows["next"] = f"limosa run --remote {example}" if example else "limosa init hello"
    rows["stop"] = "limosa demo stop"
    for name, text in rows.items():
        say(f"  {name:<15} {text}")
