"""`limosa secrets`."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import output_option, resolve_settings, target_options
from limosa.errors import LimosaError

if TYPE_CHECKING:
    from limosa.cli.cluster_secrets import ClusterSecrets

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")
_MOST_NAME = 253
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


@click.group()
def command() -> None:
    """Secrets that tasks of a project and domain may read.

    They are Kubernetes Secrets of its namespace, reached with your own kubeconfig (on the demo platform: with its own).
    Values go in and are never shown.
    """


@command.command("set")
@click.argument("name", metavar="NAME")
@click.argument("entries", nargs=-1, required=True, metavar="KEY[=@FILE]...")
@target_options
def set_command(name: str, entries: tuple[str, ...], **flags: Any) -> int:
    """Store values under KEYs of the secret NAME, beside the keys it has.

    A KEY alone is asked for, or read from standard input where that is no terminal; KEY=@FILE is read from a file. Tasks name
    it: @task(secrets=[Secret("NAME", "KEY")]).
    """
    from limosa.cli.console import say

    _check_name(name)
    values = _values(name, entries)
    secrets = _open(flags)
    made = secrets.set(name, values)
    keys = ", ".join(sorted(values))
    say(f"{'made' if made else 'changed'} secret {name} ({keys}) in {secrets.namespace}")
    return ExitCode.OK


@command.command("list")
@target_options
@output_option
def list_command(output: str, **flags: Any) -> int:
    """List secrets and their keys; never their values."""
    from limosa.cli.console import write_data

    rows = _open(flags).entries()
    if output == "text":
        from limosa.cli.tables import write_table

        write_table(["name", "keys", "created"], [{**row, "keys": ", ".join(row["keys"])} for row in rows])
    else:
        write_data(rows, output)
    return ExitCode.OK


@command.command("delete")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@target_options
def delete_command(names: tuple[str, ...], yes: bool, **flags: Any) -> int:
    """Delete secrets. Tasks that read them wait, and then fail."""
    from limosa.cli.console import confirm, say

    secrets = _open(flags)
    if not yes:
        what = names[0] if len(names) == 1 else f"{len(names)} secrets"
        confirm(f"delete {what} in {secrets.namespace}?")
    for name in names:
        secrets.delete(name)
        say(f"deleted secret {name} in {secrets.namespace}")
    return ExitCode.OK


def _open(flags: dict[str, Any]) -> "ClusterSecrets":
    from limosa.cli.cluster_secrets import ClusterSecrets, access_of

    return ClusterSecrets(access_of(resolve_settings(flags)))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _MOST_NAME:
        raise click.UsageError(
            f"'{name}' is no name of a secret: use lower-case letters, digits, '-' and '.'"
        )


def _values(name: str, entries: tuple[str, ...]) -> dict[str, bytes]:
    values: dict[str, bytes] = {}
    for entry in entries:
        key, equals, source = entry.partition("=")
        if not _KEY.fullmatch(key):
            raise click.UsageError(f"'{key}' is no key: use letters, digits, '-', '_' and '.'")
        if key in values:
            raise click.UsageError(f"the key '{key}' is given twice")
        if equals and not source.startswith("@"):
            raise click.UsageError(
                f"the value of '{key}' would stay in your shell's history: give {key} alone and type it, "
                f"pipe it in, or write {key}=@FILE"
            )
        values[key] = _file(source[1:]) if equals else _typed(name, key, alone=len(entries) == 1)
    return values


def _file(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise LimosaError(
            "SecretFile", f"{path} cannot be read: {error.strerror}", remedy="check the path"
        ) from error


def _typed(name: str, key: str, *, alone: bool) -> bytes:
    """What a person types, unseen; or all of standard input, without the line's end that echo adds."""
    if sys.stdin.isatty():
        return str(click.prompt(f"{name}/{key}", hide_input=True, err=True)).encode()
    if not alone:
        raise click.UsageError("standard input holds one value: give one KEY alone, others as KEY=@FILE")
    data = sys.stdin.buffer.read()
    data = data[:-1] if data.endswith(b"\n") else data
    if not data:
        raise LimosaError("SecretEmpty", f"standard input has no value for '{key}'", remedy="pipe one in")
    return data
