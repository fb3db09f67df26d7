import contextlib
import dataclasses
import random
import tracemalloc
import zlib

import engine_graphs as graphs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limosa_engine import CodecError, Graph, State, decode, encode, new_state, step, worst_case_size
from limosa_engine import events as ev
from limosa_engine.bits import Reader, Writer
from limosa_engine.phases import NodePhase, RunPhase
from limosa_engine.size import map_size
from limosa_engine.state import ItemRecord
from limosa_model import failures
from limosa_model.state_size import STATE_LIMIT

ITEMS = 10_000
CODES = ("OOMKilled", "UserException", "Evicted", "NodeLost")


def running_map(items: int) -> tuple[Graph, State]:
    spec = {
        "tasks": {"t": {"retries": 9}},
        "inputs": ["xs"],
        "nodes": {"m": {"map": "t", "with": {"x": "$xs"}}},
    }
    graph = graphs.build(spec, inputs={"xs": list(range(items))}, state_limit_bytes=10**9)
    state = new_state(graph, 0.0)
    step(graph, state, [ev.RunStarted(), ev.PodsListed()], 1.0)
    return graph, state


def worst(state: State, rng: random.Random) -> None:
    """Every item is in back-off, far ahead, after many failures."""
    for item in state.nodes[0].items:
        item.launch, item.phase = None, NodePhase.RETRYING
        item.user_failures, item.system_failures = rng.randint(1, 9), rng.randint(0, 3)
        item.shortages = rng.randint(0, item.user_failures)
        item.launches = item.user_failures + item.system_failures
        item.wake_at = 1.0 + rng.random() * 100 * 86_400
        item.failure = failures.user(rng.choice(CODES), "a long message " * 20)


def test_a_map_of_ten_thousand_stays_below_100_kb_at_its_worst() -> None:
    graph, state = running_map(ITEMS)
    assert len(encode(state)) < 2_000
    worst(state, random.Random(1))
    data = encode(state)
    assert len(data) < 100 * 1024
    assert len(data) * 4 / 3 <= worst_case_size(graph) + map_size(ITEMS)


def test_values_and_messages_are_not_encoded() -> None:
    _, state = running_map(3)
    state.nodes[0].items[0].failure = failures.user("OOMKilled", "a-message-of-the-user")
    raw = encode(state)
    assert b"a-message-of-the-user" not in zlib.decompress(raw[1:])
    assert b"OOMKilled" in zlib.decompress(raw[1:])


def test_what_is_encoded_comes_back() -> None:
    graph, state = running_map(50)
    worst(state, random.Random(2))
    other = decode(graph, encode(state), 5.0)
    for before, after in zip(state.nodes[0].items, other.nodes[0].items, strict=True):
        assert (before.phase, before.launches) == (after.phase, after.launches)
        assert (before.user_failures, before.system_failures) == (after.user_failures, after.system_failures)
        assert before.shortages == after.shortages
        assert before.wake_at is not None
        assert after.wake_at is not None
        assert 0 <= after.wake_at - before.wake_at <= 0.11, "nothing comes early after a restart"
        assert before.failure is not None
        assert after.failure is not None
        assert (before.failure.kind, before.failure.code) == (after.failure.kind, after.failure.code)
    assert encode(other) == encode(state)


def test_a_chain_of_ten_thousand_nodes_is_admitted() -> None:
    nodes = {f"n{i}": {"task": "t", "with": {"x": f"n{i - 1}.o0" if i else 1}} for i in range(10_000)}
    graph = graphs.build({"tasks": {"t": {}}, "nodes": nodes})
    assert worst_case_size(graph) <= graph.settings.state_limit_bytes
    state = new_state(graph, 0.0)
    step(graph, state, [ev.RunStarted(), ev.PodsListed()], 1.0)
    assert state.phase is RunPhase.RUNNING


@pytest.mark.parametrize("data", [b"", b"\x07abc", b"\x02not zlib"])
def test_bytes_that_are_no_state(data: bytes) -> None:
    graph, _ = running_map(1)
    with pytest.raises(CodecError, match=r"version|damaged"):
        decode(graph, data, 0.0)


def test_a_state_of_another_graph() -> None:
    graph, state = running_map(1)
    other = graphs.build({"tasks": {"t": {}}, "nodes": {"a": {"task": "t"}, "b": {"task": "t"}}})
    with pytest.raises(CodecError, match="1 nodes, the graph 2"):
        decode(other, encode(state), 0.0)
    assert decode(graph, encode(state), 0.0).phase is RunPhase.RUNNING


@settings(max_examples=200)
@given(cut=st.integers(0, 200), flip=st.integers(0, 255))
def test_damage_is_told_or_harmless(cut: int, flip: int) -> None:
    graph, state = running_map(20)
    worst(state, random.Random(3))
    body = bytearray(zlib.decompress(encode(state)[1:]))
    body[cut % len(body)] ^= flip
    # Anything but a CodecError fails the test.
    with contextlib.suppress(CodecError):
        decode(graph, encode(state)[:1] + zlib.compress(bytes(body)), 0.0)


@given(st.lists(st.one_of(st.integers(0, 2**70), st.text(), st.none())))
def test_what_is_written_is_read(values: list[int | str | None]) -> None:
    out = Writer()
    for value in values:
        if isinstance(value, str):
            out.text(value)
        else:
            out.optional(value)
    source = Reader(out.bytes())
    assert [source.text() if isinstance(value, str) else source.optional() for value in values] == values


@given(st.lists(st.integers(0, 15)))
def test_nibbles(values: list[int]) -> None:
    out = Writer()
    out.nibbles(values)
    assert Reader(out.bytes()).nibbles(len(values)) == values


def test_an_item_without_history_costs_half_a_byte() -> None:
    assert ItemRecord().launches == 0
    _, small = running_map(0)
    _, large = running_map(4_000)
    grown = len(zlib.decompress(encode(large)[1:])) - len(zlib.decompress(encode(small)[1:]))
    assert grown <= 4_000 / 2 + 210


def test_a_state_that_unpacks_to_more_than_any_state_is_refused_before_it_is_unpacked() -> None:
    graph, state = running_map(3)
    graph.settings = dataclasses.replace(graph.settings, state_limit_bytes=STATE_LIMIT)
    bomb = encode(state)[:1] + zlib.compress(bytes(64 * 1024 * 1024), 9)
    tracemalloc.start()
    try:
        with pytest.raises(CodecError, match=r"more than .* bytes"):
            decode(graph, bomb, 0.0)
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_state_that_was_cut_is_refused() -> None:
    graph, state = running_map(3)
    with pytest.raises(CodecError, match="ends too early"):
        decode(graph, encode(state)[:-6], 0.0)


def test_an_integer_without_an_end_is_refused() -> None:
    with pytest.raises(CodecError, match="integer"):
        Reader(b"\xff" * 100_000 + b"\0").integer()


def test_a_node_that_never_had_so_many_items_is_refused() -> None:
    graph, state = running_map(3)
    graph.settings = dataclasses.replace(graph.settings, graph_nodes=2)
    with pytest.raises(CodecError, match="3 items"):
        decode(graph, encode(state), 0.0)
