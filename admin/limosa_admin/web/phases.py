"""Phases and times as a person reads them."""

import datetime as dt

from google.protobuf.timestamp_pb2 import Timestamp

from limosa_admin.web.html import Markup, el
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.moments import moment_of

NOT_RUN = "not run"
ORIGIN_WORDS = {run_pb2.ORIGIN_CACHE: "cached", run_pb2.ORIGIN_REUSE: "reused"}
"""How a result came without a launch, in a word."""


def run_phase(phase: "run_pb2.RunPhase.ValueType") -> str:
    """Lower-case word, also the CSS class."""
    return run_pb2.RunPhase.Name(phase).removeprefix("RUN_PHASE_").lower()


def node_phase(phase: "run_pb2.NodePhase.ValueType") -> str:
    """Lower-case word, also the CSS class; a node that nothing is known of waits."""
    name = run_pb2.NodePhase.Name(phase).removeprefix("NODE_PHASE_").lower()
    return "waiting" if name == "unspecified" else name


def state_word(state: run_pb2.NodeState, launched: bool) -> str:
    """The phase of a node or an item; what was aborted before it began did "not run", as the command line says.

    Args:
        state: What is known of it.
        launched: Whether a launch of it is known: an operator may publish no times of items.
    """
    begun = launched or bool(state.launches) or state.HasField("started_at")
    if state.phase == run_pb2.NODE_PHASE_ABORTED and not begun:
        return NOT_RUN
    return node_phase(state.phase)


def css_class(word: str) -> str:
    """The class of a phase's word."""
    return word.replace(" ", "-")


def taken_from(state: run_pb2.NodeState) -> str:
    """How a result came without a launch, and whose it is; empty where a launch made it."""
    word = ORIGIN_WORDS.get(state.origin, "")
    return f"{word}, from run {state.origin_run}" if word and state.origin_run else word


def pill(phase: str) -> Markup:
    """A phase as a coloured word."""
    return el("span", phase, class_=f"pill {css_class(phase)}")


def moment(stamp: Timestamp) -> dt.datetime:
    """A timestamp as an aware datetime."""
    return moment_of(stamp)


def lasted(seconds: float) -> str:
    """Writes 0.4 as "0.4 s", 75 as "1 m 15 s", 7500 as "2 h 05 m": as the command line does."""
    if seconds < 59.95:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"


def ago(when: dt.datetime, now: dt.datetime) -> Markup:
    """How long ago, with the exact time in a tooltip."""
    seconds = max((now - when).total_seconds(), 0)
    text = "just now" if seconds < 5 else f"{_coarse(seconds)} ago"
    exact = when.strftime("%Y-%m-%d %H:%M:%S UTC")
    return el("time", text, datetime=when.isoformat(), title=exact)


def size(count: int) -> str:
    """Bytes as "1.2 MB"."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def _coarse(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"
