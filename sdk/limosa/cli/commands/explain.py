"""`limosa explain`."""

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, target_options


@click.command()
@click.argument("run")
@click.argument("node", required=False, default="")
@click.option("--index", type=click.IntRange(min=0), metavar="N", help="Item of a map node.")
@target_options
def command(run: str, node: str, index: int | None, **target: str | None) -> int:
    """Say why RUN, or one NODE of it, is in its state, since when, and what comes next."""
    from limosa.cli.console import write_result
    from limosa.cli.nodes import node_path
    from limosa.cli.run_sources import open_runs
    from limosa.render.explanation import explain_node, explain_run
    from limosa.render.progress import now_utc

    with open_runs(TargetFlags(**target), run) as source:
        path = node_path(source, run, node, index)
        detail = source.get_run(run)
    text = explain_node(detail, path, index, now_utc()) if path else explain_run(detail, now_utc())
    write_result(text + "\n")
    return ExitCode.OK
