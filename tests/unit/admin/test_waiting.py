"""Reasons of runs from what is known of clusters and queue, without a database."""

import datetime as dt

import pytest

from limosa_admin import waiting
from limosa_admin.store.queue import Cluster, Scope
from limosa_idl.run.v1alpha1 import run_pb2

NOW = dt.datetime(2026, 3, 1, 13, 5, 42, tzinfo=dt.timezone.utc)
EVERYTHING = Scope((), ())


def cluster(name: str, seconds_ago: float, free_slots: int = 0, scope: Scope = EVERYTHING) -> Cluster:
    return Cluster(name, name, NOW - dt.timedelta(seconds=seconds_ago), free_slots, scope)


def detail(*clusters: Cluster, before: int = 0, active: int = 0, limit: int = 0) -> str:
    around = waiting.Queue(clusters, NOW, before, active, limit)
    reason = waiting.of_waiting("demo", "development", NOW - dt.timedelta(seconds=90), around)
    return f"{reason.code}: {reason.detail}"


def test_contact_ends_after_thirty_seconds() -> None:
    assert waiting.of_claimed(run_pb2.RUN_PHASE_RUNNING, cluster("lab", 30), NOW) is None
    reason = waiting.of_claimed(run_pb2.RUN_PHASE_RUNNING, cluster("lab", 31), NOW)
    assert reason is not None
    assert reason.detail == (
        "cluster lab has not been in contact since 13:05:11 UTC; what is shown is from then"
    )


@pytest.mark.parametrize(
    ("clusters", "before", "expected"),
    [
        ((), 0, "WaitingForCluster: no cluster has ever asked for work: is an operator running?"),
        (
            (cluster("old", 90), cluster("lab", 31)),
            0,
            "WaitingForCluster: no cluster has asked for work since 13:05:11 UTC (last: lab)",
        ),
        (
            (cluster("lab", 86_431),),
            0,
            "WaitingForCluster: no cluster has asked for work since 2026-02-28 13:05:11 UTC (last: lab)",
        ),
        (
            (cluster("gone", 90, 9), cluster("lab", 1, 3), cluster("edge", 1, 1)),
            4,
            "WaitingForSlot: 4 runs are before it; cluster lab has 3 free slots, cluster edge has 1 free slot",
        ),
        (
            (cluster("lab", 1, 3), cluster("edge", 1, 1)),
            3,
            "WaitingForCluster: 3 runs are before it; cluster lab may take it when it asks for work again "
            "(last: 13:05:41 UTC)",
        ),
        (
            (cluster("lab", 1, 3, Scope(("demo-staging",), ())), cluster("edge", 1, 3, Scope((), ("x",)))),
            0,
            "WaitingForCluster: no cluster serves demo-development",
        ),
    ],
)
def test_the_first_thing_that_is_in_the_way_is_named(
    clusters: tuple[Cluster, ...], before: int, expected: str
) -> None:
    assert detail(*clusters, before=before) == expected


def test_the_limit_is_named_only_where_it_holds_a_run_up() -> None:
    full = cluster("lab", 1, 3)
    assert detail(full, active=2, limit=2).startswith(
        "WaitingForLimit: demo-development has 2 runs under way"
    )
    assert detail(full, active=1, limit=2).startswith("WaitingForCluster: ")
    assert detail(cluster("lab", 60), active=2, limit=2).startswith("WaitingForCluster: no cluster has asked")


@pytest.mark.parametrize(
    ("limit", "names", "before", "expected"),
    [
        (1, ["a"], 0, "launch plan demo.lp allows 1 run at once; a is running"),
        (2, ["a", "b"], 0, "launch plan demo.lp allows 2 runs at once; a and b are running"),
        (
            5,
            list("abcde"),
            1,
            "launch plan demo.lp allows 5 runs at once; a, b, c and 2 more are running; 1 run is before it",
        ),
    ],
)
def test_a_launch_plan_that_is_full_is_named_with_the_runs_that_fill_it(
    limit: int, names: list[str], before: int, expected: str
) -> None:
    around = waiting.Queue([cluster("lab", 1, 9)], NOW, before, 0, 0, "demo.lp", limit, names)
    reason = waiting.of_waiting("demo", "development", NOW, around)
    assert (reason.code, reason.detail) == ("WaitingForLimit", expected)
    room = waiting.Queue([cluster("lab", 1, 9)], NOW, before, 0, 0, "demo.lp", limit + 1, names)
    assert waiting.of_waiting("demo", "development", NOW, room).code == "WaitingForCluster"
