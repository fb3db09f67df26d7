"""The operator dies at every boundary of every command, in runs with every kind of node: the outputs stay the same."""

import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import engine_graphs as graphs
import pytest
import virtual_time
from crash_world import CROSSINGS, Death, Killed, World
from engine_world import Make, Plan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_admin import is_final
from opentelemetry.sdk.resources import Resource
from random_graphs import Failed, Reference, draw_graph, make_graph, make_plan, tasks
from referee import judge

from limosa_engine import Item
from limosa_engine.phases import RunPhase
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_propeller.traces import span_of

TASKS = tasks()
CALL = re.compile(r"/e\d")
"""In the path of what an eager node called."""
EVERY_KIND = {
    "nodes": {
        "tried": {"task": "t1", "with": {"x": "$a"}},
        "each": {"map": "t0", "with": {"x": [1, 2, 3]}, "min_successes": 2},
        "ship": {"gate": "approve", "with": {"value": "tried.o0"}},
        "rate": {"gate": "input", "with": {}},
        "nap": {"gate": 30, "with": {}},
        "many": {"computed": "length", "with": {"values": "each.o0"}},
        "inner": {"workflow": "inner", "with": {"a": "ship.o0"}, "after": ["nap"]},
        "child": {"plan": "p", "with": {"x": "rate.o0"}},
        "kept": {"task": "c0", "with": {"x": "$a"}},
        "once": {"task": "s0", "with": {"x": "$a"}},
        "grown": {"dynamic": "d0", "with": {"x": "kept.o0"}},
        "hunt": {"eager": "e0", "with": {"x": "$a"}},
        "end": {
            "task": "t0",
            "with": {
                "x": ["each.o0", "inner.o0", "child.o0"],
                "y": ["grown.o0", "once.o0", "hunt.o0", "many.o0"],
            },
        },
    },
    "inputs": ["a"],
    "outputs": {"o0": "end.o0"},
    "policy": "after",
}
"""Whoever adds a kind of node adds a node of it here. Raw containers are tasks to the engine."""
INNER = {
    "inputs": ["a"],
    "nodes": {
        "choice": {
            "branch": [{"if": "v > 2", "then": {"yes": {"task": "t0", "with": {"x": "$a"}}}}],
            "with": {"v": "$a"},
            "else": {"no": {"task": "t0", "with": {"x": 1}}},
        },
    },
    "outputs": {"o0": "choice.o0"},
    "on_failure": {"task": "t0", "with": {"x": "$a", "y": "!error"}},
}
MOST_CROSSINGS = 470
"""Of an operator that carries it out alone."""
FLOW = {"tasks": TASKS, "workflows": {"main": EVERY_KIND, "inner": INNER}}


def fate(item: Item, attempt: int) -> str:
    """One of each thing that may befall a launch."""
    if item.node_path == "each":
        return "user" if item.index == 1 else "silent"
    first = {"tried": "user", "kept": "evict", "inner/choice/yes": "exit0", "end": "turned-away"}
    return first.get(item.node_path, "ok") if attempt == 0 else "ok"


def doomed(item: Item, attempt: int) -> str:
    """The same, and a case of the branch fails for good: the handler runs, and the run fails."""
    return "user" if item.node_path == "inner/choice/yes" else fate(item, attempt)


def grow(path: str, inputs: LiteralMap) -> dict[str, Any]:
    """What the dynamic task commits."""
    nodes = {"f": {"task": "t0", "with": {"x": 3}}, "g": {"task": "t0", "with": {"x": "f.o0"}}}
    return {"tasks": TASKS, "workflows": {"main": {"nodes": nodes, "outputs": {"o0": "g.o0"}}}}


@pytest.fixture(autouse=True)
def _graphs_of_any_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random graphs give lists where tasks declare numbers, which is admission's business and not that of crashes."""
    monkeypatch.setattr("limosa_propeller.runs.closures.validate_closure", lambda closure: [])
    monkeypatch.setattr("limosa_propeller.runs.made_graphs.validate_generated", lambda closure, task: [])


@pytest.fixture(autouse=True)
def _two_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods are removed together also in runs as small as these."""
    monkeypatch.setattr("limosa_propeller.runs.removals.FEW", 1)


def play(
    spec: dict[str, Any],
    plan: Plan,
    make: Make,
    seed: int,
    deaths: Sequence[Death],
    live_pods: int = 100,
    clocks: Sequence[float] = (),
) -> World:
    """One run with operators that die, to its very end; everything that must hold of it is asserted."""
    try:
        expected: dict[str, Any] | None = Reference(spec, plan, make, seed).workflow("main", {"a": 2}, "")
    except Failed:
        expected = None
    worlds: list[World] = []

    async def main() -> None:
        random.seed(seed)
        world = World(spec, plan, make, seed, live_pods=live_pods, clocks=clocks)
        worlds.append(world)
        await world.run(deaths)

    virtual_time.run(main(), Killed)
    (world,) = worlds
    end = world.admin.end
    assert end is not None
    if expected is None:
        assert RunPhase(end.phase) is RunPhase.FAILED
        assert end.failure.code != "Internal", end.failure.message
    else:
        assert RunPhase(end.phase) is RunPhase.SUCCEEDED, end.failure
        assert graphs.plain(end.outputs) == expected
    assert judge(world.told) == []
    check_launches(world)
    check_admin(world)
    return world


def check_launches(world: World) -> None:
    """No launch is made twice, or after its result, unless the cache could not say so in time; none counts twice."""
    assert len({told.launch_id for told in world.launched}) == len(world.launched), "a launch was made twice"
    assert [late for late in world.late if not late.split()[-1].startswith(("c", "s"))] == []
    made = Counter(Item(told.node_path, told.index) for told in world.launched)
    for item, count in made.items():
        tried = world.attempts.get(item, 0)
        assert count <= tried + 1, f"{item} was launched {count} times for {tried} attempts"


def check_admin(world: World) -> None:
    """Admin knows the end of everything that it ever heard of.

    A call that only a dead operator knew, of a run that ends before it is heard of again, admin closes with the run.
    """
    assert world.admin.end is not None
    succeeded = RunPhase(world.admin.end.phase) is RunPhase.SUCCEEDED
    nodes = [shot for shot in world.admin.snapshots.values() if shot.WhichOneof("state") == "node"]
    open_ = [shot.key.node_path for shot in nodes if not is_final(shot)]
    assert [path for path in open_ if succeeded or not CALL.search(path)] == []
    assert RunPhase.RUNNING not in {RunPhase(state.phase) for state in world.admin.children.values()}


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    trouble=st.sampled_from([0.0, 0.2, 0.5]),
    deaths=st.lists(st.tuples(st.sampled_from(CROSSINGS), st.integers(0, 15)), max_size=8),
)
def test_same_outputs_wherever_the_operator_dies(seed: int, trouble: float, deaths: list[Death]) -> None:
    rng = random.Random(seed)
    make = make_graph(seed)
    play(
        draw_graph(rng),
        make_plan(seed, trouble),
        make,
        seed,
        deaths,
        live_pods=rng.choice([1, 3, 100]),
    )


@pytest.fixture(scope="module", params=[fate, doomed])
def plan(request: pytest.FixtureRequest) -> Plan:
    found: Plan = request.param
    return found


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(at=st.integers(0, MOST_CROSSINGS), then=st.sampled_from(CROSSINGS), later=st.integers(0, 15))
def test_every_kind_of_node_outlives_its_operator(plan: Plan, at: int, then: str, later: int) -> None:
    """Before or after any command's effect one operator dies, a while later the next."""
    play(FLOW, plan, grow, 0, [("", at), (then, later)])


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(
    seed=st.integers(0, 2**32),
    seconds=st.floats(0.0, 6.0),
    deaths=st.lists(st.tuples(st.sampled_from(CROSSINGS), st.integers(0, 15)), max_size=4),
)
def test_an_abort_ends_everything_wherever_the_operator_dies(
    seed: int, seconds: float, deaths: list[Death]
) -> None:
    worlds: list[World] = []

    async def main() -> None:
        random.seed(seed)
        world = World(FLOW, fate, grow, seed)
        worlds.append(world)
        world.abort_in(seconds)
        await world.run(deaths)

    virtual_time.run(main(), Killed)
    (world,) = worlds
    assert world.admin.end is not None
    assert RunPhase(world.admin.end.phase) in (RunPhase.ABORTED, RunPhase.SUCCEEDED)
    assert judge(world.told) == []
    check_admin(world)


def test_the_operator_has_a_boundary_of_every_kind() -> None:
    (life,) = play(FLOW, fate, grow, 0, []).lives
    crossed = {word for word in CROSSINGS for what in life.crossed if what.startswith(word)}
    assert crossed == set(CROSSINGS)
    assert "delete many" in life.crossed
    # What `at` above is drawn from reaches the end of the run.
    assert len(life.crossed) > MOST_CROSSINGS * 0.9


def test_an_operator_whose_clock_was_set_back_is_still_heard() -> None:
    """A run goes on, and admin takes its snapshots, though the next operator's clock is a day behind."""
    world = play(FLOW, fate, grow, 0, [("create", 12), ("status", 9)], clocks=[0.0, -86_400.0, -3_600.0])
    assert len(world.lives) == 3


def test_of_what_the_engine_tells_every_part_hangs_below_another_and_took_its_time() -> None:
    told = play(FLOW, fate, grow, 0, []).admin.snapshots.values()
    spans = [span for span in (span_of(snapshot, Resource({})) for snapshot in told) if span is not None]
    known = {one.context.span_id for one in spans}
    launches = [one for one in spans if one.name.startswith("launch ")]
    items = [one for one in spans if one.name.endswith("]")]
    assert [one.name for one in spans if one.parent is None] == ["run"]
    assert [one.name for one in spans if one.parent is not None and one.parent.span_id not in known] == []
    assert items
    assert len(launches) == sum(snapshot.WhichOneof("state") == "launch" for snapshot in told)
    assert all(one.start_time < one.end_time for one in launches)
