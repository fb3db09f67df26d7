from pathlib import Path

import engine_graphs as graphs
import pytest

from limosa_engine import InvalidTransition, Item, new_state, step, story
from limosa_engine import events as ev
from limosa_engine.diagrams import render
from limosa_engine.phases import NodePhase
from limosa_engine.turn import Turn

SPEC = {
    "tasks": {"t": {}},
    "nodes": {"n0": {"task": "t", "with": {"x": 1}}, "m": {"map": "t", "with": {"x": [1, 2]}}},
}


def test_a_story_tells_what_happened_to_a_node() -> None:
    graph = graphs.build(SPEC)
    state = new_state(graph, 0.0)
    step(graph, state, [ev.RunStarted(), ev.PodsListed()], 10.0)
    step(graph, state, [ev.PodCreated(Item("m", 1), 0, "uid")], 12.5)
    assert story(graph, state, "n0") == [
        "+0.000s n0: WAITING → QUEUED",
        "+0.000s n0: launch 0",
        "+0.000s n0: QUEUED → RUNNING",
    ]
    assert story(graph, state, "m", 1)[-1] == "+2.500s m[1]: launch 0 CREATING → PENDING"
    assert story(graph, state, "") == ["+0.000s run: QUEUED → RUNNING"]


def test_a_story_is_bounded() -> None:
    graph = graphs.build(SPEC, story_length=3)
    state = new_state(graph, 0.0)
    step(graph, state, [ev.RunStarted(), ev.PodsListed()], 10.0)
    assert len(story(graph, state)) == 3


def test_an_illegal_transition_prints_the_story() -> None:
    graph = graphs.build(SPEC)
    state = new_state(graph, 0.0)
    step(graph, state, [ev.RunStarted(), ev.PodsListed()], 10.0)
    turn = Turn(graph, state, 11.0)
    with pytest.raises(InvalidTransition) as caught:
        turn.set_node(graph.nodes[0], state.nodes[0], NodePhase.WAITING)
    assert "node n0: RUNNING → WAITING is not a transition" in str(caught.value)
    assert "n0: QUEUED → RUNNING" in str(caught.value)


def test_the_diagrams_in_the_docs_are_those_of_the_tables() -> None:
    page = Path(__file__).parents[3] / "docs" / "engine-phases.md"
    assert page.read_text() == render(), "run: python scripts/engine_phases.py > docs/engine-phases.md"
