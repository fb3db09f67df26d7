"""`limosa get run`: a run, and one of its nodes."""

import json

import pytest
import runs
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse, Run, RunDetail
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_model import values


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


def test_priority_and_parallelism_are_shown(limosa, queued, admin):
    detail = admin.script["GetRun"][0]
    detail.run.priority, detail.run.max_parallelism = 5, 3
    admin.script["GetRun"] = [detail, detail]
    admin.script["GetRunData"] *= 2
    shown = limosa("get", "run", "calm-heron").out.splitlines()
    assert [line.split() for line in shown[-2:]] == [["priority", "5"], ["max", "parallelism", "3"]]
    facts = json.loads(limosa("get", "run", "calm-heron", "-o", "json").out)
    assert (facts["priority"], facts["max_parallelism"]) == (5, 3)


@pytest.fixture
def failed(admin):
    """A run whose map n1 failed in item 2, at its second attempt."""
    made = runs.with_attempts()
    admin.script["GetRun"] = [RunDetail(run=made.run, closure=made.closure, snapshots=made.snapshots)]
    admin.script["GetRunData"] = [GetRunDataResponse(inputs=runs.INPUTS, note="outputs: none")]
    return admin


@pytest.mark.parametrize("node", ["n1", "try_penalty"])
def test_a_node_is_shown_by_path_or_name(limosa, failed, node):
    result = limosa("get", "run", "calm-heron-4f2a", node, "--index", "2")
    assert result.status == 0
    assert result.out.splitlines()[0] == "✗ calm-heron-4f2a n1[2] try_penalty failed"
    assert failed.calls[-1][1].node_path == "n1"
    assert failed.calls[-1][1].index == 2


def test_a_script_reads_a_node(limosa, failed):
    facts = json.loads(limosa("get", "run", "calm-heron-4f2a", "n1", "--index", "2", "-o", "json").out)
    assert (facts["path"], facts["index"], facts["phase"], facts["launches"]) == ("n1", 2, "failed", 2)
    assert facts["failure"]["exception"] == {"type": "ValueError", "message": "penalty is -1.0"}
    assert [(one["attempt"], one["phase"], one["exit_code"]) for one in facts["attempts"]] == [
        (1, "failed", 1),
        (2, "failed", 1),
    ]
    assert (facts["inputs"]["penalty"], facts["outputs"], facts["note"]) == (-1.0, None, "outputs: none")


def test_a_node_there_is_not_is_refused_with_those_there_are(limosa, failed):
    result = limosa("get", "run", "calm-heron-4f2a", "train")
    assert (result.status, result.out) == (2, "")
    assert "there is no node 'train'" in result.err
    assert "n0 clean, n1 try_penalty, n2 choose" in " ".join(result.err.split())


@pytest.fixture
def outputs(failed):
    """The same run, its node n0 having given a number."""
    literals = LiteralMap(literals={"o0": values.integer(7)})
    failed.script["GetRunData"] = [GetRunDataResponse(outputs=literals)]
    return failed


@pytest.mark.parametrize(
    ("words", "node", "directory"),
    [
        ([], "", "calm-heron-4f2a"),
        (["got"], "", "got"),
        (["clean"], "n0", "calm-heron-4f2a/n0"),
        (["n0", "got"], "n0", "got"),
        (["--node", "clean"], "n0", "calm-heron-4f2a/n0"),
        (["n1", "--index", "2"], "n1", "calm-heron-4f2a/n1/2"),
        (["./n9"], "", "n9"),
        (["--node", "n0", "got"], "n0", "got"),
        (["./clean"], "", "clean"),
    ],
)
def test_a_download_names_a_node_and_a_directory(limosa, outputs, place, words, node, directory):
    result = limosa("download", "calm-heron-4f2a", *words)
    assert result.status == 0, result.err
    assert (place / directory / "outputs.json").exists()
    request = next(request for method, request, _ in outputs.calls if method == "GetRunData")
    assert request.node_path == node
    item = "[2]" if "--index" in words else ""
    what = f"node {node}{item} of calm-heron-4f2a" if node else "calm-heron-4f2a"
    assert f"outputs of {what} go to {directory}" in result.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "got"], "there is no node 'train'"),
        (["n0", "got", "--node", "n0"], "the node is named twice"),
    ],
)
def test_a_download_that_is_not_clear_is_refused(limosa, outputs, place, words, message):
    result = limosa("download", "calm-heron-4f2a", *words)
    assert result.status == 2
    assert message in result.err
    assert not (place / "got").exists()


@pytest.mark.parametrize(("word", "hint"), [("n9", "write ./n9"), ("cleen", "did you mean clean?")])
def test_a_mistyped_node_makes_no_directory(limosa, outputs, place, word, hint):
    result = limosa("download", "calm-heron-4f2a", word)
    assert result.status == 2
    told = " ".join(result.err.split())
    assert f"there is no node '{word}'" in told
    assert hint in told
    assert not (place / word).exists()


def test_a_directory_that_is_there_may_be_called_like_a_node(limosa, outputs, place):
    (place / "n9").mkdir()
    assert limosa("download", "calm-heron-4f2a", "n9").status == 0
    assert (place / "n9" / "outputs.json").exists()


def test_a_script_reads_values_and_launches_of_a_run(limosa, failed):
    facts = json.loads(limosa("get", "run", "calm-heron-4f2a", "-o", "json").out)
    assert (facts["inputs"]["penalty"], facts["outputs"]) == (-1.0, None)
    assert [one["launches"] for one in facts["node_states"]] == [1, 4, 0]


def test_a_script_that_follows_a_run_reads_how_it_failed(limosa, failed):
    failed.script["WatchRun"] = [[runs.with_attempts()]]
    failed.script["TailLogs"] = [[]]
    result = limosa("watch", "calm-heron-4f2a", "-o", "json")
    assert result.status == 1
    facts = json.loads(result.out)
    assert (facts["name"], facts["phase"]) == ("calm-heron-4f2a", "failed")
    assert facts["failure"]["exception"] == {"type": "ValueError", "message": "penalty is -1.0"}
    assert limosa("watch", "calm-heron-4f2a").out == ""


def test_a_script_that_follows_a_run_reads_that_it_was_aborted(limosa, failed):
    failed.script["WatchRun"] = [[runs.ABORTED]]
    result = limosa("watch", "calm-heron-4f2a", "-o", "json")
    assert json.loads(result.out)["phase"] == "aborted"
