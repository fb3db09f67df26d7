"""`limosa init`."""

import shlex
from pathlib import Path

import click

from limosa.cli.exit_codes import ExitCode


@click.command()
@click.argument("directory", required=False, default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--template", default="hello", show_default=True, metavar="NAME", help="Project to begin with.")
def command(directory: Path, template: str) -> int:
    """Make a project in DIRECTORY (here by default): a workflow, a passing test, settings. Overwrites nothing."""
    from limosa.cli.console import say, write_result
    from limosa.templates import template_names, write_template

    names = template_names()
    if template not in names:
        raise click.UsageError(f"there is no template '{template}'; there are: {', '.join(names)}")
    for path in write_template(template, directory):
        write_result(f"{path}\n")
    folder = "" if directory == Path() else f"cd {shlex.quote(str(directory))} && "
    say(f"next: {folder}limosa run {template}.py")
    return ExitCode.OK
