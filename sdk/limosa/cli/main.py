"""Entry point: the verb table, and the one place where errors become exit statuses."""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from limosa.cli.exit_codes import ExitCode, exit_code_of
from limosa.errors import LimosaError

VERBS = {
    "init": "Make a new project with a workflow and a test.",
    "run": "Run a task or workflow of a file, here or with --remote.",
    "register": "Register everything in files, without running it.",
    "launch": "Run what is registered.",
    "resume": "Go on from a run that has ended, with its results.",
    "abort": "End a run.",
    "approve": "Let a run pass a gate, or not.",
    "signal": "Give a gate of a run the value it waits for.",
    "watch": "Follow a run.",
    "logs": "Show what a run's tasks printed.",
    "inputs": "Show the inputs of a run or node.",
    "outputs": "Show the outputs of a run or node.",
    "explain": "Say why a run or node is in its state, and what comes next.",
    "replay": "Run one node again here, with its inputs and code.",
    "download": "Fetch the files a run gave.",
    "get": "List or show runs and what is registered.",
    "cache": "List or forget cached results.",
    "secrets": "Set, list and delete secrets for tasks.",
    "cluster": "List clusters, or give one up that is lost.",
    "delete": "Delete a finished run with its data.",
    "doctor": "Check this machine and the platform.",
    "demo": "The whole platform on this machine.",
    "config": "Contexts and settings.",
}
"""Each verb's object is `command` in the module of its name in `limosa.cli.commands`, loaded when it is used."""


class _Verbs(click.Group):
    """Loads a verb's module only when it is called, so that help comes at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        found: click.Command = importlib.import_module(f"limosa.cli.commands.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            known = self._known(ctx)
            close = difflib.get_close_matches(args[0], known, n=1)
            hint = f" Did you mean {' or '.join(known[close[0]])}?" if close else ""
            ctx.fail(f"There is no command '{args[0]}'.{hint}")
        return super().resolve_command(ctx, args)

    def _known(self, ctx: click.Context) -> dict[str, list[str]]:
        """By its last word, what can be typed: verbs, and the commands of those that are groups."""
        known = {verb: [f"'{verb}'"] for verb in VERBS}
        for verb in VERBS:
            command = self.get_command(ctx, verb)
            for name in command.list_commands(ctx) if isinstance(command, click.Group) else []:
                known.setdefault(name, []).append(f"'{verb} {name}'")
        return known

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from limosa.version import VERSION

        click.echo(f"limosa {VERSION}")
        ctx.exit()


@click.command(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: limosa demo start, limosa init hello, limosa run --remote hello/hello.py",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version.",
)
def cli() -> None:
    """Write Python, get pods: workflows for data and machine learning on Kubernetes."""


def run(arguments: Sequence[str]) -> int:
    """Runs the command; gives its exit status."""
    try:
        result: Any = cli.main(args=list(arguments), prog_name="limosa", standalone_mode=False)
        return int(result) if isinstance(result, int) else ExitCode.OK
    except click.exceptions.Exit as left:
        return left.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return ExitCode.OK
    except click.UsageError as error:
        _show_usage(error)
        return ExitCode.USAGE
    except click.Abort:
        click.echo("stopped", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()}", err=True)
        return ExitCode.USAGE
    except LimosaError as error:
        from limosa.cli.console import show_error

        show_error(error)
        return exit_code_of(error)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader left, as `head` does; Python must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception:  # noqa: BLE001 the last frame: what arrives here is a bug, and said to be one
        import traceback

        traceback.print_exc()
        click.echo("Error: this is a bug in limosa; please report it with the text above", err=True)
        return ExitCode.SYSTEM


def _show_usage(error: click.UsageError) -> None:
    from limosa.cli.console import say
    from limosa.render.failure import error_block

    path = error.ctx.command_path if error.ctx is not None else "limosa"
    message = " ".join(error.format_message().split(" "))
    say(error_block(message.strip(), remedy=f"{path} --help"))


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))
