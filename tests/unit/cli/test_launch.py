"""`limosa launch`: what a launch plan fixes, and a run that is there already."""

import grpc
import pytest
from fake_admin import Refuse
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER
from limosa_model import values


@pytest.fixture
def plan(admin):
    """A registered launch plan that fixes n."""
    entity = pb.Entity(id=pb.EntityId(kind=pb.ENTITY_KIND_LAUNCH_PLAN, name="nightly", version="v1"))
    entity.launch_plan.fixed_inputs.literals["n"].CopyFrom(values.integer(3))
    admin.script["GetEntity"] = [entity]
    admin.script["GetInfo"] = [pb.GetInfoResponse(version="1")]
    made = Timestamp(seconds=1_700_000_000)
    admin.script["CreateRun"] = [pb.Run(name="ok2", uid="u", created_at=made)]
    return admin


@pytest.mark.parametrize("listed", [True, False])
def test_what_is_fixed_cannot_be_given(limosa, plan, place, listed):
    if listed:
        plan.script["GetEntity"][0].interface.inputs.add(name="n").type.simple = SIMPLE_TYPE_INTEGER
    result = limosa("launch", "nightly", "--n", "4")
    assert result.status == 2
    assert "n is fixed to 3 by the launch plan: leave it out" in result.err
    (place / "inputs.json").write_text('{"n": 4}')
    assert (
        "n is fixed to 3 by the launch plan"
        in limosa("launch", "nightly", "--inputs-file", "inputs.json").err
    )


def test_the_same_of_a_file(limosa, flow):
    assert "rows is fixed to 5 by the launch plan" in limosa("run", str(flow), "nightly", "--rows", "4").err


@pytest.mark.parametrize("there", [True, False])
def test_a_run_that_is_there_already_is_not_told_as_new(limosa, plan, there):
    plan.script["GetRun"] = [pb.RunDetail() if there else Refuse(grpc.StatusCode.NOT_FOUND, "no")]
    result = limosa("launch", "--name", "ok2", "--detach", "nightly")
    assert (result.status, result.out) == (0, "ok2\n")
    told = "run ok2 exists already (made 2023-11-14T22:13:20Z); this is that run"
    assert (told in result.err) == there


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nope"], "nothing is registered as 'nope'\n  at http"),
        (["nightli"], "→ did you mean 'flow.nightly'?"),
        (["--version", "v7", "flow.nightly"], "flow.nightly has no version v7"),
    ],
)
def test_a_name_that_nothing_has(limosa, admin, words, told):
    admin.script["GetEntity"] = [Refuse(grpc.StatusCode.NOT_FOUND, "no")]
    known = [pb.Entity(id=pb.EntityId(name=f"flow.{name}")) for name in ("nightly", *"abcdefghij")]
    admin.script["ListEntities"] = [pb.ListEntitiesResponse(entities=known)]
    result = limosa("launch", *words)
    assert result.status == 2
    assert told in result.err
    assert "flow.a" not in result.err


def test_the_last_part_of_a_name_is_enough(limosa, plan):
    found = plan.script["GetEntity"][0]
    plan.script["GetEntity"] = [*[Refuse(grpc.StatusCode.NOT_FOUND, "no")] * 3, found]
    known = pb.Entity(id=pb.EntityId(name="flow.nightly"))
    plan.script["ListEntities"] = [pb.ListEntitiesResponse(entities=[known])]
    assert limosa("launch", "--detach", "nightly").out == "ok2\n"
    asked = [request.id.name for method, request, _ in plan.calls if method == "GetEntity"]
    assert asked == ["nightly"] * 3 + ["flow.nightly"]


def test_only_the_newest_version_of_each_is_listed_unless_one_is_named(limosa, admin):
    versions = [
        pb.Entity(id=pb.EntityId(name=name, version=v)) for v in ("v2", "v1") for name in ("f.a", "f.b")
    ]
    admin.script["ListEntities"] = [pb.ListEntitiesResponse(entities=versions)]
    assert [line.split()[:2] for line in limosa("get", "tasks").out.splitlines()[1:]] == [
        ["f.a", "v2"],
        ["f.b", "v2"],
    ]
    admin.script["ListEntities"] = [pb.ListEntitiesResponse(entities=versions[::2])]
    assert [line.split()[1] for line in limosa("get", "tasks", "f.a").out.splitlines()[1:]] == ["v2", "v1"]


def test_priority_and_parallelism_reach_the_platform(limosa, plan):
    plan.script["GetRun"] = [Refuse(grpc.StatusCode.NOT_FOUND, "no")]
    result = limosa("launch", "--priority", "-5", "--max-parallelism", "3", "--detach", "nightly")
    assert result.status == 0
    asked = next(request for method, request, *_ in plan.calls if method == "CreateRun")
    assert (asked.priority, asked.max_parallelism) == (-5, 3)


@pytest.mark.parametrize("known", [True, False])
def test_a_project_that_nothing_was_registered_in_is_named(limosa, admin, known):
    entities = [pb.Entity(id=pb.EntityId(name="flow.wf"))] if known else []
    admin.script["ListRuns"] = [pb.ListRunsResponse()]
    admin.script["ListEntities"] = 2 * [pb.ListEntitiesResponse(entities=entities)]
    result = limosa("get", "runs", "-p", "nope")
    assert result.status == 0
    told = "nothing was ever registered in project 'nope', domain 'development'" in result.err
    assert told is not known
