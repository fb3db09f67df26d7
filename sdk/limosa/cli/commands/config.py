"""`limosa config`."""

import dataclasses
import os
import sys
from pathlib import Path

import click

from limosa.cli.console import say, write_data
from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import output_option, resolve_settings, target_options
from limosa.config import SETTINGS, Context, ContextFile
from limosa.errors import LimosaError


@click.group()
def command() -> None:
    """Contexts (servers with credentials) and the settings in force."""


@command.command()
@target_options
@output_option
def show(output: str, **flags: str | None) -> int:
    """Show every setting, and where its value comes from."""
    from limosa.cli.tables import write_table

    settings = resolve_settings(dict(flags))
    rows = []
    for setting in SETTINGS:
        value = settings.values[setting.name]
        shown = ", ".join(value.value) if setting.is_list else value.value
        if setting.secret and shown:
            shown = "(set)"
        rows.append({"setting": setting.name, "value": shown, "origin": value.origin})
    if output == "text":
        write_table(["setting", "value", "origin"], rows)
    else:
        write_data({row["setting"]: {"value": row["value"], "origin": row["origin"]} for row in rows}, output)
    return ExitCode.OK


@command.command("list")
@output_option
def list_contexts(output: str) -> int:
    """List the contexts; * marks the current one."""
    from limosa.cli.tables import write_table

    contexts = _load()
    rows = [
        {
            "current": "*" if name == contexts.current else "",
            "name": name,
            "endpoint": context.endpoint,
            "project": context.project,
            "domain": context.domain,
            "token": "(set)" if context.token else "",
        }
        for name, context in sorted(contexts.contexts.items())
    ]
    if output == "text":
        write_table(["current", "name", "endpoint", "project", "domain", "token"], rows)
    else:
        write_data([{**row, "current": bool(row["current"])} for row in rows], output)
    return ExitCode.OK


@command.command()
@click.argument("name")
def use(name: str) -> int:
    """Make a context the current one."""
    _load().using(name).save()
    say(f"context is now {name}")
    return ExitCode.OK


@command.command()
@click.argument("name")
@click.option("--endpoint", metavar="URL", help="Address of admin: https://host:port, http://host:port.")
@click.option("--token-file", metavar="FILE", help="File with the token; - is standard input.")
@click.option("--ca-certificate", metavar="FILE", help="PEM file to trust for the endpoint.")
@click.option("-p", "--project", metavar="NAME", help="Project used there.")
@click.option("-d", "--domain", metavar="NAME", help="Domain used there.")
@click.option("--kube-context", metavar="NAME", help="Kubeconfig context of its cluster, for limosa secrets.")
@click.option("--no-use", is_flag=True, help="Leave the current context as it is.")
def add(
    name: str, token_file: str | None, no_use: bool, ca_certificate: str | None, **given: str | None
) -> int:
    """Add a context, or change what is given of one; it becomes the current one."""
    from limosa.remote.endpoint import Endpoint
    from limosa_model.names import check_name

    contexts = _load()
    known = contexts.contexts.get(name, Context(name))
    changes = {key: value for key, value in given.items() if value is not None}
    for kind in ("project", "domain"):
        problem = check_name(kind, changes[kind]) if kind in changes else None
        if problem:
            raise click.UsageError(problem)
    if token_file is not None:
        changes["token"] = _read_token(token_file)
    if ca_certificate is not None:
        changes["ca_certificate"] = str(Path(ca_certificate).expanduser().absolute())
    context = dataclasses.replace(known, **changes)
    if not context.endpoint:
        raise click.UsageError("a context needs --endpoint")
    Endpoint.parse(context.endpoint)
    contexts.with_context(context, current=not no_use).save()
    say(f"context {name}: {context.endpoint}" + ("" if no_use else ", now current"))
    return ExitCode.OK


@command.command()
@click.argument("name")
def remove(name: str) -> int:
    """Remove a context with its token."""
    contexts = _load()
    contexts.find(name)
    contexts.without(name).save()
    say(f"removed context {name}")
    return ExitCode.OK


def _load() -> ContextFile:
    return ContextFile.load(ContextFile.default_path(os.environ))


def _read_token(name: str) -> str:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise LimosaError(code="BadInput", message=f"cannot read the token: {why}", place=name) from error
    token = text.strip()
    if not token or any(character.isspace() for character in token):
        raise LimosaError(code="BadInput", message="it does not hold one token", place=name)
    return token
