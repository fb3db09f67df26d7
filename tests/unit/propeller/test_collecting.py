"""A map's outputs as one: read from the items' commits of a real store, streamed into it, committed once."""

import asyncio
import types
from pathlib import Path
from typing import Any, cast

import pytest

from limosa_engine import Item
from limosa_engine.commands import CollectMap
from limosa_engine.events import CommitRead, StoreFailed
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap, Offloaded
from limosa_idl.run.v1alpha1.run_pb2 import Commit, Epoch, RunSpec
from limosa_model import values
from limosa_model.digests import serialize, sha256_hex
from limosa_model.layout import commit_key, run_prefix
from limosa_propeller.runs.collecting import collect_map
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.store_access import StoreAccess
from limosa_store.settings import StoreSettings
from limosa_store.store import Store, open_store

PREFIX = run_prefix("demo", "development", "calm-heron", "uid-1")


class Bench:
    """A run in a store, and the answer to one command about it."""

    def __init__(self, root: Path, epoch: int = 1) -> None:
        self.store: Store = open_store(StoreSettings(url=root.as_uri()))
        spec = RunSpec(run_uid="uid-1", name="calm-heron", project="demo", domain="development")
        factory = types.SimpleNamespace(prefix=PREFIX)
        self.run = cast(
            OpenedRun, types.SimpleNamespace(spec=spec, epoch=Epoch(number=epoch), factory=factory)
        )

    def item(self, position: int, outputs: dict[str, Literal], run_uid: str = "uid-1") -> None:
        commit = Commit(run_uid=run_uid, launch_id=f"l{position}", inline=LiteralMap(literals=outputs))
        assert self.store.put_if_absent(commit_key(PREFIX, "m", position), serialize(commit))

    def collect(self, items: int, missing: tuple[int, ...] = (), outputs: tuple[str, ...] = ("o0",)) -> Any:
        command = CollectMap(Item("m"), items, missing, outputs)
        access = StoreAccess(self.store, 2)
        try:
            return asyncio.run(collect_map(access, self.run, command))
        finally:
            access.close()

    def content(self, offloaded: Offloaded) -> Literal:
        key = self.store.key(offloaded.uri)
        assert key is not None
        data = self.store.get(key)
        assert (len(data), f"sha256:{sha256_hex(data)}") == (offloaded.size, offloaded.digest)
        return Literal.FromString(data)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_few_small_values_stand_in_the_commit(bench: Bench) -> None:
    for position in range(3):
        bench.item(position, {"o0": values.integer(position), "name": values.string(f"n{position}")})
    answer = bench.collect(3, outputs=("o0", "name"))
    assert isinstance(answer, CommitRead)
    assert answer.item == Item("m")
    assert answer.commit is not None
    outputs = answer.commit.inline.literals
    assert values.to_plain(outputs["o0"]) == [0, 1, 2]
    assert values.to_plain(outputs["name"]) == ["n0", "n1", "n2"]
    assert Commit.FromString(bench.store.get(commit_key(PREFIX, "m", None))) == answer.commit


def test_many_values_become_one_object_in_index_order(bench: Bench) -> None:
    for position in range(300):
        bench.item(position, {"o0": values.string(f"{position}:" + "x" * 500)})
    answer = bench.collect(300)
    reference = answer.commit.inline.literals["o0"].offloaded
    assert reference.length == 300
    found = values.to_plain(bench.content(reference))
    assert [int(text.partition(":")[0]) for text in found] == list(range(300))


def test_failed_items_are_none_and_are_not_read(bench: Bench) -> None:
    bench.item(0, {"o0": values.integer(1)})
    bench.item(2, {"o0": values.integer(3)})
    answer = bench.collect(3, missing=(1,))
    assert values.to_plain(answer.commit.inline.literals["o0"]) == [1, None, 3]


def test_no_items_are_an_empty_list(bench: Bench) -> None:
    assert values.to_plain(bench.collect(0).commit.inline.literals["o0"]) == []


def test_the_first_commit_counts_for_every_cluster(bench: Bench, tmp_path: Path) -> None:
    bench.item(0, {"o0": values.integer(1)})
    first = bench.collect(1)
    second = Bench(tmp_path, epoch=2).collect(1)
    assert second == first
    assert second.commit.epoch.number == 1


def test_a_lost_commit_is_corrupt_data_and_nothing_is_committed(bench: Bench) -> None:
    bench.item(0, {"o0": values.integer(1)})
    answer = bench.collect(2)
    assert isinstance(answer, StoreFailed)
    assert (answer.code, answer.retryable) == ("CorruptData", False)
    assert f"{PREFIX}/commits/m" in answer.message
    assert bench.store.head(commit_key(PREFIX, "m", None)) is None


def test_another_runs_commit_is_refused(bench: Bench) -> None:
    bench.item(0, {"o0": values.integer(1)}, run_uid="uid-2")
    answer = bench.collect(1)
    assert isinstance(answer, StoreFailed)
    assert "is a commit of run uid-2" in answer.message


def test_an_item_without_the_output_is_named(bench: Bench) -> None:
    bench.item(0, {"other": values.integer(1)})
    answer = bench.collect(1)
    assert isinstance(answer, StoreFailed)
    assert "m[0] gave no output 'o0'" in answer.message
