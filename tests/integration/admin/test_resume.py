"""Runs that go on from runs that have ended: what is asked for, refused, kept and handed to operators."""

import grpc
import pytest

from limosa_admin.identity import Role
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import layout, values

OLD = "calm-heron-1"


def run_id(name: str = OLD) -> pb.RunId:
    return pb.RunId(project="demo", domain="development", name=name)


def refused(call, code: grpc.StatusCode) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert raised.value.code() == code, raised.value.details()
    return str(raised.value.details())


def resume(stand, name: str = "new-heron", **more):
    return stand.admin.runs.ResumeRun(pb.ResumeRunRequest(id=run_id(), name=name, **more))


@pytest.fixture
def ended(stand):
    """A run of two nodes, the second of which failed; its uid."""
    stand.register()
    run = stand.create(OLD, x=3)
    [desired] = stand.sync()
    done = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED, kind="task")
    failed = run_pb2.NodeState(phase=run_pb2.NODE_PHASE_FAILED, kind="task")
    stand.publish(desired, ("n0", None, None, done), ("n1", None, None, failed))
    stand.run_state(desired, run_pb2.RUN_PHASE_FAILED, seq=2)
    return run.uid


def specs_of(stand) -> dict[str, run_pb2.RunSpec]:
    return {desired.spec.name: desired.spec for desired in stand.sync()}


def test_the_operator_is_told_where_the_earlier_results_lie(stand, ended) -> None:
    answer = resume(stand)
    assert (answer.run.name, answer.run.resumed_from) == ("new-heron", OLD)
    assert [(row.node_path, row.reused, row.detail) for row in answer.nodes] == [
        ("n0", True, ""),
        ("n1", False, "failed before"),
    ]
    spec = specs_of(stand)["new-heron"]
    assert spec.reuse.run_prefix == layout.run_prefix("demo", "development", OLD, ended)
    assert (spec.reuse.run_name, list(spec.reuse.except_nodes)) == (OLD, [])
    assert spec.inputs.literals["x"] == values.integer(3)
    assert stand.admin.runs.GetRun(pb.GetRunRequest(id=run_id("new-heron"))).run.resumed_from == OLD


def test_what_is_asked_for_runs_with_what_depends_on_it(stand, ended) -> None:
    answer = resume(stand, from_nodes=["n0"])
    assert [row.reused for row in answer.nodes] == [False, False]
    assert list(specs_of(stand)["new-heron"].reuse.except_nodes) == ["n0", "n1"]
    # Nor does it take what another run keeps in the cache.
    assert specs_of(stand)["new-heron"].cache_mode == run_pb2.CACHE_MODE_OVERWRITE


def test_a_node_that_does_not_exist_is_named_with_those_that_do(stand, ended) -> None:
    told = refused(lambda: resume(stand, from_nodes=["n7"]), grpc.StatusCode.NOT_FOUND)
    assert "node 'n7' of run 'calm-heron-1' does not exist" in told
    assert "n0" in told or "n1" in told


def test_a_dry_run_only_says_what_would_be(stand, ended) -> None:
    answer = resume(stand, dry_run=True)
    assert not answer.HasField("run")
    assert [row.reused for row in answer.nodes] == [True, False]
    refused(
        lambda: stand.admin.runs.GetRun(pb.GetRunRequest(id=run_id("new-heron"))), grpc.StatusCode.NOT_FOUND
    )


def test_the_same_request_is_the_same_run(stand, ended) -> None:
    first = resume(stand).run
    assert resume(stand).run.uid == first.uid
    told = refused(lambda: resume(stand, from_nodes=["n0"]), grpc.StatusCode.ALREADY_EXISTS)
    assert "choose another name" in told
    refused(lambda: stand.create("new-heron", x=3), grpc.StatusCode.ALREADY_EXISTS)


def test_a_run_that_has_not_ended_cannot_be_resumed(stand) -> None:
    stand.register()
    stand.create(OLD, x=3)
    told = refused(lambda: resume(stand), grpc.StatusCode.FAILED_PRECONDITION)
    assert "run 'calm-heron-1' has not ended; wait for its end, or abort it first: limosa abort" in told


def test_a_run_that_does_not_exist_cannot_be_resumed(stand) -> None:
    assert "calm-heron-1" in refused(lambda: resume(stand), grpc.StatusCode.NOT_FOUND)


def changed(specs, **inputs: int | None) -> wf.Closure:
    """The chain with other inputs beside x, by default value; None: required."""
    closure = specs.chain()
    for name, default in inputs.items():
        variable = closure.workflows[0].interface.inputs.add(name=name, type=specs.integer)
        if default is not None:
            variable.default_value.CopyFrom(values.integer(default))
    return closure


def test_another_version_takes_the_old_inputs_and_its_own_defaults(stand, specs, ended) -> None:
    stand.register(changed(specs, y=8), version="v2")
    assert resume(stand, version="v2").run.target.version == "v2"
    inputs = specs_of(stand)["new-heron"].inputs.literals
    assert {name: values.to_plain(literal) for name, literal in inputs.items()} == {"x": 3, "y": 8}


def test_an_input_that_is_gone_is_left_out(stand, specs, ended) -> None:
    closure = changed(specs, y=8)
    del closure.workflows[0].interface.inputs[0]
    closure.workflows[0].nodes[0].inputs[0].data.input.name = "y"
    stand.register(closure, version="v2")
    resume(stand, version="v2")
    assert list(specs_of(stand)["new-heron"].inputs.literals) == ["y"]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_new_input_without_a_default_is_refused_by_name(stand, specs, ended, dry_run: bool) -> None:
    stand.register(changed(specs, y=None), version="v2")
    told = refused(lambda: resume(stand, version="v2", dry_run=dry_run), grpc.StatusCode.INVALID_ARGUMENT)
    assert "[MissingInput] y: this input is required" in told


def test_an_unknown_version_is_said_to_be_so(stand, ended) -> None:
    assert "version v9" in refused(lambda: resume(stand, version="v9"), grpc.StatusCode.NOT_FOUND)


def test_what_is_resumed_cannot_be_deleted_before_its_successor_has_ended(stand, ended) -> None:
    resume(stand)
    delete = pb.DeleteRunRequest(id=run_id())
    told = refused(lambda: stand.admin.runs.DeleteRun(delete), grpc.StatusCode.FAILED_PRECONDITION)
    assert "results of run 'calm-heron-1' are used by run 'new-heron', which is under way" in told
    stand.admin.runs.AbortRun(pb.AbortRunRequest(id=run_id("new-heron")))
    stand.admin.runs.DeleteRun(delete)
    # Whose name it was stays known.
    assert stand.admin.runs.GetRun(pb.GetRunRequest(id=run_id("new-heron"))).run.resumed_from == OLD


def test_annotations_of_the_new_run_count(stand, ended) -> None:
    resume(stand, annotations={"who": "me"})
    assert dict(specs_of(stand)["new-heron"].annotations) == {"who": "me"}


def test_who_may_not_create_runs_may_not_resume_them(stand, ended) -> None:
    viewer = stand.client(stand.token(Role.VIEWER))
    request = pb.ResumeRunRequest(id=run_id(), name="new-heron")
    refused(lambda: viewer.runs.ResumeRun(request), grpc.StatusCode.PERMISSION_DENIED)
    other = stand.client(stand.token(Role.CONTRIBUTOR, "other"))
    refused(lambda: other.runs.ResumeRun(request), grpc.StatusCode.PERMISSION_DENIED)
