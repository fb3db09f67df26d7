"""One node of a run, as far as it is known."""

import datetime as dt
import shlex
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from limosa.render.brief import brief, declared
from limosa.render.failure import failure_block, node_commands
from limosa.render.phases import LAUNCH_WORDS, NODE_WORDS, mark
from limosa.render.remedies import remedy_of
from limosa.render.run_view import Attempt, RunView, span
from limosa.render.tree import duration, node_rows
from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse
from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_model.failures import Code

ATTEMPTS = 20
"""Most attempts listed."""
VALUE_WIDTH = 100


def node_page(
    view: RunView, path: str, index: int | None, data: GetRunDataResponse, now: dt.datetime, flags: str = ""
) -> RenderableType:
    """State, attempts, failure, children, values and the commands to go on.

    Args:
        view: The run.
        path: Of the node, which the run has.
        index: Of a map's item; None for the node itself.
        data: Its inputs and outputs.
        now: Ends the spans of what still runs.
        flags: Added to the commands, where they need some to find the run.
    """
    found = view.node(path) if index is None else view.item(path, index)
    state = found or pb.NodeState(phase=pb.NODE_PHASE_WAITING)
    item = [shlex.quote(path)] + ([] if index is None else [f"--index {index}"])
    words = " ".join([view.run.name, *item, *([flags] if flags else [])])
    attempts = view.attempts(path, index)
    parts: list[RenderableType] = [_head(view, path, index, state, now), *_about(view, path, index, state)]
    if attempts:
        parts += [Text(), _attempts(attempts, now), *_left_out(attempts, words)]
    if state.HasField("failure"):
        parts += [Text(), _failure(view, path, state)]
    children = [row for row in view.rows(now) if row.path.startswith(path + "/")]
    if children:
        parts += [Text(), node_rows(children, final=True, finished=view.finished)]
    parts += _values("inputs", data.inputs, data.interface.inputs)
    parts += _values("outputs", data.outputs, data.interface.outputs)
    if data.note:
        parts += [Text(), Text(f"  {data.note}", "dim")]
    commands = node_commands(view, path, index, flags, failed=state.HasField("failure"))
    if data.outputs.literals:
        commands.append(f"limosa outputs {words}")
    return Group(*parts, Text(), Text("Go on", "bold"), *(Text("  " + line) for line in commands))


def _failure(view: RunView, path: str, state: pb.NodeState) -> RenderableType:
    return failure_block(state.failure, secrets=view.secrets(path), written_at=view.written_at(path))


def _head(view: RunView, path: str, index: int | None, state: pb.NodeState, now: dt.datetime) -> Text:
    seconds = span(state, now)
    missed = state.phase == pb.NODE_PHASE_ABORTED and seconds is None and index is None
    word = "not run" if missed else NODE_WORDS.get(state.phase, "unknown")
    sign = mark(pb.NODE_PHASE_SKIPPED if missed else state.phase)
    item = "" if index is None else f"[{index}]"
    time = "" if seconds is None else f" after {duration(seconds)}"
    return Text.assemble(
        sign, " ", view.run.name, " ", (path + item, "bold"), f" {view.name(path)} {word}{time}"
    )


def _about(view: RunView, path: str, index: int | None, state: pb.NodeState) -> list[Text]:
    """What it is, how far it is, and what it waits for."""
    what = " of ".join(part for part in (state.kind.replace("_", "-"), state.target) if part)
    counters = f"{state.items_succeeded}/{state.items} items" if state.items else ""
    failed = f"{state.items_failed} failed" if state.items_failed else ""
    for_room = view.items_for_room(path) if index is None else 0
    taken = view.taken(path) if index is None else []
    waiting = f"{for_room} waiting for room" if for_room else ""
    told = ", ".join(part for part in (what, counters, *taken, failed, waiting) if part)
    lines = [Text(f"  {told}", "dim")] if told else []
    reason = view.reason(path, index)
    if reason is None or for_room:
        return lines
    detail = f"{reason.code}: {reason.detail}" if reason.detail else reason.code
    lines.append(Text(f"  {detail}", "yellow"))
    remedy = remedy_of(reason.code, reason.detail, view.secrets(path))
    return [*lines, Text.assemble(("  → ", "green"), remedy)] if remedy else lines


def _attempts(attempts: Sequence[Attempt], now: dt.datetime) -> Table:
    """Number, state, time, pod and what went wrong, one line each."""
    table = Table.grid(padding=(0, 2))
    for column in ("  attempt", "state", "took", "pod"):
        table.add_column(Text(column, "bold"), no_wrap=True)
    table.show_header = True
    table.add_column()  # the only one that gives way where the terminal is narrow
    for one in _telling(attempts)[:ATTEMPTS]:
        word, style = LAUNCH_WORDS.get(one.state.phase, ("unknown", ""))
        item = "" if one.item is None else f"[{one.item}] "
        seconds = span(one.state, now)
        took = "" if seconds is None else duration(seconds)
        why = Text(_cut(_why(one.state)), "dim")
        table.add_row(f"  {item}{one.ordinal + 1}", Text(word, style), took, one.state.pod, why)
    return table


def _why(state: pb.LaunchState) -> str:
    if state.HasField("failure"):
        lines = state.failure.message.splitlines() or [""]
        known = lines[0].startswith(state.failure.code) or state.failure.code == Code.USER_EXCEPTION
        return lines[0] if known else f"{state.failure.code}: {lines[0]}"
    if state.reason.code:
        return f"{state.reason.code}: {state.reason.detail}" if state.reason.detail else state.reason.code
    return f"exit code {state.exit_code}" if state.exit_code else ""


def _cut(text: str) -> str:
    return text if len(text) <= VALUE_WIDTH else text[: VALUE_WIDTH - 1] + "…"


def _telling(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Of a map those that did not succeed, where there are such; else all."""
    wrong = [one for one in attempts if one.state.phase != pb.LAUNCH_PHASE_SUCCEEDED]
    return wrong if wrong and attempts[0].item is not None else list(attempts)


def _left_out(attempts: Sequence[Attempt], words: str) -> list[Text]:
    telling = _telling(attempts)
    left, succeeded = len(telling) - ATTEMPTS, len(attempts) - len(telling)
    told = [f"{left} more"] if left > 0 else []
    told += [f"{succeeded} that succeeded"] if succeeded else []
    return [Text(f"  … {' and '.join(told)}: limosa get run {words} -o json", "dim")] if told else []


def _values(title: str, literals: LiteralMap, variables: Iterable[Variable]) -> list[RenderableType]:
    if not literals.literals:
        return []
    table = Table.grid(padding=(0, 2))
    for name, literal in declared(literals, variables):
        table.add_row(Text(f"  {name}"), Text(brief(literal, VALUE_WIDTH), "dim"))
    return [Text(), Text(title.capitalize(), "bold"), table]
