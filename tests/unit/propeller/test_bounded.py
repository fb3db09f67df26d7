"""Objects that authors' code wrote are read within bounds, whatever is said of them: one run's data is nobody else's end."""

import asyncio
import types
from collections.abc import Callable
from typing import Any, cast

import pytest
from memory_store import MemoryStore

from limosa_engine import Item
from limosa_engine.commands import CollectMap, LoadValue, ReadCommit, ReadError
from limosa_engine.events import CommitRead, ErrorRead, Event, StoreFailed, ValueLoaded
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_USER, Failure
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralCollection, LiteralMap, Offloaded
from limosa_idl.run.v1alpha1.run_pb2 import Commit, Epoch, ErrorRecord, RunSpec
from limosa_model import layout, values
from limosa_model.failures import Code
from limosa_propeller.runs import bounded, collecting, reads
from limosa_propeller.runs.borrowing import commit_of_other
from limosa_propeller.runs.bounded import TooLargeError
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.store_access import StoreAccess
from limosa_store.store import Store

PREFIX = layout.run_prefix("demo", "development", "calm-heron", "uid-1")
MOST = 64 * 1024


class Seen(MemoryStore):
    """Notes the largest read, and how many reads of outputs beside a commit there were at a time."""

    def __init__(self) -> None:
        super().__init__({})
        self.largest = 0

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        data = super().get(key, limit=limit)
        self.largest = max(self.largest, len(data))
        return data


class Bench:
    """A run in a store, and what comes of reading it."""

    def __init__(self) -> None:
        self.store = Seen()
        spec = RunSpec(run_uid="uid-1", name="calm-heron", project="demo", domain="development")
        factory = types.SimpleNamespace(prefix=PREFIX)
        self.run = cast(OpenedRun, types.SimpleNamespace(spec=spec, epoch=Epoch(number=1), factory=factory))

    def put(self, name: str, data: bytes) -> str:
        key = f"{PREFIX}/launches/l0/data/{name}"
        self.store.objects[key] = data
        return self.store.uri(key)

    def commit(self, index: int | None = None, node: str = "n0", **fields: Any) -> str:
        key = layout.commit_key(PREFIX, node, index)
        self.store.objects[key] = Commit(run_uid="uid-1", launch_id="l0", **fields).SerializeToString()
        return key

    def ask(self, read: Callable[..., Any], command: Any) -> Event:
        access = StoreAccess(cast(Store, self.store), 2)
        try:
            return cast(Event, asyncio.run(read(access, self.run, command)))
        finally:
            access.close()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def refused(answer: Event) -> str:
    assert isinstance(answer, StoreFailed)
    assert (answer.code, answer.kind, answer.retryable) == (Code.VALUE_TOO_LARGE, FAILURE_KIND_USER, False)
    return answer.message


def test_of_a_value_that_is_too_large_no_more_is_read_than_tells_so(bench: Bench) -> None:
    uri = bench.put("o0.pb", values.string("a" * 40 * MOST).SerializeToString())
    message = refused(bench.ask(reads.load_value, LoadValue(uri, "", MOST)))
    assert "2,621,4" in message
    assert "reads at most 65,536" in message
    assert "a flag, a count, a digest" in message
    assert bench.store.largest == MOST + 1


def test_a_value_of_few_bytes_and_many_parts_is_not_decoded(bench: Bench) -> None:
    parts = Literal(collection=LiteralCollection(literals=[Literal()])).SerializeToString() * (MOST // 8)
    message = refused(bench.ask(reads.load_value, LoadValue(bench.put("o0.pb", parts), "", MOST)))
    assert "takes more than 65,536 in memory" in message


def test_a_value_that_fits_is_read(bench: Bench) -> None:
    value = values.string("a" * (MOST - 100))
    uri = bench.put("o0.pb", value.SerializeToString())
    assert bench.ask(reads.load_value, LoadValue(uri, "", MOST)) == ValueLoaded(uri, value)


def test_a_value_that_went_with_its_run_is_told_by_the_runs_name(bench: Bench) -> None:
    earlier = layout.run_prefix("demo", "development", "old-heron", "uid-0")
    uri = bench.store.uri(f"{earlier}/launches/l0/data/o0.pb")
    answer = bench.ask(reads.load_value, LoadValue(uri, "", MOST))
    assert isinstance(answer, StoreFailed)
    assert (answer.code, answer.kind, answer.retryable) == (Code.RUN_DELETED, FAILURE_KIND_USER, False)
    assert answer.message == f"{uri} is gone: run 'old-heron', which made it, was deleted"
    bench.store.objects[f"{earlier}/commits/n0.pb"] = b""
    answer = bench.ask(reads.load_value, LoadValue(uri, "", MOST))
    assert isinstance(answer, StoreFailed)
    assert (answer.code, answer.message) == (Code.CORRUPT_DATA, f"{uri} is missing from the store")


def test_a_commit_that_is_too_large_is_its_author_s_failure(bench: Bench) -> None:
    key = bench.commit(inline=LiteralMap(literals={"o0": values.string("a" * 2 * bounded.COMMIT_BYTES)}))
    assert bench.store.uri(key) in refused(bench.ask(reads.read_commit, ReadCommit(Item("n0"))))
    assert bench.store.largest == bounded.COMMIT_BYTES + 1


def test_what_a_commit_says_of_its_outputs_is_not_believed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "OUTPUTS_BYTES", MOST)
    outputs = LiteralMap(literals={"o0": values.string("a" * 4 * MOST)}).SerializeToString()
    bench.commit(offloaded=Offloaded(uri=bench.put("outputs.pb", outputs), size=10))
    refused(bench.ask(reads.read_commit, ReadCommit(Item("n0"))))
    assert bench.store.largest == MOST + 1


def test_a_commit_without_outputs_gives_none(bench: Bench) -> None:
    bench.commit()
    answer = bench.ask(reads.read_commit, ReadCommit(Item("n0")))
    assert isinstance(answer, CommitRead)
    assert answer.commit is not None
    assert answer.commit.WhichOneof("outputs") == "inline"


def test_an_error_record_that_is_too_large_is_not_read(bench: Bench) -> None:
    failure = Failure(message="a" * 2 * bounded.ERROR_BYTES)
    record = ErrorRecord(run_uid="uid-1", launch_id="l0", failure=failure)
    bench.store.objects[layout.error_key(PREFIX, "l0")] = record.SerializeToString()
    refused(bench.ask(reads.read_error, ReadError(Item("n0"), 0, "l0")))
    record.failure.message = "a"
    bench.store.objects[layout.error_key(PREFIX, "l0")] = record.SerializeToString()
    assert isinstance(bench.ask(reads.read_error, ReadError(Item("n0"), 0, "l0")), ErrorRead)


def test_another_run_s_commit_that_is_too_large_is_not_taken_over(bench: Bench) -> None:
    key = bench.commit(inline=LiteralMap(literals={"o0": values.string("a" * 2 * bounded.COMMIT_BYTES)}))
    with pytest.raises(TooLargeError):
        commit_of_other(cast(Store, bench.store), bench.run, key)
    assert bench.store.largest == bounded.COMMIT_BYTES + 1


def test_outputs_beside_the_commits_of_a_map_are_in_memory_one_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []

    class Column(collecting._Column):
        def add(self, element: Literal) -> None:
            super().add(element)
            kept.append(sum(key.startswith(f"{PREFIX}/launches") for key in read))

    read: list[str] = []
    monkeypatch.setattr(collecting, "_Column", Column)
    get = bench.store.get
    monkeypatch.setattr(bench.store, "get", lambda key, **more: (read.append(key), get(key, **more))[1])
    for position in range(5):
        outputs = LiteralMap(literals={"o0": values.integer(position)}).SerializeToString()
        place = Offloaded(uri=bench.put(f"{position}.pb", outputs))
        bench.commit(position, "m", offloaded=place)
    answer = bench.ask(collecting.collect_map, CollectMap(Item("m"), 5, (), ("o0",)))
    assert isinstance(answer, CommitRead)
    assert answer.commit is not None
    assert values.to_plain(answer.commit.inline.literals["o0"]) == [0, 1, 2, 3, 4]
    assert kept == [1, 2, 3, 4, 5]


def test_what_a_map_gives_stands_in_its_commit_while_there_is_room(bench: Bench) -> None:
    names = [f"o{number}" for number in range(4)]
    for position in range(2):
        bench.commit(
            position, "m", inline=LiteralMap(literals={name: values.string("a" * 15_000) for name in names})
        )
    answer = bench.ask(collecting.collect_map, CollectMap(Item("m"), 2, (), tuple(names)))
    assert isinstance(answer, CommitRead)
    assert answer.commit is not None
    kinds = [answer.commit.inline.literals[name].WhichOneof("value") for name in names]
    assert kinds == ["collection", "collection", "offloaded", "offloaded"]
