"""Staying with a run to its end, and saying how it ended."""

import sys
from typing import TYPE_CHECKING, Any

from limosa.cli.console import say, stderr_console, write_data, write_result
from limosa.cli.exit_codes import ExitCode
from limosa.cli.run_facts import run_facts
from limosa.cli.run_sources import PlatformRuns, RunSource
from limosa.errors import LimosaError
from limosa.remote import Client, RemoteError
from limosa.render.failure import FailureDetails, failed_run, log_lines_wanted, own_log_lines
from limosa.render.outputs import render_outputs, shortened_outputs
from limosa.render.progress import follow, now_utc
from limosa.render.run_view import RunView
from limosa.render.tree import summary, tree
from limosa.types.offloaded import fetch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.values import to_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from limosa_idl.core.v1alpha1.interface_pb2 import Variable

LARGEST_SHOWN_BYTES = 64 * 1024 * 1024
"""Larger offloaded values are shown as references."""


def follow_to_end(client: Client, name: str, *, form: str, timeout: float | None) -> ExitCode:
    """Shows a run until it ends, then its outputs or its failure.

    Args:
        client: Of the server that has the run.
        name: The run's.
        form: Of the outputs: text, json or yaml.
        timeout: Seconds to wait; None waits for ever.
    """
    view = RunView()
    console = stderr_console()

    def on_trouble(error: RemoteError) -> None:
        console.print(f"{error.message}; the run goes on, connecting again …", style="yellow", markup=False)

    try:
        follow(client.watch_run(name, timeout=timeout, on_trouble=on_trouble), view, console)
    except KeyboardInterrupt:
        say(f"\ndetached; {name} goes on\n{_ways_on(client, name)}")
        return ExitCode.INTERRUPTED
    except RemoteError as error:
        if error.code == RemoteError.TIMEOUT and timeout is not None:
            say(f"still going after {timeout:g} s; {name} goes on\n{_ways_on(client, name)}")
            return ExitCode.WAIT_TIMEOUT
        if error.code == RemoteError.UNREACHABLE:
            error.remedy += f"; then return with `limosa watch {name}`"
        raise
    return show_end(PlatformRuns(client), view, form=form)


def show_end(source: RunSource, view: RunView, *, form: str) -> ExitCode:
    """Says how a run ended; writes the outputs of one that succeeded, and as data how another one ended."""
    now = now_utc()
    if view.phase == run_pb2.RUN_PHASE_SUCCEEDED:
        console = stderr_console()
        say(summary(view, now))
        if console.is_terminal:
            say(tree(view, now, final=False))
        outputs = plain_outputs(source, view.run.name, view.run.state.outputs)
        whole = " ".join(word for word in ("limosa outputs", view.run.name, source.selection) if word)
        write_outputs(outputs, form, whole)
        return ExitCode.OK
    if view.phase == run_pb2.RUN_PHASE_ABORTED:
        say(summary(view, now))
        say(tree(view, now, final=False))
        if view.run.abort_reason:
            say(f"  {view.run.abort_reason}", "dim")
        write_end(view, form)
        return ExitCode.ABORTED
    say(failed_run(view, failure_details(source, view), now, source.selection))
    write_end(view, form)
    system = view.failure is not None and view.failure.kind == FAILURE_KIND_SYSTEM
    return ExitCode.SYSTEM if system else ExitCode.USER_FAILURE


def write_outputs(outputs: dict[str, Any], form: str, whole: str) -> None:
    """A run's outputs; for a person at a terminal not more than one takes in, and the command that shows all of it."""
    short = form == "text" and sys.stdout.isatty()
    write_result(shortened_outputs(outputs, whole) if short else render_outputs(outputs, form))


def write_end(view: RunView, form: str) -> None:
    """What a script reads of a run that gave no outputs."""
    if form != "text":
        facts = run_facts(view.run)
        write_data({key: facts[key] for key in ("name", "phase", "failure")}, form)


def failure_details(source: RunSource, view: RunView) -> FailureDetails:
    """Inputs and last log lines of the node that failed; nothing where they cannot be had."""
    failure = view.cause
    if failure is None or not failure.origin.node_path:
        return FailureDetails(None, [])
    node = failure.origin.node_path
    index = failure.origin.index if failure.origin.HasField("index") else None
    inputs: LiteralMap | None = None
    lines: list[str] = []
    try:
        data = source.run_data(view.run.name, node, index)
        inputs = data.inputs if data.HasField("inputs") else None
        wanted = log_lines_wanted(failure)
        for chunk in source.logs(view.run.name, node_path=node, index=index, tail_lines=wanted):
            lines += chunk.text.splitlines()
        lines = own_log_lines(lines, failure)
    except LimosaError as error:
        lines.append(f"(not all could be read: {error.message})")
    return FailureDetails(inputs, lines)


def plain_outputs(source: RunSource, name: str, known: LiteralMap) -> dict[str, Any]:
    """A run's outputs as plain data, in the order of its interface."""
    data = source.run_data(name)
    outputs = data.outputs if data.HasField("outputs") else known
    return plain_map(source, outputs, data.interface.outputs)


def plain_map(source: RunSource, literals: LiteralMap, variables: "Sequence[Variable]") -> dict[str, Any]:
    """Literals as plain data, in the order of the interface; stored ones are fetched where they are not too large."""
    with source.transfer() as transfer:
        return plain_values(literals, variables, transfer)


def plain_values(
    literals: LiteralMap, variables: "Sequence[Variable]", transfer: TransferContext
) -> dict[str, Any]:
    """As `plain_map`, with a transfer at hand."""
    declared = [variable.name for variable in variables]
    names = [*declared, *sorted(set(literals.literals) - set(declared))]
    found = {name: fetched(literals.literals[name], transfer) for name in names if name in literals.literals}
    return {name: to_plain(literal) for name, literal in found.items()}


def fetched(literal: Literal, transfer: TransferContext) -> Literal:
    """A literal with what is stored apart put back in."""
    kind = literal.WhichOneof("value")
    if kind == "offloaded":
        if literal.offloaded.size > LARGEST_SHOWN_BYTES:
            return literal
        return fetched(fetch(literal, transfer), transfer)
    if kind == "collection" and _has_stored(literal):
        items = [fetched(item, transfer) for item in literal.collection.literals]
        made = Literal()
        made.collection.literals.extend(items)
        return made
    if kind == "map_value" and _has_stored(literal):
        made = Literal()
        for key, item in literal.map_value.literals.items():
            made.map_value.literals[key].CopyFrom(fetched(item, transfer))
        made.map_value.order.extend(literal.map_value.order)
        return made
    return literal


def _has_stored(literal: Literal) -> bool:
    kind = literal.WhichOneof("value")
    if kind == "collection":
        return any(_has_stored(item) for item in literal.collection.literals)
    if kind == "map_value":
        return any(_has_stored(item) for item in literal.map_value.literals.values())
    return kind == "offloaded"


def _ways_on(client: Client, name: str) -> str:
    words = " ".join(part for part in (name, client.target.selection) if part)
    return f"  limosa watch {words}    to return to it\n  limosa abort {words}    to end it"
