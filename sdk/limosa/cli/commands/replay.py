"""`limosa replay`."""

import click

from limosa.cli.options import TargetFlags, output_option, target_options


@click.command()
@click.argument("run")
@click.argument("node")
@click.option("--index", type=click.IntRange(min=0), metavar="N", help="Item of a map node.")
@click.option("--pdb", "debug", is_flag=True, help="Stop at the task's first line, and where it raises.")
@target_options
@output_option
def command(run: str, node: str, index: int | None, debug: bool, output: str, **target: str | None) -> int:
    """Run NODE of RUN again in this Python, with the inputs and the code it had there.

    Nothing is written to the platform. Files among the outputs are kept below .limosa/replays.
    """
    from limosa.cli.console import write_result
    from limosa.cli.exit_codes import ExitCode
    from limosa.cli.replaying import replay
    from limosa.cli.run_sources import open_platform
    from limosa.render.outputs import render_outputs

    with open_platform(TargetFlags(**target), run) as client:
        found = replay(client, run, node, index, debug=debug)
    if isinstance(found, ExitCode):
        return found
    write_result(render_outputs(found, output))
    return ExitCode.OK
