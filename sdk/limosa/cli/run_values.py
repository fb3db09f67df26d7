"""Inputs and outputs of runs and nodes."""

from limosa.cli.console import say, write_result
from limosa.cli.exit_codes import ExitCode
from limosa.cli.following import plain_map
from limosa.cli.nodes import node_path
from limosa.cli.run_sources import RunSource
from limosa.render.outputs import render_outputs


def show_values(
    source: RunSource, run: str, node: str, index: int | None, *, which: str, form: str
) -> ExitCode:
    """Writes the "inputs" or "outputs" of a run or node; says why where they are not known yet."""
    data = source.run_data(run, node_path(source, run, node, index), index)
    if not data.HasField("inputs" if which == "inputs" else "outputs"):
        say(data.note or f"the {which} are not known yet")
        return ExitCode.USAGE
    literals = data.inputs if which == "inputs" else data.outputs
    variables = data.interface.inputs if which == "inputs" else data.interface.outputs
    values = plain_map(source, literals, variables)
    write_result(render_outputs(values, form))
    return ExitCode.OK
