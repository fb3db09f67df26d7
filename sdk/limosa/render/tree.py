"""The tree of a run's nodes."""

import datetime as dt
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Group
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from limosa.render.folding import Fold, fold, never_began
from limosa.render.phases import RUN_WORDS, mark
from limosa.render.remedies import remedy_of
from limosa.render.run_view import Row, RunView
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_model.moments import moment_of

REASON_AFTER_S = 5.0
"""A run or node that waits longer shows why."""
LINES = 40
"""Most lines of a tree where nothing else is to be seen."""


def duration(seconds: float) -> str:
    """A length of time as people say it: "0.8 s", "1 m 05 s", "2 h 03 m"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} m"


def clock(stamp: Timestamp) -> str:
    """A moment's time of day: "12:00:30 UTC"."""
    return moment_of(stamp).strftime("%H:%M:%S UTC")


def tree(view: RunView, now: dt.datetime, *, final: bool, lines: int | None = LINES) -> Table:
    """One line per node: sign, name, time, and what there is to say.

    Args:
        view: The run.
        now: Ends the spans of what still runs.
        final: Says what nodes wait for from the start, not only after `REASON_AFTER_S`.
        lines: Most lines for nodes; where there are more, those that matter least are counted. None shows each.
    """
    rows = view.rows(now)
    return node_rows(rows if lines is None else fold(rows, lines), final=final, finished=view.finished)


def node_rows(rows: Sequence[Row | Fold], *, final: bool, finished: bool) -> Table:
    """Rows of a tree below each other; see `tree`. What to do about those that wait is said where the run goes on."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    said: set[str] = set()
    for row in rows:
        indent = "  " * (row.depth + 1)
        if isinstance(row, Fold):
            table.add_row(Text(indent + row.text, "dim"), "", "")
            continue
        name = Text.assemble(indent, _mark_of(row), " ", (row.path.rpartition("/")[2], "dim"), " ", row.name)
        time = "" if row.seconds is None else duration(row.seconds)
        table.add_row(
            name, Text(time, "dim"), Text(_note(row, final), "yellow" if row.waiting_seconds else "dim")
        )
        remedy = waiting_remedy(row)
        if remedy and not finished and remedy not in said:
            said.add(remedy)
            table.add_row("", "", Text.assemble(("→ ", "green"), remedy))
    return table


def waiting_remedy(row: Row) -> str:
    """What to do about a node that waits for a person, or has waited too long; empty where nothing is known."""
    if row.remedy:
        return row.remedy
    return remedy_of(row.reason, row.wait, row.secrets) if row.waiting_seconds >= REASON_AFTER_S else ""


def run_wait(view: RunView, now: dt.datetime) -> tuple[str, str, str] | None:
    """Code, sentence and remedy of what the run as a whole has waited for too long; the remedy may be empty."""
    waiting = view.waiting(now)
    if waiting is None or waiting[1] < REASON_AFTER_S:
        return None
    reason = waiting[0]
    word = RUN_WORDS.get(view.phase, ("unknown", ""))[0]
    return reason.code, f"{word}: {reason.detail or reason.code}", remedy_of(reason.code, reason.detail)


def wait_lines(view: RunView, now: dt.datetime) -> list[Text]:
    """`run_wait` as lines below a run's own; none where it does not wait."""
    wait = run_wait(view, now)
    if wait is None:
        return []
    _, sentence, remedy = wait
    lines = [Text(f"  {sentence}", "yellow")]
    return [*lines, Text.assemble(("  → ", "green"), remedy)] if remedy else lines


def live(view: RunView, now: dt.datetime, spinner: Spinner, lines: int = LINES) -> Group:
    """What a terminal shows while the run goes on, with so many lines for nodes."""
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
    return Group(head, *wait_lines(view, now), tree(view, now, final=False, lines=lines))


def summary(view: RunView, now: dt.datetime) -> Text:
    """The first line of the end: sign, name, how it ended, how long it took."""
    word, style = RUN_WORDS.get(view.phase, ("unknown", ""))
    sign = {"succeeded": "✓", "failed": "✗", "aborted": "■"}.get(word, "●")
    seconds = view.seconds(now)
    time = "" if seconds is None else f" after {duration(seconds)}"
    return Text.assemble((f"{sign} ", style), (view.run.name, "bold"), " ", (word, style), time)


def _mark_of(row: Row) -> Text:
    return mark(pb.NODE_PHASE_SKIPPED if never_began(row) else row.phase)


def _note(row: Row, final: bool) -> str:
    if row.phase == pb.NODE_PHASE_SKIPPED:
        return "skipped"
    if never_began(row):
        return "not run"
    return note_of(row, soon=final)


def note_of(row: Row, *, soon: bool = False) -> str:
    """Counters and what it waits for: where it has waited long enough, or at once if `soon`."""
    told = soon or row.waiting_seconds >= REASON_AFTER_S
    return ", ".join(part for part in (row.note, row.wait if told else "") if part)
