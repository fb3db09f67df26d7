"""What admission counts before a graph is unfolded is what the engine has then."""

import random

import engine_graphs as graphs
import pytest
from random_graphs import draw_graph

from limosa_engine import worst_case_size
from limosa_model.graph import Index
from limosa_model.state_size import Unfolded, size_problems, state_size, unfolded


@pytest.mark.parametrize("seed", range(20))
def test_admission_counts_as_the_engine_does(seed: int) -> None:
    spec = draw_graph(random.Random(seed))
    found = unfolded(Index(graphs.closure_of(spec)), "main")
    graph = graphs.build(spec, inputs={"a": 2})
    assert found == Unfolded(len(graph.nodes), graph.launching)
    assert state_size(found) == worst_case_size(graph)


def test_workflows_that_stand_for_billions_of_nodes_are_refused_with_the_figure() -> None:
    """Thirty workflows, each of which calls the next one twice."""
    workflows = {
        f"w{level}": {"nodes": {"a": {"workflow": f"w{level + 1}"}, "b": {"workflow": f"w{level + 1}"}}}
        for level in range(30)
    }
    workflows["w30"] = {"nodes": {"t": {"task": "t"}}}
    workflows["main"] = workflows.pop("w0")
    closure = graphs.closure_of({"tasks": {"t": {"inputs": []}}, "workflows": workflows})
    (problem,) = size_problems(closure)
    assert problem.code == "StateTooLarge"
    assert "unfolds to 3,221,225,470 nodes: its state may take " in problem.message
    assert "more than the 409,600 that Kubernetes can hold" in problem.message
    assert problem.remedy == "use maps for repeated work, or split it"


def test_a_workflow_whose_state_can_be_kept_is_none_of_its_business() -> None:
    nodes = {f"n{number}": {"task": "t"} for number in range(5000)}
    assert size_problems(graphs.closure_of({"tasks": {"t": {"inputs": []}}, "nodes": nodes})) == []
