"""Inputs and outputs of runs and nodes."""

from limosa.cli.console import say, write_result
from limosa.cli.exit_codes import ExitCode
from limosa.cli.following import plain_map
from limosa.cli.nodes import node_path
from limosa.remote import Client
from limosa.render.outputs import render_outputs


def show_values(client: Client, run: str, node: str, index: int | None, *, which: str, form: str) -> ExitCode:
    """Writes the "inputs" or "outputs" of a run or node; says why where they are not known yet."""
    data = client.run_data(run, node_path(client, run, node, index), index)
    if not data.HasField("inputs" if which == "inputs" else "outputs"):
        say(data.note or f"the {which} are not known yet")
        return ExitCode.USAGE
    literals = data.inputs if which == "inputs" else data.outputs
    variables = data.interface.inputs if which == "inputs" else data.interface.outputs
    values = plain_map(client, literals, variables)
    write_result(render_outputs(values, form))
    return ExitCode.OK
