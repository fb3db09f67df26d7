"""`limosa inputs`."""

import click

from limosa.cli.options import TargetFlags, output_option, target_options


@click.command()
@click.argument("run")
@click.argument("node", required=False, default="")
@click.option("--index", type=click.IntRange(min=0), metavar="N", help="Item of a map node.")
@target_options
@output_option
def command(run: str, node: str, index: int | None, output: str, **target: str | None) -> int:
    """Show the inputs of RUN, or of one NODE (its path or name, as the tree shows them)."""
    from limosa.cli.run_sources import open_runs
    from limosa.cli.run_values import show_values

    with open_runs(TargetFlags(**target), run) as source:
        return show_values(source, run, node, index, which="inputs", form=output)
