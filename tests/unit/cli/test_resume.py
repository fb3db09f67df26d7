"""`limosa resume` says what is reused, warns of changed code, and starts nothing that it should not."""

import json

import pytest

from limosa_idl.admin.v1alpha1 import admin_pb2
from limosa_idl.admin.v1alpha1.admin_pb2 import ResumedNode, ResumeRunResponse, Run, RunDetail
from limosa_idl.run.v1alpha1 import run_pb2 as pb
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, Node, TaskNode, WorkflowSpec

NODES = [
    ResumedNode(node_path="n0", display_name="load", reused=True, code_changed=True),
    ResumedNode(
        node_path="n1", display_name="train", items=4, items_reused=3, detail="failed before", code_changed=True
    ),
    ResumedNode(node_path="n2", display_name="report", detail="it depends on n1, which runs", code_changed=True),
]  # fmt: skip


@pytest.fixture
def ended(admin):
    """A run that has ended, and what going on from it comes to."""
    state = pb.RunState(phase=pb.RUN_PHASE_FAILED)
    target = admin_pb2.EntityId(kind=admin_pb2.ENTITY_KIND_WORKFLOW, name="flow.flow", version="v1")
    nodes = [Node(id=node.node_path, display_name=node.display_name) for node in NODES]
    for node in nodes:
        node.task.CopyFrom(TaskNode(task="flow.train"))
    closure = Closure(entry="flow.flow", workflows=[WorkflowSpec(name="flow.flow", nodes=nodes)])
    admin.script["GetInfo"] = [admin_pb2.GetInfoResponse(version="1")]
    admin.script["GetRun"] = [
        RunDetail(run=Run(name="old-heron", state=state, target=target), closure=closure)
    ]
    admin.script["ResumeRun"] = [ResumeRunResponse(run=Run(name="new-heron", uid="u-1"), nodes=NODES)]
    return admin


def asked(admin):
    return [request for method, request, _ in admin.calls if method == "ResumeRun"]


def test_a_table_says_what_is_reused_and_why_the_rest_runs(limosa, ended):
    result = limosa("resume", "old-heron", "--detach")
    assert (result.status, result.out) == (0, "new-heron\n")
    lines = [line.rstrip() for line in result.err.splitlines()]
    assert "NODE  NAME    RESULT  WHY" in lines
    assert "n0    load    reused" in lines
    assert "n1    train   runs    failed before; of its 4 items 3 are reused" in lines
    assert "n2    report  runs    it depends on n1, which runs" in lines
    assert "run new-heron" in result.err


def test_what_changed_and_is_reused_is_warned_of(limosa, ended):
    told = " ".join(limosa("resume", "old-heron", "--detach").err.split())
    assert (
        "warning: the code of n0 (load) is of another version, its old result is reused; to run it again: --from n0"
        in told
    )
    assert (
        "warning: the code of n1 (train) is of another version, the results of 3 of its items are reused"
        in told
    )
    assert "n2 (report)" not in told


def test_a_dry_run_starts_nothing(limosa, ended):
    ended.script["ResumeRun"] = [ResumeRunResponse(nodes=NODES)]
    result = limosa("resume", "old-heron", "--dry-run")
    assert result.status == 0
    assert "n1    train   runs" in result.out
    [request] = asked(ended)
    assert request.dry_run
    facts = json.loads(limosa("resume", "old-heron", "--dry-run", "-o", "json").out)
    assert facts[1] == {
        "node": "n1", "name": "train", "reused": False, "items": 4, "items_reused": 3, "why": "failed before",
        "code_changed": True,
    }  # fmt: skip


@pytest.mark.parametrize("node", ["n1", "train"])
def test_nodes_are_named_by_path_or_name(limosa, ended, node):
    limosa("resume", "old-heron", "--from", node, "--detach")
    assert list(asked(ended)[0].from_nodes) == ["n1"]


def test_an_unknown_node_is_said_to_be_so_before_anything_is_asked(limosa, ended):
    result = limosa("resume", "old-heron", "--from", "deploy")
    assert result.status != 0
    assert "there is no node 'deploy'" in result.err
    assert "its nodes are n0 load, n1 train, n2 report" in result.err
    assert asked(ended) == []


def test_the_file_must_have_what_the_run_ran(limosa, ended, flow):
    ended.script["GetRun"][0].run.target.name = "flow.other"
    result = limosa("resume", "old-heron", "flow.py")
    assert result.status != 0
    assert "there is no task, workflow or launch plan 'flow.other' in it" in result.err
    assert asked(ended) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--dry-run", "--detach"), "--dry-run starts nothing: leave out --detach, --timeout and --name"),
        (("--copy", "all"), "--copy, --include and --image are about FILE: name it"),
        (("--name", "Bad Name", "--detach"), "is not a run name"),
        (("flow.py", "--col", "x"), "there is no option --col (did you mean --copy?); the new run takes RUN's inputs."),
        (("flow.py", "--col", "x"), "For a run with other inputs: limosa run --remote FILE --col …"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit(limosa, ended, arguments, told):
    result = limosa("resume", "old-heron", *arguments)
    assert result.status == 2
    assert told in " ".join(result.err.split())
    assert asked(ended) == []
