"""Which lines of a long tree are shown."""

import pytest
import runs
from hypothesis import given
from hypothesis import strategies as st

from limosa.render.folding import Fold, fold
from limosa.render.run_view import Row, RunView
from limosa_idl.run.v1alpha1 import run_pb2 as pb

DONE, FAILED, SKIPPED, RUNNING = (
    pb.NODE_PHASE_SUCCEEDED,
    pb.NODE_PHASE_FAILED,
    pb.NODE_PHASE_SKIPPED,
    pb.NODE_PHASE_RUNNING,
)


def shown(phases, most):
    """The lines as text."""
    view = RunView()
    view.apply(runs.long_run(phases))
    return [
        f"{' ' * one.depth}{one.text}" if isinstance(one, Fold) else one.path
        for one in fold(view.rows(runs.NOW), most)
    ]


def flat(*groups):
    """Nodes n0, n1, … in groups of (phase, how many)."""
    phases = [phase for phase, count in groups for _ in range(count)]
    return {f"n{i}": phase for i, phase in enumerate(phases)}


def test_a_short_tree_is_shown_whole():
    phases = flat((DONE, 6), (FAILED, 1), (SKIPPED, 5))
    assert shown(phases, 12) == list(phases)


def test_the_failed_one_and_its_neighbours():
    phases = flat((DONE, 200), (FAILED, 1), (SKIPPED, 100))
    assert shown(phases, 10) == ["… 199 succeeded", "n199", "n200", "n201", "… 99 skipped"]


def test_a_fold_of_one_is_the_line_itself():
    phases = flat((DONE, 2), (FAILED, 1), (SKIPPED, 100))
    assert shown(phases, 10) == ["n0", "n1", "n2", "n3", "… 99 skipped"]


def test_what_is_folded_is_counted_by_phase():
    phases = flat((FAILED, 1), (DONE, 30), (SKIPPED, 20), (pb.NODE_PHASE_ABORTED, 3), (DONE, 5))
    assert shown(phases, 10) == ["n0", "n1", "… 34 succeeded, 20 skipped, 3 not run"]


def test_ancestors_of_what_is_shown_are_shown():
    phases = flat((DONE, 50))
    phases["n25"] = FAILED
    phases.update({f"n25/n{i}": DONE for i in range(40)})
    phases["n25/n30"] = FAILED
    assert shown(phases, 10) == [
        "… 24 succeeded",
        "n24",
        "n25",
        " … 29 succeeded",
        "n25/n29",
        "n25/n30",
        "n25/n31",
        " … 8 succeeded",
        "n26",
        "… 23 succeeded",
    ]


def test_more_failures_than_lines_keep_the_first_ones():
    lines = shown(flat((DONE, 50), (FAILED, 300)), 8)
    assert lines == ["… 50 succeeded", *[f"n{i}" for i in range(50, 56)], "… 294 failed"]


def test_a_failure_goes_before_what_runs():
    lines = shown(flat((RUNNING, 100), (FAILED, 1), (RUNNING, 100)), 6)
    assert "n100" in lines
    assert len(lines) <= 6


def test_where_nothing_stands_out_the_ends_are_shown():
    assert shown(flat((DONE, 300)), 10) == ["n0", "… 298 succeeded", "n299"]


@given(st.lists(st.sampled_from([DONE, FAILED, SKIPPED, RUNNING]), max_size=60), st.integers(5, 40))
def test_every_node_is_shown_or_counted_within_the_lines(phases, most):
    rows = [Row(0, f"n{i}", "x", phase, None, "") for i, phase in enumerate(phases)]
    lines = fold(rows, most)
    assert len(lines) <= most
    kept = [one for one in lines if isinstance(one, Row)]
    hidden = sum(sum(one.counts.values()) for one in lines if isinstance(one, Fold))
    assert len(kept) + hidden == len(rows)
    assert kept == [row for row in rows if row in kept]
    if FAILED in phases:
        assert any(row.phase == FAILED for row in kept)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_even_hardly_any_lines_hold(most):
    assert len(shown(flat((DONE, 20), (FAILED, 1), (DONE, 20)), most)) <= max(most, 3)
