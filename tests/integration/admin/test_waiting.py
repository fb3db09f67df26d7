"""Why a run waits, on real Postgres with the clock handed in."""

import datetime as dt
import threading

import grpc
import pytest
import sqlalchemy as sa

from limosa_admin.identity import Role
from limosa_admin.rpc import run_service
from limosa_admin.store import claims, queue, runs
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model.digests import serialize


class Clock:
    """The real time, moved on."""

    def __init__(self) -> None:
        self.ahead = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return dt.datetime.now(dt.timezone.utc) + self.ahead

    def forward(self, seconds: float) -> None:
        self.ahead += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stand(make_stand, clock):
    stand = make_stand(clock=clock)
    stand.register()
    return stand


def run_id(name: str) -> pb.RunId:
    return pb.RunId(project="demo", domain="development", name=name)


def get(stand, name: str = "calm-heron-1") -> pb.Run:
    return stand.admin.runs.GetRun(pb.GetRunRequest(id=run_id(name))).run


def why(stand, name: str = "calm-heron-1") -> tuple[str, str]:
    reason = get(stand, name).state.reason
    return reason.code, reason.detail


def last_seen(stand, cluster: str = "c1") -> dt.datetime:
    with stand.database.transaction() as connection:
        found, _ = queue.known_clusters(connection)
    return next(known.last_seen for known in found if known.uid == cluster)


def at(when: dt.datetime, clock: Clock) -> str:
    """With the date where a test runs across midnight."""
    date = "" if when.date() == clock().date() else f"{when:%Y-%m-%d} "
    return f"{date}{when:%H:%M:%S} UTC"


def since(reason: run_pb2.Reason) -> dt.datetime:
    return reason.since.ToDatetime(tzinfo=dt.timezone.utc)


def test_without_any_cluster_a_run_says_so_from_the_start(stand) -> None:
    created = stand.create()
    assert created.state.reason.code == "WaitingForCluster"
    assert created.state.reason.detail == "no cluster has ever asked for work: is an operator running?"
    assert created.state.reason.since == created.created_at
    assert get(stand) == created


def test_when_the_clusters_are_gone_the_last_one_and_its_last_call_are_named(stand, clock) -> None:
    stand.sync("c1", slots=0)
    stand.sync("c2", slots=0)
    stand.create()
    clock.forward(25)
    assert why(stand)[0] == "WaitingForSlot"
    clock.forward(10)
    seen = at(last_seen(stand, "c2"), clock)
    assert why(stand) == (
        "WaitingForCluster",
        f"no cluster has asked for work since {seen} (last: c2-name)",
    )
    clock.ahead = dt.timedelta()
    stand.sync("c1", slots=0)
    assert why(stand)[0] == "WaitingForSlot"


def test_it_waits_since_the_last_call_where_that_came_after_it(stand, clock) -> None:
    run = stand.create()
    stand.sync(slots=0)
    clock.forward(60)
    assert abs(since(get(stand).state.reason) - last_seen(stand)).total_seconds() < 1e-5
    stand.create("calm-heron-2")
    later = get(stand, "calm-heron-2")
    assert later.state.reason.since == later.created_at
    assert later.created_at.ToNanoseconds() > run.created_at.ToNanoseconds()


def test_a_full_cluster_is_named_with_its_slots_and_the_runs_before(stand) -> None:
    for number in range(4):
        stand.create(f"run-{number}")
    stand.sync("c1", slots=0)
    slots = "cluster c1-name has 0 free slots"
    expected = ["no run is before it", "1 run is before it", "2 runs are before it", "3 runs are before it"]
    assert [why(stand, f"run-{n}") for n in range(4)] == [
        ("WaitingForSlot", f"{before}; {slots}") for before in expected
    ]
    listed = stand.admin.runs.ListRuns(pb.ListRunsRequest()).runs
    assert [run.state.reason.detail for run in listed] == [f"{before}; {slots}" for before in expected[::-1]]


def test_every_cluster_that_could_take_it_is_named(stand) -> None:
    stand.create("run-0")
    for number in range(5):
        stand.sync(f"c{number}", slots=0)
    assert why(stand, "run-0")[1] == (
        "no run is before it; cluster c0-name has 0 free slots, cluster c1-name has 0 free slots, "
        "cluster c2-name has 0 free slots, and 2 more have no more than that"
    )


def test_a_run_that_is_taken_or_has_ended_waits_for_nothing(stand, clock) -> None:
    stand.create()
    (desired,) = stand.sync()
    assert not get(stand).state.HasField("reason")
    stand.run_state(desired, run_pb2.RUN_PHASE_RUNNING)
    assert not get(stand).state.HasField("reason")
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED, seq=2)
    clock.forward(3600)
    assert not get(stand).state.HasField("reason")


def test_a_running_run_says_that_its_cluster_is_silent(stand, clock) -> None:
    stand.create()
    (desired,) = stand.sync()
    said = run_pb2.Reason(code="Upstream", detail="as published")
    stand.run_state(desired, run_pb2.RUN_PHASE_RUNNING, reason=said)
    clock.forward(25)
    assert why(stand) == ("Upstream", "as published")
    clock.forward(10)
    seen = last_seen(stand)
    reason = get(stand).state.reason
    assert reason.code == "ClusterSilent"
    assert reason.detail == (
        f"cluster c1-name has not been in contact since {at(seen, clock)}; what is shown is from then"
    )
    assert abs(since(reason) - seen).total_seconds() < 1e-5
    clock.ahead = dt.timedelta()
    stand.sync(slots=0)
    assert why(stand) == ("Upstream", "as published")


def test_a_queued_run_whose_cluster_went_away_names_it(stand, clock) -> None:
    stand.create()
    stand.sync()
    clock.forward(31)
    seen = at(last_seen(stand), clock)
    assert why(stand) == (
        "WaitingForCluster",
        f"cluster c1-name took it and has not been in contact since {seen}",
    )


def test_a_moment_of_another_day_has_its_date(stand, clock) -> None:
    stand.sync(slots=0)
    stand.create()
    clock.forward(86_400)
    assert why(stand)[1].endswith(f"since {last_seen(stand):%Y-%m-%d %H:%M:%S} UTC (last: c1-name)")


def test_only_clusters_that_serve_the_place_count(stand, clock) -> None:
    stand.create()
    stand.sync("c1", slots=0, namespaces=["demo-development"])
    stand.sync("c2", slots=5, namespaces=["other-development"])
    assert why(stand) == ("WaitingForSlot", "no run is before it; cluster c1-name has 0 free slots")
    clock.forward(31)
    with stand.database.transaction() as connection:
        connection.execute(sa.text("UPDATE clusters SET last_seen = :now WHERE uid = 'c2'"), {"now": clock()})
    seen = at(last_seen(stand), clock)
    assert why(stand)[1] == (
        f"no cluster that serves demo-development has asked for work since {seen} (last: c1-name)"
    )
    with stand.database.transaction() as connection:
        connection.execute(sa.text("DELETE FROM clusters WHERE uid = 'c1'"))
    assert why(stand) == ("WaitingForCluster", "no cluster serves demo-development")


def test_an_operator_limited_to_other_projects_does_not_count(stand) -> None:
    stand.create()
    limited = stand.client(stand.token(Role.OPERATOR, "other"))
    limited.operator.Sync(pb.SyncRequest(cluster_uid="c9", free_slots=5))
    assert why(stand) == ("WaitingForCluster", "no cluster serves demo-development")
    with pytest.raises(grpc.RpcError) as raised:
        stand.create("run-2")
    assert raised.value.details() == (
        "no cluster serves project 'demo' in domain 'development'; served are none of yours: "
        "ask whoever runs the platform to have yours served"
    )


def test_runs_of_other_places_are_before_it_only_where_they_want_the_same_cluster(stand, specs) -> None:
    other = pb.RegisterRequest(project="other", domain="development", version="v1")
    stand.register()
    other.closures.append(serialize(specs.chain()))
    stand.admin.registry.Register(other)
    stand.create("run-0", project="other")
    stand.create("run-1")
    stand.sync("c1", slots=0, namespaces=["demo-development"])
    assert why(stand, "run-1")[1].startswith("no run is before it")
    stand.sync("c1", slots=0, namespaces=["demo-development", "other-development"])
    assert why(stand, "run-1")[1].startswith("1 run is before it")


def test_a_long_queue_is_counted_only_so_far(stand, monkeypatch) -> None:
    monkeypatch.setattr(queue, "MOST_COUNTED", 2)
    for number in range(4):
        stand.create(f"run-{number}")
    stand.sync(slots=0)
    told = [why(stand, f"run-{number}")[1].partition(";")[0] for number in (2, 3)]
    assert told == ["2 runs are before it", "more than 2 runs are before it"]


def test_the_limit_of_a_place_is_named(make_stand, clock) -> None:
    stand = make_stand(clock=clock, max_active_runs=2)
    stand.register()
    for number in range(4):
        stand.create(f"run-{number}")
    stand.sync(slots=9)
    assert why(stand, "run-3") == (
        "WaitingForLimit",
        "demo-development has 2 runs under way and may have 2; 1 run is before it",
    )


def test_the_limit_of_a_launch_plan_is_named_with_the_run_that_has_it(stand) -> None:
    plan = wf.LaunchPlanSpec(name="demo.narrow", workflow="demo.wf", max_active_runs=1)
    stand.register(version="v2", launch_plans=[plan])
    for number in range(2):
        stand.create(f"run-{number}", target="demo.narrow")
    stand.sync(slots=9)
    assert why(stand, "run-1") == (
        "WaitingForLimit",
        "launch plan demo.narrow allows 1 run at once; run-0 is running",
    )


def test_a_run_that_nothing_holds_up_names_the_cluster_that_may_take_it(stand, clock) -> None:
    stand.create("run-0")
    stand.sync(slots=2)
    stand.create("run-1")
    assert why(stand, "run-1") == (
        "WaitingForCluster",
        "no run is before it; cluster c1-name may take it when it asks for work again "
        f"(last: {at(last_seen(stand), clock)})",
    )


def test_a_run_taken_since_its_row_was_read_waits_for_nothing(stand) -> None:
    stand.create()
    with stand.database.transaction() as connection:
        row = runs.find(connection, run_id("calm-heron-1"))
    stand.sync()
    assert row["cluster_uid"] is None
    assert not stand.parts.view.message(row).state.HasField("reason")


def test_a_run_of_a_cluster_that_was_given_up_waits_again(stand) -> None:
    stand.create()
    (desired,) = stand.sync()
    stand.run_state(desired, run_pb2.RUN_PHASE_RUNNING)
    with stand.database.transaction() as connection:
        claims.lose(connection, ["c1"])
    stand.sync(slots=0)
    run = get(stand)
    assert (run.state.phase, run.state.reason.code) == (run_pb2.RUN_PHASE_RUNNING, "WaitingForSlot")


def test_a_watch_tells_when_the_reason_changes_though_nothing_else_does(stand, clock, monkeypatch) -> None:
    monkeypatch.setattr(run_service, "WATCH_REREAD_S", 0.05)
    stand.create()
    (desired,) = stand.sync()
    stand.run_state(desired, run_pb2.RUN_PHASE_RUNNING)
    stand.publish(desired, ("n0", None, None, run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING)))
    updates: list[pb.RunUpdate] = []
    begun = threading.Event()

    def watch() -> None:
        for update in stand.admin.runs.WatchRun(pb.WatchRunRequest(id=run_id("calm-heron-1"))):
            updates.append(update)
            begun.set()
            if update.run.state.reason.code:
                return

    watching = threading.Thread(target=watch)
    watching.start()
    assert begun.wait(20)
    clock.forward(31)
    watching.join(20)
    assert not watching.is_alive()
    assert [update.run.state.reason.code for update in updates] == ["", "ClusterSilent"]
    assert [len(update.snapshots) for update in updates] == [1, 0]
