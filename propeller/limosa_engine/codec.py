"""State ⇄ the bytes in a WorkflowRun's status: control state only.

Encoded: phases, launch ordinals, failures counted, wake times, failure kinds and codes, times of nodes.
Never: values, messages, URIs; they come back from pods, commits and error records.

Layout: version (1 byte), then zlib over: run, table of failure codes, 4-bit node phases, details of the nodes that
have begun. The same again, as a block of its own, for the nodes that each dynamic node's graph, and each call of an eager
node, brought, behind the node's number and the graph's digest: such a block is read when the graph has been (`regrowth`).
At the end which of these graphs are calls, with their ids. Items of a node are 4-bit phases plus a sparse list of those whose counters differ from what their
phase says. Integers are varints; times are tenths of a second since the run's start.
"""

import dataclasses
import math
import zlib
from collections import deque

from limosa_engine.bits import CodecError, Reader, Writer
from limosa_engine.graph import Graph, NodePlan
from limosa_engine.phases import NodePhase, RunPhase
from limosa_engine.rebuild import rebuild
from limosa_engine.regrowth import DIGEST_BYTES, Regrowth, Section
from limosa_engine.state import Growth, ItemRecord, NodeRecord, Source, State
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.run.v1alpha1.run_pb2 import ORIGIN_CACHE, ORIGIN_REUSE

__all__ = ["CodecError", "decode", "encode"]

VERSION = 2
_UNSEEN = 9
"""Item phase RUNNING whose launch's pod has not been seen."""
_SOURCED = {10: ORIGIN_CACHE, 11: ORIGIN_REUSE}
"""Item phase SUCCEEDED without a launch: whose result it is."""
_BEGUN = (NodePhase.RUNNING, NodePhase.SUCCEEDED, NodePhase.FAILED)


def encode(state: State) -> bytes:
    """The state as bytes."""
    if state.regrowth is not None:
        return state.regrowth.encoded
    out = Writer()
    origin = state.started_at
    out.integer(int(state.phase))
    out.optional(None if origin is None else round(origin * 10))
    out.optional(_since(origin, state.finished_at))
    codes = _codes(state)
    out.integer(len(codes))
    for kind, code in codes:
        out.integer(kind)
        out.text(code)
    table = {entry: number for number, entry in enumerate(codes)}
    at = len(state.nodes) - sum(growth.nodes for growth in state.growths)
    _encode_section(out, state.nodes[:at], origin, table)
    out.integer(len(state.growths))
    for growth in state.growths:
        section = Writer()
        _encode_section(section, state.nodes[at : at + growth.nodes], origin, table)
        at += growth.nodes
        out.integer(growth.owner)
        out.raw(growth.digest)
        out.integer(growth.nodes)
        out.block(section.bytes())
    # States of runs without calls end here, as they did before there were any.
    for number, growth in enumerate(state.growths):
        if growth.call:
            out.integer(number)
            out.text(growth.call)
    return bytes([VERSION]) + zlib.compress(out.bytes(), 6)


def decode(graph: Graph, data: bytes, now: float) -> State:
    """The state that `encode` wrote. Its first event is RunRestored.

    Where dynamic nodes had brought graphs, it is complete once `step` has had them read again.

    Args:
        graph: The graph it was written for; what it grew by is taken back.
        data: The bytes.
        now: Unix seconds.

    Raises:
        CodecError: Another version's, another graph's, or damaged.
    """
    if not data or data[0] != VERSION:
        raise CodecError(
            f"state of version {data[0] if data else 'none'}; this engine reads version {VERSION}"
        )
    try:
        return _decode(graph, Reader(_unpacked(data[1:], graph.settings.state_limit_bytes)), now, data)
    except CodecError:
        raise
    except (zlib.error, IndexError, ValueError, UnicodeDecodeError) as error:
        raise CodecError(f"the state is damaged: {error}") from error


def _unpacked(data: bytes, most: int) -> bytes:
    """What was compressed. Anyone who may patch a status can write what unpacks to gigabytes: no state is above `most` bytes."""
    unpacking = zlib.decompressobj()
    unpacked = unpacking.decompress(data, most + 1)
    if len(unpacked) > most:
        raise CodecError(f"the state unpacks to more than {most:,} bytes, which no state has")
    if not unpacking.eof:
        raise CodecError("the state ends too early")
    return unpacked


def _decode(graph: Graph, source: Reader, now: float, encoded: bytes) -> State:
    state = State(graph.as_given(), now)
    state.phase = RunPhase(source.integer())
    started = source.optional()
    state.started_at = None if started is None else started / 10
    state.finished_at = _absolute(state.started_at, source.optional())
    codes = [(source.integer(), source.text()) for _ in range(source.integer())]
    unseen = _decode_section(source, graph, state, 0, codes)
    sections = deque(
        Section(source.integer(), source.raw(DIGEST_BYTES), source.integer(), source.block())
        for _ in range(source.integer())
    )
    while not source.at_end:
        number = source.integer()
        sections[number] = dataclasses.replace(sections[number], call=source.text())
    if sections:
        state.regrowth = Regrowth(encoded, codes, sections, unseen)
    else:
        rebuild(graph, state, unseen)
    return state


def decode_growth(graph: Graph, state: State, section: Section, waiting: Regrowth) -> None:
    """Reads the records of the nodes that the graph was just grown by. Raises CodecError."""
    first = len(state.nodes)
    state.follow(graph)
    state.growths.append(Growth(section.owner, section.digest, section.nodes, section.call))
    try:
        waiting.unseen |= _decode_section(Reader(section.data), graph, state, first, waiting.codes)
    except (IndexError, ValueError, UnicodeDecodeError) as error:
        raise CodecError(f"the state is damaged: {error}") from error


def _encode_section(
    out: Writer, records: list[NodeRecord], origin: float | None, table: dict[tuple[int, str], int]
) -> None:
    out.integer(len(records))
    out.nibbles([int(record.phase) for record in records])
    for record in records:
        if record.phase not in (NodePhase.WAITING, NodePhase.SKIPPED):
            _encode_node(out, record, origin, table)


def _decode_section(
    source: Reader, graph: Graph, state: State, first: int, codes: list[tuple[int, str]]
) -> set[tuple[int, int]]:
    """Fills the records from number `first` on; gives what `rebuild` needs to know of them."""
    records = state.nodes[first:]
    count = source.integer()
    if count != len(records):
        raise CodecError(f"the state has {count} nodes, the graph {len(records)}")
    for record, phase in zip(records, source.nibbles(count), strict=True):
        record.phase = NodePhase(phase)
    unseen: set[tuple[int, int]] = set()
    most = graph.settings.graph_nodes
    for plan, record in zip(graph.nodes[first:], records, strict=True):
        if record.phase not in (NodePhase.WAITING, NodePhase.SKIPPED):
            unseen.update(
                (plan.number, at) for at in _decode_node(source, plan, record, state.started_at, codes, most)
            )
    return unseen


def _encode_node(
    out: Writer, record: NodeRecord, origin: float | None, table: dict[tuple[int, str], int]
) -> None:
    out.optional(_since(origin, record.queued_at))
    out.optional(_since(record.queued_at, record.started_at))
    out.optional(_since(record.queued_at, record.finished_at))
    out.optional(_code_of(record.failure, table))
    items = record.items
    out.integer(len(items))
    out.nibbles([_phase_of(item) for item in items])
    before = -1
    odd = [(position, item) for position, item in enumerate(items) if _is_odd(item)]
    out.integer(len(odd))
    for position, item in odd:
        out.integer(position - before - 1)
        before = position
        out.integer(item.user_failures << 2 | bool(item.shortages) << 1 | (item.wake_at is not None))
        if item.shortages:
            out.integer(item.shortages)
        out.integer(item.system_failures)
        out.integer(item.launches)
        out.optional(_code_of(item.failure, table))
        if item.wake_at is not None:
            out.integer(_since(origin, item.wake_at) or 0)


def _decode_node(
    source: Reader,
    plan: NodePlan,
    record: NodeRecord,
    origin: float | None,
    codes: list[tuple[int, str]],
    most: int,
) -> list[int]:
    """Fills the record; gives the positions of running items whose launch's pod had not been seen."""
    record.queued_at = _absolute(origin, source.optional())
    record.started_at = _absolute(record.queued_at, source.optional())
    record.finished_at = _absolute(record.queued_at, source.optional())
    record.failure = _failure(source.optional(), codes, FailureOrigin(node_path=plan.path))
    count = source.integer()
    if count > max(most, 1):
        raise CodecError(f"the state gives {plan.path} {count:,} items, a run has at most {most:,}")
    phases = source.nibbles(count)
    record.items = [_item(phase) for phase in phases]
    position = -1
    for _ in range(source.integer()):
        position += source.integer() + 1
        item = record.items[position]
        packed = source.integer()
        item.user_failures = packed >> 2
        if packed & 2:
            item.shortages = source.integer()
        item.system_failures = source.integer()
        item.launches = source.integer()
        code = source.optional()
        if packed & 1:
            item.wake_at = _absolute(origin, source.integer())
        place = FailureOrigin(
            node_path=plan.path,
            index=position if plan.is_map else None,
            launch=max(item.launches - 1, 0),
            task=plan.target,
        )
        item.failure = _failure(code, codes, place)
    return [position for position, phase in enumerate(phases) if phase == _UNSEEN]


def _phase_of(item: ItemRecord) -> int:
    if item.source is not None and item.phase is NodePhase.SUCCEEDED:
        return next(code for code, origin in _SOURCED.items() if origin == item.source.origin)
    launch = item.launch
    unseen = launch is not None and launch.view is None and (launch.unseen or not launch.answered)
    return _UNSEEN if unseen and item.phase is NodePhase.RUNNING else int(item.phase)


def _item(code: int) -> ItemRecord:
    if code in _SOURCED:
        return ItemRecord(phase=NodePhase.SUCCEEDED, source=Source(_SOURCED[code], ""))
    phase = NodePhase.RUNNING if code == _UNSEEN else NodePhase(code)
    return ItemRecord(phase=phase, launches=1 if phase in _BEGUN else 0)


def _is_odd(item: ItemRecord) -> bool:
    """Whether an item differs from what its phase says by itself."""
    usual = 1 if item.phase in _BEGUN and item.source is None else 0
    return bool(
        item.launches != usual or item.user_failures or item.system_failures or item.wake_at or item.failure
    )


def _codes(state: State) -> list[tuple[int, str]]:
    found: dict[tuple[int, str], None] = {}
    for record in state.nodes:
        for failure in (record.failure, *(item.failure for item in record.items)):
            if failure is not None:
                found[int(failure.kind), failure.code] = None
    return list(found)


def _code_of(failure: Failure | None, table: dict[tuple[int, str], int]) -> int | None:
    return None if failure is None else table[int(failure.kind), failure.code]


def _failure(code: int | None, codes: list[tuple[int, str]], origin: FailureOrigin) -> Failure | None:
    if code is None:
        return None
    kind, name = codes[code]
    index = f"[{origin.index}]" if origin.HasField("index") else ""
    message = f"{origin.node_path}{index}: {name} (the details are in the launch's error record)"
    return Failure(kind=kind, code=name, message=message, origin=origin)  # type: ignore[arg-type]


def _since(origin: float | None, when: float | None) -> int | None:
    """Tenths of a second; rounded up, so that nothing comes early after a restart."""
    return None if origin is None or when is None else max(math.ceil((when - origin) * 10 - 1e-6), 0)


def _absolute(origin: float | None, tenths: int | None) -> float | None:
    return None if origin is None or tenths is None else origin + tenths / 10
