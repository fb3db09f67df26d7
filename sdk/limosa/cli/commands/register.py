"""`limosa register`."""

from pathlib import Path
from typing import Any

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import open_client, output_option, resolve_settings, target_options


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "-m", "--module", "modules", multiple=True, metavar="MODULE", help="A module, besides the files."
)
@click.option(
    "--version", metavar="VERSION", help="Version to register under; a digest of the content by default."
)
@click.option(
    "--copy",
    type=click.Choice(["imported", "all"]),
    help="Which files travel: those imported, or all that git does not ignore.",
)
@click.option("--include", multiple=True, metavar="GLOB", help="Further files that travel.")
@click.option("--image", "container_image", metavar="IMAGE", help="Container image of tasks that name none.")
@target_options
@output_option
def command(
    files: tuple[str, ...], modules: tuple[str, ...], version: str | None, output: str, **flags: Any
) -> int:
    """Register every task, workflow and launch plan of FILEs, all or nothing.

    The same content under the same version is accepted again; other content is refused.
    """
    from limosa.cli.console import write_data
    from limosa.cli.launching import noted, warn_of_secrets
    from limosa.cli.submission import check_one_root, prepare, register
    from limosa.compiler import load_module
    from limosa.remote import ClientTransfer
    from limosa_model.names import check_name

    sources = [*files, *modules]
    if not sources:
        raise click.UsageError("name a FILE, or a module with -m")
    problem = check_name("version", version) if version else None
    if problem:
        raise click.UsageError(problem)
    loaded = [load_module(source) for source in sources]
    check_one_root(loaded)
    settings = resolve_settings(flags, Path(loaded[0].source_root))
    entities = {id(entity): entity for one in loaded for entity in one.entities.values()}
    if not entities:
        raise click.UsageError(f"there is no task, workflow or launch plan in {', '.join(sources)}")
    submission = prepare(loaded, entities.values(), settings, version=version, note=noted)
    try:
        with open_client(settings) as client:
            transfer = ClientTransfer(client)
            response = register(client, transfer, submission, noted)
            warn_of_secrets(settings, submission)
    finally:
        submission.bundle.discard()
    rows = [
        {
            "kind": kind_name(one.id.kind),
            "name": one.id.name,
            "version": one.id.version,
            "state": "new" if one.created else "unchanged",
        }
        for one in response.entities
    ]
    if output == "text":
        from limosa.cli.tables import write_table

        write_table(["kind", "name", "version", "state"], rows)
    else:
        write_data(rows, output)
    return ExitCode.OK


def kind_name(kind: int) -> str:
    """An entity kind in words."""
    return {1: "task", 2: "workflow", 3: "launch plan"}.get(kind, "unknown")
