"""Random graphs, random orders of events, random crashes: the same results, within budgets, and an end."""

import random
from typing import Any

import engine_graphs as graphs
import pytest
from engine_eager import Calls
from engine_world import World
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from random_graphs import Failed, Reference, draw_graph, make_graph, make_plan, tasks

from limosa_engine import Item
from limosa_engine import events as ev
from limosa_engine.phases import NODE_TERMINAL, NodePhase, RunPhase
from limosa_idl.run.v1alpha1.run_pb2 import ORIGIN_REUSE


def start(seed: int, trouble: float, **options: Any) -> tuple[World, Reference, dict[str, Any] | None]:
    """A world for a seed, and what its run should come to (None: it fails)."""
    rng = random.Random(seed)
    spec = draw_graph(rng)
    plan, make = make_plan(seed, trouble), make_graph(seed)
    reference = Reference(spec, plan, make, seed)
    try:
        expected = reference.workflow("main", {"a": 2}, "")
    except Failed:
        expected = None
    graph = graphs.build(spec, inputs={"a": 2}, live_pods=rng.choice([1, 3, 100]), **options)
    return World(graph, plan, rng, make=make, calls=Calls(seed, tasks())), reference, expected


many = settings(max_examples=60, suppress_health_check=list(HealthCheck))


@many
@given(seed=st.integers(0, 2**32), trouble=st.sampled_from([0.0, 0.2, 0.5]))
def test_same_result_whatever_happens(seed: int, trouble: float) -> None:
    world, reference, expected = start(seed, trouble)
    world.finish()
    state = world.state
    if expected is None:
        assert state.phase is RunPhase.FAILED
        assert state.failure is not None
        assert state.failure.code
        assert state.failure.origin.node_path
    else:
        assert state.phase is RunPhase.SUCCEEDED
        assert state.outputs is not None
        assert graphs.plain(state.outputs) == expected
        assert set(world.commits) == reference.items
    assert all(record.phase in NODE_TERMINAL for record in state.nodes)
    handler = world.graph.scopes[0].handler
    if handler is not None:
        assert (state.nodes[handler].phase is NodePhase.SKIPPED) is (expected is not None)
    assert state.live == state.eager.live.total() == 0
    assert not world.pods
    assert RunPhase.RUNNING not in world.children.values()
    _check_budgets(world)
    _check_cache(world)


@many
@given(seed=st.integers(0, 2**32), moves=st.integers(1, 60))
def test_an_abort_ends_everything(seed: int, moves: int) -> None:
    world, _, _ = start(seed, 0.2)
    for _ in range(moves):
        if world.state.phase in (RunPhase.SUCCEEDED, RunPhase.FAILED):
            return
        world.random_move()
    world.inbox.append(ev.AbortRequested("enough"))
    for _ in range(20_000):
        if world.state.phase in (RunPhase.SUCCEEDED, RunPhase.FAILED, RunPhase.ABORTED) and not world.todo:
            break
        crashes = world.crashes
        world.random_move()
        if world.crashes > crashes:
            # The wish stands in the run's object: the operator sends it again.
            world.inbox.append(ev.AbortRequested("enough"))
    world.finish()
    assert world.state.phase in (RunPhase.SUCCEEDED, RunPhase.FAILED, RunPhase.ABORTED)
    assert all(record.phase in NODE_TERMINAL for record in world.state.nodes)
    assert not world.pods
    assert RunPhase.RUNNING not in world.children.values()


@many
@given(seed=st.integers(0, 2**32))
@example(seed=1344)
@example(seed=1232)
def test_pods_deleted_behind_our_back_cost_no_result(seed: int) -> None:
    world, reference, expected = start(seed, 0.0)
    world.deletions = 3
    world.finish()
    assert world.state.outputs is not None
    assert graphs.plain(world.state.outputs) == expected
    assert set(world.commits) == reference.items


@many
@given(seed=st.integers(0, 2**32))
def test_another_claim_goes_on_from_the_commits(seed: int) -> None:
    world, _, expected = start(seed, 0.0)
    for _ in range(40):
        if world.state.phase is RunPhase.SUCCEEDED:
            break
        world.random_move()
    before = dict(world.commits)
    rng = random.Random(seed)
    graph = graphs.build(draw_graph(rng), inputs={"a": 2}, epoch=(1, 2))
    other = World(graph, world.plan, rng, make=world.make, calls=world.calls)
    other.commits.update(before)
    other.finish()
    assert other.state.outputs is not None
    assert graphs.plain(other.state.outputs) == expected
    assert not {item for item, _ in other.created} & set(before)


@many
@example(seed=25064, trouble=0.0)
@example(seed=867, trouble=0.3)
@given(seed=st.integers(0, 2**32), trouble=st.sampled_from([0.0, 0.3]))
def test_a_resumed_run_takes_what_the_earlier_one_has(seed: int, trouble: float) -> None:
    world, _, _ = start(seed, trouble)
    for _ in range(80):
        if world.state.phase in (RunPhase.SUCCEEDED, RunPhase.FAILED):
            break
        world.random_move()
    spec = draw_graph(random.Random(seed))
    calm, make = make_plan(seed, 0.0), make_graph(seed)
    rng = random.Random(seed)
    except_nodes = [item.node_path for item in world.commits if rng.random() < 0.2]
    graph = graphs.build(spec, inputs={"a": 2}, reuse=except_nodes)
    other = World(graph, calm, rng, make=make, calls=Calls(seed, tasks()))
    other.earlier = {item: (digest, world.commits[item]) for item, digest in world.digests.items()}
    other.finish()
    assert other.state.outputs is not None
    assert graphs.plain(other.state.outputs) == Reference(spec, calm, make, seed).workflow(
        "main", {"a": 2}, ""
    )
    for item, _ in other.created:
        digest = other.earlier.get(item, ("", None))[0]
        again = any(f"{item.node_path}/".startswith(f"{path}/") for path in except_nodes)
        # A call that is to run all the same has to be made, which only its eager node can do.
        # One that was answered before a crash is no node after it.
        number = other.graph.by_path.get(item.node_path)
        if number is not None and other.graph.nodes[number].kind == "eager":
            again = again or any(path.startswith(f"{item.node_path}/") for path in except_nodes)
        assert again or digest != other.digests.get(item), f"{item} was launched again"
    reused = {item for item, commit in other.commits.items() if commit.origin == ORIGIN_REUSE}
    assert reused <= other.earlier.keys()


def _check_cache(world: World) -> None:
    """What was made is kept, and no reservation stays, unless a crash came between; then it runs out."""
    if world.crashes:
        return
    made = {item for item in world.launched() if _succeeded(world, item)}
    wanted = {item for item in made if world.graph.task_of(item).cache.enabled}
    assert set(world.cached) == wanted
    assert not world.reserved


def _succeeded(world: World, item: Item) -> bool:
    """Whether the run took the item's commit: one that was being ended does not."""
    record = world.state.nodes[world.graph.by_path[item.node_path]]
    return record.items[item.index or 0].phase is NodePhase.SUCCEEDED


def _check_budgets(world: World) -> None:
    for item, count in world.user_failures.items():
        plan = world.graph.nodes[world.graph.by_path[item.node_path]]
        assert count <= plan.budget.user + 1
    assert len(set(world.created)) == len(world.created), "an ordinal was used twice"


def test_crashes_do_happen() -> None:
    crashed = regrown = 0
    for seed in range(30):
        world, _, _ = start(seed, 0.2)
        world.finish()
        crashed += world.crashes
        regrown += world.regrowths
    assert crashed > 30
    assert regrown > 30


@pytest.mark.parametrize("seed", range(3))
def test_without_faults_each_item_is_launched_once(seed: int) -> None:
    rng = random.Random(seed)
    graph = graphs.build(draw_graph(rng), inputs={"a": 2})
    world = World(
        graph,
        lambda item, attempt: "ok",
        rng,
        faults=False,
        make=make_graph(seed),
        calls=Calls(seed, tasks()),
    )
    world.finish()
    assert sorted(world.created) == sorted((item, 0) for item in world.launched())
