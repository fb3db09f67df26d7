"""`limosa outputs`."""

import click

from limosa.cli.options import TargetFlags, open_target, output_option, target_options


@click.command()
@click.argument("run")
@click.argument("node", required=False, default="")
@click.option("--index", type=click.IntRange(min=0), metavar="N", help="Item of a map node.")
@target_options
@output_option
def command(run: str, node: str, index: int | None, output: str, **target: str | None) -> int:
    """Show the outputs of RUN, or of one NODE (its path or name, as the tree shows them)."""
    from limosa.cli.run_values import show_values

    with open_target(TargetFlags(**target)) as client:
        return show_values(client, run, node, index, which="outputs", form=output)
