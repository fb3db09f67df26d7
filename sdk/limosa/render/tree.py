"""The tree of a run's nodes."""

import datetime as dt

from rich.console import Group
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from limosa.render.remedies import REMEDIES
from limosa.render.run_view import Row, RunView
from limosa_idl.run.v1alpha1 import run_pb2 as pb

REASON_AFTER_S = 5.0
"""A node that waits longer shows why."""
LINES = 40
"""Most nodes shown while a run goes on; finished ones make room first."""

_MARKS = {
    pb.NODE_PHASE_WAITING: ("·", "dim"),
    pb.NODE_PHASE_QUEUED: ("○", "yellow"),
    pb.NODE_PHASE_RUNNING: ("●", "cyan"),
    pb.NODE_PHASE_RETRYING: ("↻", "yellow"),
    pb.NODE_PHASE_SUCCEEDED: ("✓", "green"),
    pb.NODE_PHASE_FAILED: ("✗", "bold red"),
    pb.NODE_PHASE_SKIPPED: ("–", "dim"),
    pb.NODE_PHASE_ABORTED: ("■", "magenta"),
}
RUN_WORDS = {
    pb.RUN_PHASE_QUEUED: ("queued", "yellow"),
    pb.RUN_PHASE_RUNNING: ("running", "cyan"),
    pb.RUN_PHASE_FAILING: ("failing", "red"),
    pb.RUN_PHASE_ABORTING: ("aborting", "magenta"),
    pb.RUN_PHASE_SUCCEEDED: ("succeeded", "green"),
    pb.RUN_PHASE_FAILED: ("failed", "bold red"),
    pb.RUN_PHASE_ABORTED: ("aborted", "magenta"),
    pb.RUN_PHASE_PARKED: ("parked", "yellow"),
}


def duration(seconds: float) -> str:
    """A length of time as people say it: "0.8 s", "1 m 05 s", "2 h 03 m"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} m"


def mark(phase: "pb.NodePhase.ValueType") -> Text:
    """The sign of a node's phase."""
    sign, style = _MARKS.get(phase, ("?", ""))
    return Text(sign, style)


def tree(view: RunView, now: dt.datetime, *, final: bool) -> Table:
    """One line per node: sign, name, time, and what there is to say.

    Args:
        view: The run.
        now: Ends the spans of what still runs.
        final: Shows every node; else at most `LINES`, those under way first.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    rows = view.rows(now)
    shown = rows if final else _choose(rows)
    said: set[str] = set()
    for row in shown:
        indent = "  " * (row.depth + 1)
        name = Text.assemble(indent, _mark_of(row), " ", (row.path.rpartition("/")[2], "dim"), " ", row.name)
        time = "" if row.seconds is None else duration(row.seconds)
        table.add_row(
            name, Text(time, "dim"), Text(_note(row, final), "yellow" if row.waiting_seconds else "dim")
        )
        remedy = waiting_remedy(row)
        if remedy and not view.finished and remedy not in said:
            said.add(remedy)
            table.add_row("", "", Text.assemble(("→ ", "green"), remedy))
    if len(shown) < len(rows):
        table.add_row(Text(f"  … {len(rows) - len(shown)} more nodes", "dim"), "", "")
    return table


def waiting_remedy(row: Row) -> str:
    """What to do about a node that has waited too long; empty where nothing is known."""
    return REMEDIES.get(row.reason, "") if row.waiting_seconds >= REASON_AFTER_S else ""


def live(view: RunView, now: dt.datetime, spinner: Spinner) -> Group:
    """What a terminal shows while the run goes on."""
    word, style = RUN_WORDS.get(view.phase, ("unknown", ""))
    seconds = view.seconds(now)
    head = Table.grid(padding=(0, 1))
    time = "" if seconds is None else duration(seconds)
    nodes = (
        f"{view.run.state.nodes_done}/{view.run.state.nodes_total} nodes"
        if view.run.state.nodes_total
        else ""
    )
    head.add_row(spinner, Text(view.run.name, "bold"), Text(word, style), Text(f"{nodes}  {time}", "dim"))
    return Group(head, tree(view, now, final=False))


def summary(view: RunView, now: dt.datetime) -> Text:
    """The first line of the end: sign, name, how it ended, how long it took."""
    word, style = RUN_WORDS.get(view.phase, ("unknown", ""))
    sign = {"succeeded": "✓", "failed": "✗", "aborted": "■"}.get(word, "●")
    seconds = view.seconds(now)
    time = "" if seconds is None else f" after {duration(seconds)}"
    return Text.assemble((f"{sign} ", style), (view.run.name, "bold"), " ", (word, style), time)


def _never_began(row: Row) -> bool:
    """Whether the run ended before the node's turn came."""
    return row.phase == pb.NODE_PHASE_ABORTED and row.seconds is None


def _mark_of(row: Row) -> Text:
    return mark(pb.NODE_PHASE_SKIPPED if _never_began(row) else row.phase)


def _note(row: Row, final: bool) -> str:
    if row.phase == pb.NODE_PHASE_SKIPPED:
        return "skipped"
    if _never_began(row):
        return "not run"
    if row.waiting_seconds and row.waiting_seconds < REASON_AFTER_S and not final:
        return ", ".join(part for part in row.note.split(", ") if ":" not in part)
    return row.note


def _choose(rows: list[Row]) -> list[Row]:
    if len(rows) <= LINES:
        return rows
    active = {pb.NODE_PHASE_QUEUED, pb.NODE_PHASE_RUNNING, pb.NODE_PHASE_RETRYING, pb.NODE_PHASE_FAILED}
    order = sorted(
        range(len(rows)), key=lambda i: (rows[i].phase not in active, abs(i - _middle(rows, active)))
    )
    kept = set(order[:LINES])
    return [row for i, row in enumerate(rows) if i in kept]


def _middle(rows: list[Row], active: set["pb.NodePhase.ValueType"]) -> int:
    return next((i for i, row in enumerate(rows) if row.phase in active), 0)
