"""Child runs in admin: made once, told of, ended with their parents, claimed beside them."""

import concurrent.futures

import pytest

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import failures, values
from limosa_model.names import child_run_name, child_run_uid

PLAN = "demo.plan"
SUCCEEDED, FAILED, ABORTED = run_pb2.RUN_PHASE_SUCCEEDED, run_pb2.RUN_PHASE_FAILED, run_pb2.RUN_PHASE_ABORTED
RUNNING, PARKED, QUEUED = run_pb2.RUN_PHASE_RUNNING, run_pb2.RUN_PHASE_PARKED, run_pb2.RUN_PHASE_QUEUED


def register(stand, limit=0, version="v1"):
    plan = wf.LaunchPlanSpec(name=PLAN, workflow="demo.wf", max_active_runs=limit)
    stand.register(version=version, launch_plans=[plan])


def ask(stand, parent, *paths, cluster="c1", abort=False, target=PLAN, version="", **inputs):
    """What admin says of the children at some nodes of a claimed parent."""
    children = []
    for path in paths:
        child = pb.LaunchChildrenRequest.Child(
            run_uid=parent.run_uid, node_path=path, epoch=parent.epoch, abort=abort
        )
        if target:
            child.target.name, child.target.version = target, version
        for key, value in inputs.items():
            child.inputs.literals[key].CopyFrom(values.integer(value))
        children.append(child)
    request = pb.LaunchChildrenRequest(cluster_uid=cluster, children=children)
    return list(stand.operator.operator.LaunchChildren(request).children)


def claimed(stand, cluster="c1", slots=0, most=0, runs=()):
    """What a cluster should have and does not say that it has, by the runs' names."""
    request = pb.SyncRequest(cluster_uid=cluster, free_slots=slots, slots=most, runs=runs)
    return {run.spec.name: run for run in stand.operator.operator.Sync(request).runs if run.HasField("spec")}


@pytest.fixture
def parent(stand):
    register(stand)
    stand.create("calm-heron-1")
    return claimed(stand, slots=1)["calm-heron-1"]


def test_a_child_is_made_once_under_a_name_that_follows_from_its_parent(stand, parent):
    first, second = ask(stand, parent, "n0", "s/n1", x=4)
    again = ask(stand, parent, "n0", "s/n1", x=4)
    assert [first.name, second.name] == [state.name for state in again]
    assert first.name == child_run_name("calm-heron-1", parent.run_uid, "n0")
    assert first.run_uid == child_run_uid(parent.run_uid, "n0")
    assert first.state.phase == QUEUED
    names = [run.name for run in stand.admin.runs.ListRuns(pb.ListRunsRequest(project="demo")).runs]
    assert sorted(names) == sorted([first.name, second.name, "calm-heron-1"])


def test_a_child_is_of_its_parents_version_and_inherits_what_the_run_was_asked_with(stand):
    register(stand)
    request = pb.CreateRunRequest(project="demo", domain="development", name="calm-heron-1", priority=7)
    request.target.name, request.max_parallelism, request.annotations["a"] = "demo.wf", 3, "b"
    request.cache_mode = run_pb2.CACHE_MODE_SKIP
    stand.admin.runs.CreateRun(request)
    parent = claimed(stand, slots=1)["calm-heron-1"]
    plan = wf.LaunchPlanSpec(
        name=PLAN, workflow="demo.wf", fixed_inputs={"literals": {"x": values.integer(9)}}
    )
    stand.register(version="v2", launch_plans=[plan])
    child = ask(stand, parent, "n0", x=4)[0]
    run = stand.admin.runs.GetRun(pb.GetRunRequest(id=run_id(child.name))).run
    assert (run.target.name, run.target.version, run.priority) == (PLAN, "v1", 7)
    assert (run.parent.run_name, run.parent.node_path, run.parent.depth) == ("calm-heron-1", "n0", 1)
    spec = claimed(stand, slots=0)[child.name].spec
    assert (spec.version, spec.priority, spec.max_parallelism, spec.annotations["a"]) == ("v1", 7, 3, "b")
    assert (spec.cache_mode, spec.parent.run_uid) == (run_pb2.CACHE_MODE_SKIP, parent.run_uid)
    assert ask(stand, parent, "n1", version="v2")[0].name


def run_id(name):
    return pb.RunId(project="demo", domain="development", name=name)


def test_a_child_that_was_never_made_is_missing(stand, parent):
    state = ask(stand, parent, "n0", target="")[0]
    assert (state.failure.code, state.failure.retryable) == ("ChildMissing", True)
    state = ask(stand, parent, "n0", abort=True)[0]
    assert (state.failure.code, state.HasField("state")) == ("ChildMissing", False)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (
            {"version": "v9", "x": 1},
            failures.Code.CHILD_REFUSED,
            "launch plan 'demo.plan' version v9 in demo/development does not exist; other versions have it",
        ),
        (
            {"target": "demo.plam"},
            "ChildRefused",
            "launch plan 'demo.plam' version v1 in demo/development does not exist; did you mean",
        ),
        ({"y": 4}, "ChildRefused", "there is no such input"),
    ],
)
def test_a_child_that_cannot_be_made_is_a_users_failure(stand, parent, options, code, says):
    failure = ask(stand, parent, "n0", **options)[0].failure
    assert (failure.code, failure.retryable, failure.kind) == (code, False, failures.FAILURE_KIND_USER)
    assert says in failure.message


def test_only_the_claim_that_stands_makes_children(stand, parent):
    assert ask(stand, parent, "n0", cluster="c2")[0].failure.code == "StaleClaim"
    older = pb.DesiredRun(run_uid=parent.run_uid, epoch=run_pb2.Epoch(generation=1, number=0))
    assert ask(stand, older, "n0")[0].failure.code == "StaleClaim"


def test_a_parent_that_is_over_launches_nothing(stand, parent):
    stand.run_state(parent, FAILED)
    failure = ask(stand, parent, "n0")[0].failure
    assert (failure.code, failure.retryable) == ("Aborted", False)


def test_a_childs_end_is_told_with_its_outputs(stand, parent):
    child = ask(stand, parent, "n0", x=4)[0]
    run = claimed(stand, slots=0)[child.name]
    outputs = {"literals": {"o0": values.integer(16)}}
    stand.run_state(run, SUCCEEDED, outputs=outputs)
    state = ask(stand, parent, "n0", target="")[0].state
    assert (state.phase, state.outputs.literals["o0"].primitive.integer) == (SUCCEEDED, 16)


def test_a_failed_childs_failure_is_told(stand, parent):
    child = ask(stand, parent, "n0", x=4)[0]
    run = claimed(stand, slots=0)[child.name]
    stand.run_state(run, FAILED, failure=failures.user("UserException", "boom"))
    state = ask(stand, parent, "n0", target="")[0].state
    assert (state.phase, state.failure.message) == (FAILED, "boom")


def test_a_child_is_ended_when_its_parent_asks(stand, parent):
    queued, running = ask(stand, parent, "n0", "n1")
    run = claimed(stand, slots=0)[running.name]
    queued = ask(stand, parent, "n2")[0]
    assert ask(stand, parent, "n2", abort=True, target="")[0].state.phase == ABORTED
    ask(stand, parent, "n1", abort=True, target="")
    wanted = {one.run_uid: one for one in stand.sync(slots=0)}
    assert wanted[run.run_uid].desired == pb.DESIRED_ABORT
    assert "calm-heron-1" in wanted[run.run_uid].abort_reason
    assert queued.name


def test_a_parent_that_is_to_be_aborted_launches_nothing_and_does_not_fail_by_it(stand, parent):
    """Its operator may ask before it hears of the abort: the answer has it wait for that."""
    stand.admin.runs.AbortRun(pb.AbortRunRequest(id=run_id("calm-heron-1")))
    state = ask(stand, parent, "n0")[0]
    assert not state.name
    assert state.failure.retryable
    assert "is to be aborted" in state.failure.message
    assert ask(stand, parent, "n0", abort=True, target="")[0].failure.code == failures.Code.CHILD_MISSING


def test_children_are_ended_when_their_parent_is_over(stand, parent):
    child = ask(stand, parent, "n0")[0]
    run = claimed(stand, slots=0)[child.name]
    grandchild = ask(stand, run, "n0")[0]
    stand.run_state(parent, FAILED)
    wanted = {one.run_uid: one.desired for one in stand.sync(slots=0)}
    assert wanted[run.run_uid] == pb.DESIRED_ABORT
    stand.run_state(run, ABORTED)
    wanted = {one.run_uid: one.desired for one in stand.sync(slots=0)}
    assert wanted[grandchild.run_uid] == pb.DESIRED_ABORT


def test_children_nest_to_a_depth(make_stand):
    stand = make_stand(max_child_depth=2)
    register(stand)
    stand.create("calm-heron-1")
    run = claimed(stand, slots=1)["calm-heron-1"]
    for _ in range(2):
        child = ask(stand, run, "n0")[0]
        run = claimed(stand, slots=0)[child.name]
    failure = ask(stand, run, "n0")[0].failure
    assert (failure.code, failure.retryable) == ("TooDeep", False)
    assert "end the recursion earlier" in failure.message
    assert "LIMOSA_ADMIN_MAX_CHILD_DEPTH" in failure.message


def test_a_cluster_of_one_slot_takes_three_nested_children(stand):
    """Each level waits for the next one; none of them is parked yet as far as admin knows."""
    register(stand)
    stand.create("calm-heron-1")
    stand.create("other-heron-1")
    run = claimed(stand, slots=1)["calm-heron-1"]
    chain = [run]
    for depth in range(3):
        child = ask(stand, run, "n0")[0]
        run = claimed(stand, slots=0, runs=reports(chain))[child.name]
        assert run.spec.parent.depth == depth + 1
        chain.append(run)


def reports(chain):
    return [pb.RunReport(run_uid=run.run_uid, epoch=run.epoch, phase=RUNNING) for run in chain]


def test_of_each_depth_a_cluster_takes_as_many_children_as_it_has_slots(stand, parent):
    names = [state.name for state in ask(stand, parent, "n0", "n1", "n2")]
    first = claimed(stand, slots=0, most=2)
    assert sorted(first) == sorted(["calm-heron-1", *names[:2]])
    deeper = ask(stand, first[names[0]], "n0")[0]
    assert deeper.name in claimed(stand, slots=0, most=2)
    stand.run_state(first[names[0]], PARKED)
    assert names[2] in claimed(stand, slots=0, most=2)


def test_children_go_to_their_parents_cluster_only(stand, parent):
    child = ask(stand, parent, "n0")[0]
    assert claimed(stand, cluster="c2", slots=10) == {}
    assert child.name in claimed(stand, slots=0)


def test_a_launch_plans_limit_of_one_lets_it_call_itself(make_stand):
    stand = make_stand()
    register(stand, limit=1)
    stand.create("calm-heron-1", target=PLAN)
    stand.create("later-heron-1", target=PLAN)
    run = claimed(stand, slots=10)["calm-heron-1"]
    for _ in range(3):
        child, other = ask(stand, run, "n0", "n1")
        taken = claimed(stand, slots=10)
        assert child.name in taken
        assert not {other.name, "later-heron-1"} & set(taken)
        run = taken[child.name]


def test_a_project_domains_limit_of_one_lets_a_run_wait_for_its_child(make_stand):
    stand = make_stand(max_active_runs=1)
    register(stand)
    stand.create("calm-heron-1")
    stand.create("later-heron-1")
    run = claimed(stand, slots=10)["calm-heron-1"]
    child, other = ask(stand, run, "n0", "n1")
    taken = claimed(stand, slots=10)
    assert child.name in taken
    assert not {other.name, "later-heron-1"} & set(taken)
    stand.run_state(taken[child.name], SUCCEEDED)
    assert other.name in claimed(stand, slots=10)


def test_a_child_cannot_be_deleted_while_its_parent_needs_it(stand, parent):
    child = ask(stand, parent, "n0", x=4)[0]
    run = claimed(stand, slots=0)[child.name]
    stand.run_state(run, SUCCEEDED)
    with pytest.raises(Exception, match="are used by run 'calm-heron-1', which is under way"):
        stand.admin.runs.DeleteRun(pb.DeleteRunRequest(id=run_id(child.name)))
    stand.run_state(parent, SUCCEEDED)
    stand.admin.runs.DeleteRun(pb.DeleteRunRequest(id=run_id(child.name)))


def test_a_child_wakes_a_cluster_that_has_no_free_slot(stand, parent):
    report = pb.RunReport(run_uid=parent.run_uid, epoch=parent.epoch, phase=RUNNING)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(stand.sync, slots=0, wait_ms=20_000, runs=[report])
        child = ask(stand, parent, "n0")[0]
        assert child.run_uid in [run.run_uid for run in waiting.result(15)]
