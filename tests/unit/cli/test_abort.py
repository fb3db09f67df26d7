"""`limosa abort` says what became of the wish."""

import io
import json

import grpc
import pytest
from fake_admin import Refuse
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_idl.admin.v1alpha1.admin_pb2 import DeleteRunResponse, Run, RunDetail
from limosa_idl.run.v1alpha1 import run_pb2 as pb


def run_in(phase, **more):
    state = pb.RunState(phase=phase)
    if phase in (pb.RUN_PHASE_SUCCEEDED, pb.RUN_PHASE_FAILED, pb.RUN_PHASE_ABORTED):
        state.finished_at.CopyFrom(Timestamp(seconds=1_700_000_000))
    return Run(name="calm-heron", state=state, **more)


def script(admin, before, after):
    admin.script["GetRun"] = [RunDetail(run=before)]
    admin.script["AbortRun"] = [after]


def calls(admin):
    return [method for method, *_ in admin.calls]


@pytest.mark.parametrize(
    ("phase", "word"),
    [
        (pb.RUN_PHASE_SUCCEEDED, "succeeded"),
        (pb.RUN_PHASE_FAILED, "failed"),
        (pb.RUN_PHASE_ABORTED, "aborted"),
    ],
)
def test_a_run_that_has_ended_is_said_to_have(limosa, admin, phase, word):
    script(admin, run_in(phase), run_in(phase))
    result = limosa("abort", "calm-heron")
    assert (result.status, result.out) == (0, "")
    assert f"calm-heron had ended already: {word} " in result.err
    assert "d ago" in result.err
    assert "asked" not in result.err
    assert calls(admin) == ["GetRun"]
    facts = json.loads(limosa("abort", "calm-heron", "-o", "json").out)
    assert facts == {
        "name": "calm-heron",
        "phase": word,
        "ended_already": True,
        "finished_at": "2023-11-14T22:13:20Z",
        "abort_reason": "",
    }


def test_a_run_that_goes_on_is_asked_to_end(limosa, admin):
    after = run_in(pb.RUN_PHASE_ABORTING, abort_requested=True, abort_reason="no use (by ada)")
    script(admin, run_in(pb.RUN_PHASE_RUNNING), after)
    result = limosa("abort", "calm-heron", "-m", "no use")
    assert result.status == 0
    assert "asked calm-heron to end (now aborting); see it end with `limosa watch calm-heron`" in result.err
    assert admin.calls[-1][1].reason == "no use"
    facts = json.loads(limosa("abort", "calm-heron", "-o", "json").out)
    assert (facts["phase"], facts["ended_already"], facts["abort_reason"]) == (
        "aborting",
        False,
        "no use (by ada)",
    )


def test_a_run_that_nobody_worked_on_ends_at_once(limosa, admin):
    script(admin, run_in(pb.RUN_PHASE_QUEUED), run_in(pb.RUN_PHASE_ABORTED, abort_requested=True))
    assert "calm-heron is aborted: it had not begun" in limosa("abort", "calm-heron").err


def test_a_run_that_ends_meanwhile_was_not_aborted(limosa, admin):
    script(admin, run_in(pb.RUN_PHASE_RUNNING), run_in(pb.RUN_PHASE_SUCCEEDED))
    result = limosa("abort", "calm-heron")
    assert "calm-heron had ended already: succeeded" in result.err
    assert calls(admin) == ["GetRun", "AbortRun"]


def test_a_run_that_was_asked_before_keeps_its_first_reason(limosa, admin):
    before = run_in(pb.RUN_PHASE_ABORTING, abort_requested=True, abort_reason="no use (by ada)")
    script(admin, before, before)
    result = limosa("abort", "calm-heron", "-m", "other")
    assert result.status == 0
    assert "calm-heron is ending already: no use (by ada)" in result.err


@pytest.mark.parametrize(("typed", "status", "deleted"), [("", 2, 0), ("n\n", 130, 0), ("y\n", 0, 1)])
def test_a_deletion_that_nobody_can_confirm_names_yes(limosa, admin, monkeypatch, typed, status, deleted):
    admin.script["DeleteRun"] = [DeleteRunResponse()]
    admin.script["GetRun"] = [RunDetail()]
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    result = limosa("delete", "calm-heron")
    assert (result.status, ("add --yes" in result.err)) == (status, typed == "")
    assert len([method for method, *_ in admin.calls if method == "DeleteRun"]) == deleted


def test_nobody_is_asked_whether_to_delete_a_run_that_is_not_there(limosa, admin, monkeypatch):
    admin.script["GetRun"] = [Refuse(grpc.StatusCode.NOT_FOUND, "there is no run 'nope'")]
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    result = limosa("delete", "nope")
    assert "there is no run 'nope'" in result.err
    assert "delete nope with all data" not in result.err
