"""`limosa cluster`."""

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, open_target, output_option, target_options


@click.group()
def command() -> None:
    """List the clusters that runs run on, or give one up that will not come back."""


@command.command(name="list")
@target_options
@output_option
def list_(output: str, **target: str | None) -> int:
    """List clusters with the runs under way there."""
    from limosa.cli.console import write_data
    from limosa.cli.tables import age, moment, write_table
    from limosa.render.progress import now_utc

    with open_target(TargetFlags(**target)) as client:
        found = client.list_clusters()
    now = now_utc()
    rows = [
        {
            "name": one.name,
            "uid": one.uid,
            "contact": "yes" if one.in_contact else f"none for {age(one.last_seen, now)}",
            "runs": one.active_runs,
            "in_contact": one.in_contact,
            "last_seen": moment(one.last_seen),
        }
        for one in found
    ]
    shown = ["name", "uid", "contact", "runs"]
    if output == "text":
        write_table(shown, rows)
    else:
        write_data([{name: one for name, one in row.items() if name != "contact"} for row in rows], output)
    return ExitCode.OK


@command.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also a cluster that is in contact: it gives its runs up then.")
@target_options
def lost(name: str, force: bool, **target: str | None) -> int:
    """Let other clusters take the runs of the cluster NAME (or uid), which will not come back.

    They go on from the results that are committed. If it comes back all the same it does no harm: it is told that its
    claims are stale, and removes what it has of these runs.
    """
    from limosa.cli.console import say

    with open_target(TargetFlags(**target)) as client:
        released = client.lose_cluster(name, force=force)
    runs = "1 run" if released == 1 else f"{released} runs"
    say(
        f"{runs} of cluster {name} can go on elsewhere"
        if released
        else f"cluster {name} has no runs under way"
    )
    return ExitCode.OK
