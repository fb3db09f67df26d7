"""`limosa abort`."""

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, open_target, target_options


@click.command()
@click.argument("run")
@click.option("-m", "--message", default="", metavar="REASON", help="Why; shown to whoever looks at the run.")
@target_options
def command(run: str, message: str, **target: str | None) -> int:
    """End RUN: its pods are stopped; what it committed stays readable."""
    from limosa.cli.console import say
    from limosa.cli.run_facts import phase_name

    with open_target(TargetFlags(**target)) as client:
        state = client.abort_run(run, message).state
    say(f"asked {run} to end (now {phase_name(state.phase)}); see it end with `limosa watch {run}`")
    return ExitCode.OK
