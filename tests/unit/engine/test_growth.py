"""Runs that dynamic nodes make grow: numbering, size, and what comes back after a restart."""

import contextlib
import zlib
from typing import Any

import engine_graphs as graphs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limosa_engine import CodecError, Graph, GraphError, Item, State, decode, encode, new_state, step
from limosa_engine import commands as cmd
from limosa_engine import events as ev
from limosa_engine.size import graph_size, worst_case_size
from limosa_idl.run.v1alpha1.run_pb2 import Commit

OUTER = {
    "tasks": {"d": {}, "t": {}},
    "nodes": {
        "a": {"dynamic": "d", "with": {"x": 1}},
        "b": {"dynamic": "d", "with": {"x": 2}},
        "c": {"task": "t", "with": {"x": 3}},
    },
}


def wide(nodes: int) -> dict[str, Any]:
    return {
        "tasks": {"t": {}},
        "nodes": {f"n{number}": {"task": "t", "with": {"x": number}} for number in range(nodes)},
        "outputs": {"o0": "n0.o0"},
    }


def committed(path: str, made: ev.MadeGraph) -> list[ev.Event]:
    """What an operator of a second claim reads: the graph is there already."""
    return [ev.CommitRead(Item(path), Commit(launch_id="other"), graph=made)]


def grown(nodes: int) -> tuple[Graph, State]:
    """A run of two dynamic nodes whose graphs are known, b's first."""
    graph = graphs.build(OUTER, epoch=(1, 2))
    state = new_state(graph, 0.0)
    step(graph, state, [ev.RunStarted(), ev.PodsListed()], 1.0)
    step(graph, state, committed("b", graphs.made_graph(wide(nodes))), 2.0)
    step(graph, state, committed("a", graphs.made_graph(wide(2))), 3.0)
    return graph, state


def test_a_run_grows_at_its_end_and_numbers_stay() -> None:
    graph, state = grown(3)
    paths = [plan.path for plan in graph.nodes]
    assert paths == ["a", "b", "c", "b/n0", "b/n1", "b/n2", "a/n0", "a/n1"]
    assert len(state.nodes) == 8
    assert all(graph.by_path[plan.path] == plan.number for plan in graph.nodes)


@pytest.mark.parametrize(("items", "fits"), [(19_999, True), (20_000, False)])
def test_a_run_has_20_000_nodes_and_items_unless_it_is_set_otherwise(items: int, fits: bool) -> None:
    spec = {"tasks": {"t": {}}, "inputs": ["xs"], "nodes": {"m": {"map": "t", "with": {"x": "$xs"}}}}
    graph = graphs.build(spec, inputs={"xs": list(range(items))})
    state = new_state(graph, 0.0)
    step(graph, state, [ev.RunStarted(), ev.PodsListed()], 1.0)
    failure = state.nodes[0].failure
    assert (failure is None, state.items) == (fits, items if fits else 0)
    assert fits or (failure is not None and "at most 20,000 are allowed" in failure.message)


def test_graphs_of_one_closure_share_plans_and_grow_apart() -> None:
    closure = {**OUTER, "tasks": {**OUTER["tasks"], "e": {}}}
    closure["nodes"] = {**OUTER["nodes"], "f": {"eager": "e", "with": {"x": 4}}}
    given = graphs.build(closure, epoch=(1, 2))
    one, two = (
        given.for_run(given.settings, run_uid=uid, name=uid, epoch=given.epoch, inputs={})
        for uid in ("one", "two")
    )
    made = graphs.made_graph(wide(3)).closure
    one.grow(one.by_path["a"], made)
    one.grow(one.by_path["f"], made, call="e0")
    assert one.nodes[0].dependents is given.nodes[0].dependents
    assert len(one.nodes) == len(two.nodes) + 6
    for other in (given, two):
        assert [plan.path for plan in other.nodes] == ["a", "b", "c", "f"]
        assert (other.nodes[0].body, other.nodes[3].calls, len(other.scopes)) == (None, [], 1)
        assert sorted(other.by_path) == ["a", "b", "c", "f"]
    item = Item("c")
    assert len({graph.launch_id(item, 0) for graph in (given, one, two)}) == 3
    with pytest.raises(TypeError, match="has grown"):
        one.for_run(given.settings, run_uid="three", name="three", epoch=given.epoch, inputs={})


def test_growth_is_taken_back_for_a_new_state() -> None:
    graph, _ = grown(3)
    new_state(graph, 0.0)
    assert [plan.path for plan in graph.nodes] == ["a", "b", "c"]
    assert list(graph.by_path) == ["a", "b", "c"]
    assert [plan.body for plan in graph.nodes] == [None, None, None]
    assert graph.launching == 3
    assert len(graph.scopes) == 1


def test_only_a_dynamic_node_grows_and_only_once() -> None:
    graph, _ = grown(1)
    for number in (0, 2):
        with pytest.raises(GraphError, match="cannot take a graph"):
            graph.grow(number, graphs.closure_of(wide(1)))


def test_a_graph_that_lacks_what_it_names_leaves_no_trace() -> None:
    graph = graphs.build(OUTER)
    broken = graphs.closure_of(
        {"nodes": {"n0": {"task": "t", "with": {"x": 1}}, "n1": {"task": "zz"}}, "tasks": {"t": {}}}
    )
    with pytest.raises(GraphError, match="no task 'zz'"):
        graph.grow(0, broken)
    assert [plan.path for plan in graph.nodes] == ["a", "b", "c"]
    assert "a/n0" not in graph.by_path
    assert graph.launching == 3


def test_what_is_encoded_comes_back_once_the_graphs_are_read() -> None:
    graph, state = grown(3)
    before = encode(state)
    other = decode(graph, before, 5.0)
    assert encode(other) == before, "nothing is lost while the graphs are being read"
    step(graph, other, [ev.RunRestored(), ev.PodsListed()], 5.0)
    step(graph, other, committed("a", graphs.made_graph(wide(2))), 5.0)
    assert encode(other) == before
    step(graph, other, committed("b", graphs.made_graph(wide(3))), 5.0)
    assert other.regrowth is None
    assert [plan.path for plan in graph.nodes][3:] == ["b/n0", "b/n1", "b/n2", "a/n0", "a/n1"]
    assert [record.phase for record in other.nodes] == [record.phase for record in state.nodes]
    assert [growth.owner for growth in other.growths] == [1, 0]


def test_a_grown_state_stays_below_what_was_admitted() -> None:
    graph, state = grown(2_000)
    raw = len(zlib.decompress(encode(state)[1:]))
    assert raw * 4 / 3 <= worst_case_size(graph)
    bare = graphs.build(OUTER)
    assert worst_case_size(graph) <= worst_case_size(bare) + graph_size(2_000) + graph_size(2)


def test_two_thousand_grown_nodes_cost_little() -> None:
    _, small = grown(1)
    _, large = grown(2_000)
    assert len(zlib.decompress(encode(large)[1:])) - len(zlib.decompress(encode(small)[1:])) < 2_000 * 8


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, 200), flip=st.integers(1, 255))
def test_damage_of_a_grown_state_is_told_or_harmless(cut: int, flip: int) -> None:
    graph, state = grown(3)
    body = bytearray(zlib.decompress(encode(state)[1:]))
    body[cut % len(body)] ^= flip
    with contextlib.suppress(CodecError):
        other = decode(graph, encode(state)[:1] + zlib.compress(bytes(body)), 0.0)
        commands = step(graph, other, [ev.RunRestored(), ev.PodsListed()], 5.0)
        assert other.regrowth is None or any(
            isinstance(command, cmd.ReadCommit | cmd.Quarantine) for command in commands
        )
