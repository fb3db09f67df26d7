"""Following a run in a terminal: a live tree, or plain lines where there is none."""

import datetime as dt
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner

from limosa.render.folding import never_began
from limosa.render.phases import NODE_WORDS, RUN_WORDS
from limosa.render.run_view import TERMINAL_RUN_PHASES, Row, RunView
from limosa.render.steps import MapSteps
from limosa.render.tree import LINES, REASON_AFTER_S, clock, duration, live, note_of, run_wait, waiting_remedy
from limosa_idl.admin.v1alpha1.admin_pb2 import RunUpdate
from limosa_idl.run.v1alpha1 import run_pb2 as pb

TICK_S = 1.0
_AROUND = 6
"""Lines of a live display besides its nodes: the run's own, what it waits for, remedies."""

_RETRIES_TOLD = 20
"""Most failed attempts of one node that get a line."""


def now_utc() -> dt.datetime:
    """This machine's time."""
    return dt.datetime.now(dt.timezone.utc)


def follow(updates: Iterable[RunUpdate], view: RunView, console: Console) -> None:
    """Shows a run until its updates end; `view` holds the last state afterwards.

    Args:
        updates: From the watch stream; blocks between them.
        view: Takes the updates.
        console: Standard error, as a rule. On a terminal the tree moves; else each change is one line.
    """
    if not console.is_terminal:
        with _ticking(_Lines(view, console)) as lines:
            for update in updates:
                lines.take(update)
        return
    with _live_tree(view, console):
        for update in updates:
            view.apply(update)


@contextmanager
def _live_tree(view: RunView, console: Console) -> Iterator[None]:
    spinner = Spinner("dots", style="cyan")
    shown = Live(
        console=console,
        refresh_per_second=8,
        transient=True,
        get_renderable=lambda: live(view, now_utc(), spinner, _room(console)),
    )
    with shown:
        yield


def _room(console: Console) -> int:
    """Lines for nodes: what is higher than the terminal would be cut at its end, where things go on."""
    return max(5, min(LINES, console.height - _AROUND))


@contextmanager
def _ticking(lines: "_Lines") -> Iterator["_Lines"]:
    """Prints while no update comes too, because a node that waits in silence is to say why."""
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(TICK_S):
            lines.print_changes()

    thread = threading.Thread(target=tick, name="limosa-progress", daemon=True)
    thread.start()
    try:
        yield lines
    finally:
        ended.set()
        thread.join()


class _Lines:
    """Prints what changed since the last time, one line a change; from any thread."""

    def __init__(self, view: RunView, console: Console) -> None:
        self._view = view
        self._console = console
        self._run_phase = pb.RUN_PHASE_UNSPECIFIED
        self._waits_for = ""
        self._seen: dict[str, tuple[object, str]] = {}
        self._said: set[str] = set()
        self._maps = MapSteps()
        self._retries: dict[str, set[tuple[int | None, int]]] = {}
        """Failed attempts that were told, by the node's path."""
        self._lock = threading.Lock()

    def take(self, update: RunUpdate) -> None:
        """Applies an update and prints what it changed."""
        with self._lock:
            self._view.apply(update)
            self._print_changes()

    def print_changes(self) -> None:
        """Prints what time alone changed."""
        with self._lock:
            self._print_changes()

    def _print_changes(self) -> None:
        view = self._view
        over = view.phase in TERMINAL_RUN_PHASES
        if not over:
            self._print_phase()
        self._print_wait()
        self._print_retries()
        for row in _in_turn(view.rows(now_utc())):
            state = (row.phase, row.wait if row.waiting_seconds >= REASON_AFTER_S else "")
            if _is_told(row) and self._seen.get(row.path) != state:
                self._seen[row.path] = state
                self._print(_line(row))
                remedy = waiting_remedy(row)
                if remedy and remedy not in self._said:
                    self._said.add(remedy)
                    self._print(f"    → {remedy}")
            elif self._is_further(row):
                self._print(_line(row))
        if over:
            self._print_phase()

    def _is_further(self, row: Row) -> bool:
        state = self._view.node(row.path)
        if state is None or not state.items or row.phase != pb.NODE_PHASE_RUNNING:
            return False
        done = state.items_succeeded + state.items_failed
        return self._maps.is_due(row.path, done, state.items, now_utc().timestamp())

    def _print_phase(self) -> None:
        if self._view.phase != self._run_phase:
            self._run_phase = self._view.phase
            self._print(f"{self._view.run.name} {RUN_WORDS.get(self._run_phase, ('unknown', ''))[0]}")

    def _print_retries(self) -> None:
        """Attempts that failed and are followed by another; of a node with very many only the first."""
        for path, attempt, state in self._view.retried():
            told = self._retries.setdefault(path, set())
            key = (attempt.item, attempt.ordinal)
            if key in told or len(told) >= _RETRIES_TOLD:
                continue
            told.add(key)
            item = "" if attempt.item is None else f"[{attempt.item}]"
            failure = attempt.state.failure
            why = (failure.message or failure.code or "unknown").splitlines()[0]
            waits = state.phase == pb.NODE_PHASE_RETRYING and state.reason.HasField("next_at")
            again = f"; again at {clock(state.reason.next_at)}" if waits else "; another attempt follows"
            self._print(
                f"  {path}{item} {self._view.name(path)} attempt {attempt.ordinal + 1} failed: {why}{again}"
            )

    def _print_wait(self) -> None:
        """Once for each reason: its sentence changes with every call of a cluster."""
        wait = run_wait(self._view, now_utc())
        if wait is None or wait[0] == self._waits_for:
            return
        self._waits_for, sentence, remedy = wait
        self._print(f"  {sentence}")
        if remedy:
            self._print(f"    → {remedy}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _in_turn(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of a tree in the order of events: what has ended comes after what lies below it."""
    ended: list[Row] = []
    for row in rows:
        while ended and ended[-1].depth >= row.depth:
            yield ended.pop()
        if row.phase in (pb.NODE_PHASE_SUCCEEDED, pb.NODE_PHASE_FAILED, pb.NODE_PHASE_ABORTED):
            ended.append(row)
        else:
            yield row
    yield from reversed(ended)


def _is_told(row: Row) -> bool:
    """Whether something has become of a node."""
    return row.phase in NODE_WORDS and row.phase != pb.NODE_PHASE_WAITING and not never_began(row)


def _line(row: Row) -> str:
    parts = [f"  {row.path} {row.name} {NODE_WORDS[row.phase]}"]
    if row.phase in (pb.NODE_PHASE_SUCCEEDED, pb.NODE_PHASE_FAILED) and row.seconds is not None:
        parts.append(duration(row.seconds))
    note = note_of(row)
    if note:
        parts.append(f"({note})")
    return " ".join(parts)
