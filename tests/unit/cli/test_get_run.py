"""`limosa get run`: a run, and one of its nodes."""

import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse, Run, RunDetail
from limosa_idl.run.v1alpha1 import run_pb2 as pb


@pytest.fixture
def queued(admin):
    """A run that waits for a cluster since long."""
    detail = "no cluster has asked for work since 11:58:20 UTC (last: embedded)"
    reason = pb.Reason(code="WaitingForCluster", detail=detail, since=Timestamp(seconds=1_700_000_000))
    run = Run(name="calm-heron", state=pb.RunState(phase=pb.RUN_PHASE_QUEUED, reason=reason))
    admin.script["GetRun"] = [RunDetail(run=run)]
    admin.script["GetRunData"] = [GetRunDataResponse()]
    return detail


def test_a_queued_run_says_what_it_waits_for(limosa, queued):
    lines = limosa("get", "run", "calm-heron").out.splitlines()
    assert lines[:3] == [
        "● calm-heron queued",
        f"  queued: {queued}",
        "  → Work begins when an operator asks for it: limosa doctor, or on this machine limosa demo status.",
    ]


def test_a_script_reads_the_reason_too(limosa, queued):
    facts = json.loads(limosa("get", "run", "calm-heron", "-o", "json").out)
    assert (facts["reason"], facts["reason_detail"]) == ("WaitingForCluster", queued)
