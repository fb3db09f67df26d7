"""`limosa abort`."""

from typing import TYPE_CHECKING

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, open_target, output_option, target_options

if TYPE_CHECKING:
    from limosa_idl.admin.v1alpha1.admin_pb2 import Run


@click.command()
@click.argument("run")
@click.option("-m", "--message", default="", metavar="REASON", help="Why; shown to whoever looks at the run.")
@target_options
@output_option
def command(run: str, message: str, output: str, **target: str | None) -> int:
    """End RUN: its pods are stopped; what it committed stays readable. One that has ended stays as it is."""
    from limosa.cli.console import say, write_data
    from limosa.cli.run_facts import phase_name
    from limosa.cli.tables import moment
    from limosa.render.run_view import TERMINAL_RUN_PHASES

    with open_target(TargetFlags(**target)) as client:
        # Admin's answer is the same whether its run ended before or because of this wish.
        before = client.get_run(run).run
        over = before.state.phase in TERMINAL_RUN_PHASES
        after = before if over else client.abort_run(run, message)
    phase = after.state.phase
    over = over or (phase in TERMINAL_RUN_PHASES and not after.abort_requested)
    if output == "text":
        say(_told(before, after, over))
        return ExitCode.OK
    facts = {
        "name": run,
        "phase": phase_name(phase),
        "ended_already": over,
        "finished_at": moment(after.state.finished_at),
        "abort_reason": after.abort_reason,
    }
    write_data(facts, output)
    return ExitCode.OK


def _told(before: "Run", after: "Run", over: bool) -> str:
    """What became of the wish, in a line."""
    from limosa.cli.run_facts import phase_name
    from limosa.cli.tables import age
    from limosa.render.progress import now_utc
    from limosa.render.run_view import TERMINAL_RUN_PHASES

    name, phase = after.name, phase_name(after.state.phase)
    if over:
        ago = age(after.state.finished_at, now_utc())
        return f"{name} had ended already: {phase}" + (f" {ago} ago" if ago else "")
    if after.state.phase in TERMINAL_RUN_PHASES:
        return f"{name} is {phase}: it had not begun"
    ways = f"see it end with `limosa watch {name}`"
    if before.abort_requested:
        return f"{name} is ending already: {before.abort_reason}; {ways}"
    return f"asked {name} to end (now {phase}); {ways}"
