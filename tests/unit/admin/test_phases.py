import datetime as dt

import pytest

from limosa_admin.web import phases
from limosa_idl.run.v1alpha1 import run_pb2


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (59.9, "59.9 s"),
        (59.96, "1 m 00 s"),
        (164, "2 m 44 s"),
        (7500, "2 h 05 m"),
        (200_000, "55 h 33 m"),
        (-1, "0.0 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert phases.lasted(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1234, "1.2 kB"), (12_345_678, "12 MB"), (5 * 10**12, "5.0 TB")],
)
def test_sizes(count: int, text: str) -> None:
    assert phases.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "just now"), (42, "42 s ago"), (150, "2 m ago"), (90_000, "1 d ago")]
)
def test_ago_has_the_exact_time_too(seconds: int, text: str) -> None:
    now = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone.utc)
    shown = phases.ago(now - dt.timedelta(seconds=seconds), now)
    assert f">{text}</time>" in shown
    assert 'title="2026-0' in shown


def test_every_phase_is_a_word() -> None:
    for value in run_pb2.NodePhase.values():
        assert phases.node_phase(value).isalpha()
    assert phases.node_phase(run_pb2.NODE_PHASE_UNSPECIFIED) == "waiting"
    assert phases.run_phase(run_pb2.RUN_PHASE_FAILING) == "failing"
