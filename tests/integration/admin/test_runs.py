import concurrent.futures

import grpc
import pytest

from limosa_admin.identity import Role
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import layout, values


def run_id(name: str = "calm-heron-1") -> pb.RunId:
    return pb.RunId(project="demo", domain="development", name=name)


def refused(call, code: grpc.StatusCode) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert raised.value.code() == code, raised.value.details()
    return raised.value


def test_the_same_request_is_the_same_run(stand) -> None:
    stand.register()
    first = stand.create(x=3)
    stand.register(version="v2")
    assert stand.create(x=3).uid == first.uid
    details = refused(lambda: stand.create(x=4), grpc.StatusCode.ALREADY_EXISTS).details()
    assert "calm-heron-1" in details
    assert "choose another name" in details


def test_clients_that_ask_at_once_make_one_run(stand) -> None:
    stand.register()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda _: stand.create(x=3).uid, range(12)))
    assert len(set(made)) == 1
    assert len(stand.sync()) == 1


def test_a_run_without_a_name_is_given_one(stand) -> None:
    stand.register()
    assert stand.create("").name.count("-") == 2


def test_all_wrong_inputs_are_listed_and_travel_as_a_failure(stand, specs) -> None:
    stand.register(specs.chain(default=None))
    request = pb.CreateRunRequest(project="demo", domain="development", name="a")
    request.target.name = "demo.wf"
    request.inputs.literals["y"].CopyFrom(values.integer(1))
    error = refused(lambda: stand.admin.runs.CreateRun(request), grpc.StatusCode.INVALID_ARGUMENT)
    assert "[UnknownInput] y: there is no such input" in error.details()
    assert "[MissingInput] x: this input is required; give a value of type int" in error.details()
    trailing = dict(error.trailing_metadata())
    assert Failure.FromString(trailing["limosa-failure-bin"]).code == "BadInput"
    assert trailing["limosa-request-id"]
    request.inputs.literals.clear()
    request.inputs.literals["x"].CopyFrom(values.string("two"))
    error = refused(lambda: stand.admin.runs.CreateRun(request), grpc.StatusCode.INVALID_ARGUMENT)
    assert "[InputType] x" in error.details()


@pytest.mark.parametrize(
    ("change", "code", "expected"),
    [
        ({"name": "Bad Name"}, grpc.StatusCode.INVALID_ARGUMENT, "is not a run name"),
        ({"domain": "prod"}, grpc.StatusCode.INVALID_ARGUMENT, "there is no domain 'prod'"),
        (
            {"target": pb.EntityId(name="demo.wv")},
            grpc.StatusCode.NOT_FOUND,
            "entity 'demo.wv' in demo/development does not exist; did you mean 'demo.wf'?",
        ),
        (
            {"target": pb.EntityId(name="demo.wf", version="v9", kind=pb.ENTITY_KIND_WORKFLOW)},
            grpc.StatusCode.NOT_FOUND,
            "workflow 'demo.wf' version v9",
        ),
        (
            {"annotations": {"note": "x" * 40_000}},
            grpc.StatusCode.INVALID_ARGUMENT,
            "labels and annotations have 40004 characters",
        ),
        (
            {"max_parallelism": 3_000_000_000},
            grpc.StatusCode.INVALID_ARGUMENT,
            "max_parallelism is 3000000000",
        ),
        (
            {"target": pb.EntityId(name="demo.wf", project="other")},
            grpc.StatusCode.INVALID_ARGUMENT,
            "of project 'other'",
        ),
    ],
)
def test_bad_requests_name_what_is_wrong(stand, change, code: grpc.StatusCode, expected: str) -> None:
    stand.register()
    target = pb.EntityId(name="demo.wf")
    fields = {"project": "demo", "domain": "development", "name": "a", "target": target, **change}
    assert (
        expected in refused(lambda: stand.admin.runs.CreateRun(pb.CreateRunRequest(**fields)), code).details()
    )


def test_inputs_that_a_run_cannot_carry_are_refused_with_the_remedy(stand, specs) -> None:
    many = specs.task("demo.many")
    many.interface.inputs[0].type.CopyFrom(LiteralType(collection=specs.integer))
    stand.register(tasks=[many.SerializeToString()])
    request = pb.CreateRunRequest(project="demo", domain="development", name="a")
    request.target.name = "demo.many"
    numbers = values.collection([values.integer(number) for number in range(60_000)])
    request.inputs.literals["x"].CopyFrom(numbers)
    error = refused(lambda: stand.admin.runs.CreateRun(request), grpc.StatusCode.INVALID_ARGUMENT)
    assert "a run takes at most 262144; pass large values as File" in error.details()


def test_a_launch_plan_fills_in_and_fixes_inputs(stand, specs) -> None:
    plan = wf.LaunchPlanSpec(name="demo.plan", workflow="demo.wf", labels={"team": "a", "kind": "plan"})
    plan.default_inputs.literals["x"].CopyFrom(values.integer(7))
    fixed = wf.LaunchPlanSpec(name="demo.fixed", workflow="demo.wf")
    fixed.fixed_inputs.literals["x"].CopyFrom(values.integer(9))
    stand.register(specs.chain(default=None), launch_plans=[plan, fixed])
    request = pb.CreateRunRequest(project="demo", domain="development", name="a", labels={"team": "b"})
    request.target.name = "demo.plan"
    run = stand.admin.runs.CreateRun(request)
    assert dict(run.labels) == {"team": "b", "kind": "plan"}
    assert run.target.kind == pb.ENTITY_KIND_LAUNCH_PLAN
    stand.create("b", target="demo.plan", x=1)
    stand.create("c", target="demo.fixed")
    given = [desired.spec.inputs.literals["x"].primitive.integer for desired in stand.sync()]
    assert given == [7, 1, 9]
    error = refused(lambda: stand.create("d", target="demo.fixed", x=1), grpc.StatusCode.INVALID_ARGUMENT)
    assert "the launch plan fixes this input" in error.details()


def test_lists_filter_and_go_on_page_by_page(stand) -> None:
    stand.register()
    for number in range(5):
        stand.create(f"run-{number}")
    stand.create("other-0", target="demo.double", x=1)
    for desired in stand.sync()[:2]:
        stand.run_state(
            desired, run_pb2.RUN_PHASE_SUCCEEDED, outputs=LiteralMap(literals={"o0": values.integer(1)})
        )
    request = pb.ListRunsRequest(project="demo", domain="development", target="demo.wf", limit=2)
    names = []
    while True:
        page = stand.admin.runs.ListRuns(request)
        names += [run.name for run in page.runs]
        # A run that comes meanwhile shifts nothing.
        stand.create(f"late-{len(names)}")
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert names == ["run-4", "run-3", "run-2", "run-1", "run-0"]
    done = stand.admin.runs.ListRuns(pb.ListRunsRequest(phases=[run_pb2.RUN_PHASE_SUCCEEDED])).runs
    assert [run.name for run in done] == ["run-1", "run-0"]
    assert not done[0].state.HasField("outputs")


def test_lists_hold_only_the_projects_of_the_token(stand) -> None:
    stand.register()
    stand.create()
    other = stand.client(stand.token(Role.VIEWER, "other"))
    assert list(other.runs.ListRuns(pb.ListRunsRequest()).runs) == []
    refused(
        lambda: other.runs.ListRuns(pb.ListRunsRequest(project="demo")), grpc.StatusCode.PERMISSION_DENIED
    )


def test_delete_takes_the_objects_along_and_frees_the_name(stand) -> None:
    stand.register()
    run = stand.create(x=1)
    (desired,) = stand.sync()
    error = refused(
        lambda: stand.admin.runs.DeleteRun(pb.DeleteRunRequest(id=run_id())),
        grpc.StatusCode.FAILED_PRECONDITION,
    )
    assert "limosa abort calm-heron-1" in error.details()
    prefix = layout.run_prefix("demo", "development", run.name, run.uid)
    stand.store.put(layout.commit_key(prefix, "n0", None), b"x")
    stand.publish(desired, ("n0", None, None, run_pb2.NodeState(phase=run_pb2.NODE_PHASE_SUCCEEDED)))
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED)
    stand.admin.runs.DeleteRun(pb.DeleteRunRequest(id=run_id()))
    assert list(stand.store.list(prefix)) == []
    refused(lambda: stand.admin.runs.GetRun(pb.GetRunRequest(id=run_id())), grpc.StatusCode.NOT_FOUND)
    report = pb.RunReport(run_uid=run.uid, epoch=desired.epoch)
    assert [answer.desired for answer in stand.sync(runs=[report])] == [pb.DESIRED_FORGET]
    assert stand.create(x=2).uid != run.uid


def test_info_tells_who_is_known(stand) -> None:
    info = stand.admin.server.GetInfo(pb.GetInfoRequest())
    assert (info.identity.subject, info.identity.role) == ("admin@test", "admin")
    assert info.console_url == "http://pages.test"
    assert info.storage_root == stand.settings.store.url
    for token in (None, "wrong"):
        assert not stand.client(token).server.GetInfo(pb.GetInfoRequest()).HasField("identity")
