"""`limosa delete`."""

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, target_options


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@target_options
def command(runs: tuple[str, ...], yes: bool, **target: str | None) -> int:
    """Delete finished RUNs: their results, files and logs. This cannot be undone."""
    from limosa.cli.console import confirm, say
    from limosa.cli.run_sources import open_platform

    with open_platform(TargetFlags(**target), *runs) as client:
        if not yes:
            for run in runs:
                client.get_run(run)  # before anybody is asked about what is not there
            what = runs[0] if len(runs) == 1 else f"{len(runs)} runs"
            confirm(f"delete {what} with all data, also what ended runs took from its cached results?")
        for run in runs:
            client.delete_run(run)
            say(f"deleted {run}")
    return ExitCode.OK
