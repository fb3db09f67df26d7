"""Room for pods: limits, and who gets what becomes free."""

from limosa_propeller.runs.capacity import KEPT_SECONDS, Capacity, Limits


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def fill(capacity: Capacity, run: str, count: int, namespace: str = "a", **options: bool) -> None:
    for number in range(count):
        capacity.add(namespace, f"{run}-{number}", run, **options)


def test_each_pod_is_counted_once() -> None:
    capacity = Capacity(Limits(per_namespace=1, per_cluster=2))
    capacity.add("a", "p", "r")
    capacity.add("a", "p", "r")
    assert "limit is 1" in capacity.shortage("a", "r")
    assert capacity.shortage("b", "s") == ""
    capacity.add("b", "p", "s")
    assert "of the cluster" in capacity.shortage("c", "t")
    capacity.remove("a", "p")
    capacity.remove("a", "p")
    assert capacity.shortage("a", "r") == ""


def test_what_becomes_free_is_kept_for_the_waiting_run_with_fewer_pods() -> None:
    capacity = Capacity(Limits(per_namespace=100, per_cluster=4))
    fill(capacity, "large", 4)
    assert capacity.shortage("a", "small")
    capacity.remove("a", "large-0")
    assert "for runs that have fewer" in capacity.shortage("a", "large")
    assert capacity.shortage("a", "small") == ""


def test_runs_with_as_many_pods_do_not_wait_for_each_other() -> None:
    capacity = Capacity(Limits(per_namespace=100, per_cluster=4))
    fill(capacity, "one", 2)
    fill(capacity, "two", 2)
    assert capacity.shortage("a", "one")
    assert capacity.shortage("a", "two")
    capacity.remove("a", "one-0")
    assert capacity.shortage("a", "one") == ""


def test_where_there_is_room_for_all_who_wait_nobody_is_refused() -> None:
    capacity = Capacity(Limits(per_namespace=100, per_cluster=4))
    fill(capacity, "large", 4)
    assert capacity.shortage("a", "small")
    capacity.remove("a", "large-0")
    capacity.remove("a", "large-1")
    assert capacity.shortage("a", "large") == ""


def test_a_project_domains_room_is_kept_for_its_own_runs_only() -> None:
    capacity = Capacity(Limits(per_namespace=2, per_cluster=100))
    fill(capacity, "large", 2)
    fill(capacity, "elsewhere", 2, namespace="b")
    assert capacity.shortage("b", "other")
    capacity.remove("a", "large-0")
    assert capacity.shortage("a", "large") == ""


def test_a_run_that_asks_no_more_is_not_waited_for() -> None:
    clock = Clock()
    capacity = Capacity(Limits(per_namespace=100, per_cluster=4), clock)
    fill(capacity, "large", 4)
    assert capacity.shortage("a", "gone")
    capacity.remove("a", "large-0")
    clock.now = KEPT_SECONDS + 0.1
    assert capacity.shortage("a", "large") == ""


def test_a_run_whose_pods_fit_on_no_node_gets_no_further_ones_and_others_do() -> None:
    capacity = Capacity(Limits(100, 100, unschedulable_per_run=2, unschedulable=5))
    fill(capacity, "greedy", 2, unschedulable=True)
    assert "no node has room for 2 pods of this run" in capacity.shortage("a", "greedy")
    assert capacity.shortage("a", "other") == ""
    capacity.add("a", "greedy-0", "greedy", unschedulable=False)
    assert capacity.shortage("a", "greedy") == ""


def test_a_full_cluster_is_left_alone_by_all() -> None:
    capacity = Capacity(Limits(100, 100, unschedulable_per_run=2, unschedulable=3))
    for run in ("one", "two", "three"):
        fill(capacity, run, 1, unschedulable=True)
    assert "3 pods of all runs" in capacity.shortage("a", "four")
    capacity.remove("a", "one-0")
    assert capacity.shortage("a", "four") == ""


def test_eager_nodes_take_no_room_that_others_need_and_half_of_each_depth() -> None:
    capacity = Capacity(Limits(per_namespace=2, per_cluster=4))
    assert capacity.shortage("a", "r", depth=1) == ""
    capacity.add("a", "eager-1", "r", depth=1)
    assert "1 eager tasks of a at this depth" in capacity.shortage("a", "s", depth=1)
    # Neither those that it calls, nor eager ones that they are, wait for it.
    fill(capacity, "r", 1)
    assert capacity.shortage("a", "r") == ""
    assert capacity.shortage("a", "r", depth=2) == ""
    capacity.remove("a", "eager-1")
    assert capacity.shortage("a", "s", depth=1) == ""


def test_no_eager_node_begins_while_what_others_called_waits_for_a_node() -> None:
    capacity = Capacity(Limits(per_namespace=10, per_cluster=10))
    fill(capacity, "r", 1, unschedulable=True)
    # A pod that fits nowhere holds nobody up who has nothing to do with it.
    assert capacity.shortage("a", "s", depth=1) == ""
    capacity.add("a", "eager-1", "r", depth=1)
    assert "waits for a node with room" in capacity.shortage("a", "s", depth=1)
    assert capacity.shortage("b", "s", depth=1) == ""
    assert capacity.shortage("a", "s") == ""
