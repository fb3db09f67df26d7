"""Inputs and outputs of runs and nodes."""

from limosa.cli.console import write_result
from limosa.cli.exit_codes import ExitCode
from limosa.cli.following import plain_map
from limosa.cli.nodes import node_path
from limosa.cli.run_sources import RunSource
from limosa.errors import LimosaError
from limosa.render.outputs import render_outputs
from limosa.render.run_view import TERMINAL_RUN_PHASES
from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse


def show_values(
    source: RunSource, run: str, node: str, index: int | None, *, which: str, form: str
) -> ExitCode:
    """Writes the "inputs" or "outputs" of a run or node; says why where they are not known yet."""
    path = node_path(source, run, node, index)
    data = source.run_data(run, path, index)
    if not data.HasField("inputs" if which == "inputs" else "outputs"):
        raise no_values(source, run, path, data, which)
    literals = data.inputs if which == "inputs" else data.outputs
    variables = data.interface.inputs if which == "inputs" else data.interface.outputs
    values = plain_map(source, literals, variables)
    write_result(render_outputs(values, form))
    return ExitCode.OK


def no_values(source: RunSource, run: str, path: str, data: GetRunDataResponse, which: str) -> LimosaError:
    """The error of a run, or of a node of it, whose "inputs" or "outputs" are not known."""
    notes = dict(note.split(": ", 1) for note in data.note.split("; ") if ": " in note)
    message = f"there are no {which}: {notes.get(which) or data.note or 'they are not known yet'}"
    explained = path or source.get_run(run).run.state.phase in TERMINAL_RUN_PHASES
    words = ("limosa", "explain" if explained else "watch", run, path, source.selection)
    command = " ".join(word for word in words if word)
    place = f"run {run}" + (f", node {path}" if path else "")
    return LimosaError("NoValues", message, place, f"`{command}` {'says why' if explained else 'follows it'}")
