"""A result from the cache becomes the item's commit: in a real store, with admin's answers given."""

import asyncio
import types
from pathlib import Path
from typing import Any, cast

import pytest

from limosa_engine import Item
from limosa_engine.commands import Keep, LookupCache, StoreCache
from limosa_engine.events import CacheAnswered, CacheOutcome
from limosa_idl.admin.v1alpha1.admin_pb2 import LookupCacheRequest, LookupCacheResponse
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal, LiteralMap, Offloaded
from limosa_idl.run.v1alpha1.run_pb2 import ORIGIN_CACHE, ORIGIN_UNSPECIFIED, Commit, Epoch, RunSpec
from limosa_model import values
from limosa_model.digests import serialize, sha256_hex
from limosa_model.layout import commit_key, run_prefix
from limosa_propeller.runs.cached import look_up, result_of
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.services import Services
from limosa_propeller.store_access import StoreAccess
from limosa_store.errors import ErrorCode, StoreError
from limosa_store.settings import StoreSettings
from limosa_store.store import Store, open_store

OURS = run_prefix("shop", "development", "calm-heron", "uid-1")
THEIRS = run_prefix("shop", "development", "bold-crane", "uid-2")
Answer = LookupCacheResponse.Answer
COMMAND = LookupCache(Item("n0"), "flow.t", "ab" * 32, "sha256:11", reserve=False)


class Admin:
    """Gives the answers it was told to, in turn; keeps the questions."""

    def __init__(self, *answers: Answer | None) -> None:
        self.answers = list(answers)
        self.asked: list[LookupCacheRequest.Lookup] = []

    async def lookup(self, lookup: LookupCacheRequest.Lookup) -> Answer | None:
        kept = LookupCacheRequest.Lookup()
        kept.CopyFrom(lookup)
        self.asked.append(kept)
        return self.answers.pop(0)


class Bench:
    def __init__(self, root: Path) -> None:
        self.store: Store = open_store(StoreSettings(url=root.as_uri()))
        self.admin = Admin()
        spec = RunSpec(run_uid="uid-1", name="calm-heron", project="shop", domain="development")
        factory = types.SimpleNamespace(prefix=OURS)
        self.run = cast(OpenedRun, types.SimpleNamespace(spec=spec, epoch=Epoch(number=3), factory=factory))

    def theirs(self, outputs: dict[str, Literal] | None = None, **fields: Any) -> str:
        """A commit of the other run; its URI."""
        commit = Commit(run_uid="uid-2", launch_id="l9", input_digest="sha256:99", **fields)
        if outputs is not None:
            commit.inline.literals.update({})
            for name, literal in outputs.items():
                commit.inline.literals[name].CopyFrom(literal)
        key = commit_key(THEIRS, "n7", None)
        self.store.put(key, serialize(commit))
        return self.store.uri(key)

    def hit(self, uri: str) -> Answer:
        return Answer(outcome=Answer.OUTCOME_HIT, commit_uri=uri, run_name="bold-crane")

    def look_up(self, *answers: Answer | None, store: Any = None) -> CacheAnswered:
        self.admin = Admin(*answers)
        access = StoreAccess(store or self.store, 2)
        services = cast(Services, types.SimpleNamespace(cache=self.admin, store=access))
        try:
            return asyncio.run(look_up(services, self.run, COMMAND))
        finally:
            access.close()

    def own(self) -> Commit | None:
        key = commit_key(OURS, "n0", None)
        return Commit.FromString(self.store.get(key)) if self.store.head(key) else None


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_hit_becomes_the_items_commit(bench: Bench) -> None:
    answer = bench.look_up(bench.hit(bench.theirs({"o0": values.integer(7)})))
    own = bench.own()
    assert own is not None
    assert answer.outcome is CacheOutcome.HIT
    assert answer.commit == own
    assert (own.run_uid, own.launch_id, own.epoch.number) == ("uid-1", "", 3)
    assert (own.origin, own.origin_run, own.input_digest) == (ORIGIN_CACHE, "bold-crane", "sha256:11")
    assert own.inline.literals["o0"] == values.integer(7)


def test_a_commit_that_is_there_already_wins(bench: Bench) -> None:
    mine = Commit(run_uid="uid-1", launch_id="l1", inline=LiteralMap(literals={"o0": values.integer(1)}))
    bench.store.put(commit_key(OURS, "n0", None), serialize(mine))
    answer = bench.look_up(bench.hit(bench.theirs({"o0": values.integer(7)})))
    assert answer.commit == mine
    assert answer.commit is not None
    assert answer.commit.origin == ORIGIN_UNSPECIFIED


def test_outputs_that_the_other_run_offloaded_are_read_where_they_are(bench: Bench) -> None:
    data = serialize(LiteralMap(literals={"o0": values.integer(7)}))
    key = f"{THEIRS}/launches/l9/data/outputs.pb"
    bench.store.put(key, data)
    where = Offloaded(uri=bench.store.uri(key), size=len(data), digest=f"sha256:{sha256_hex(data)}")
    answer = bench.look_up(bench.hit(bench.theirs(offloaded=where)))
    assert answer.commit is not None
    assert answer.commit.inline.literals["o0"] == values.integer(7)


@pytest.mark.parametrize("kind", ["offloaded outputs", "offloaded value", "file", "file in a list", "folder"])
def test_a_result_whose_data_is_gone_is_none_and_admin_hears_of_it(bench: Bench, kind: str) -> None:
    uri = bench.store.uri(f"{THEIRS}/launches/l9/data/gone")
    lost = {
        "offloaded value": Literal(offloaded=Offloaded(uri=uri)),
        "file": Literal(blob=Blob(uri=uri)),
        "file in a list": values.collection([values.none(), Literal(blob=Blob(uri=uri))]),
        "folder": Literal(blob=Blob(uri=uri, multipart=True)),
    }
    commit = (
        bench.theirs(offloaded=Offloaded(uri=uri))
        if kind == "offloaded outputs"
        else bench.theirs({"o0": lost[kind]})
    )
    answer = bench.look_up(bench.hit(commit), Answer(outcome=Answer.OUTCOME_MISS))
    assert answer.outcome is CacheOutcome.MISS
    assert [asked.gone_uri for asked in bench.admin.asked] == ["", commit]
    assert bench.own() is None


def test_a_folder_that_has_something_is_there(bench: Bench) -> None:
    folder = f"{THEIRS}/launches/l9/data/model"
    bench.store.put(f"{folder}/weights", b"w")
    blob = Literal(blob=Blob(uri=bench.store.uri(folder), multipart=True))
    assert bench.look_up(bench.hit(bench.theirs({"o0": blob}))).outcome is CacheOutcome.HIT


def test_a_deleted_runs_commit_is_none(bench: Bench) -> None:
    uri = bench.theirs({"o0": values.integer(7)})
    bench.store.delete_prefix(THEIRS)
    answer = bench.look_up(bench.hit(uri), Answer(outcome=Answer.OUTCOME_RESERVED))
    assert answer.outcome is CacheOutcome.RESERVED
    assert bench.admin.asked[1].gone_uri == uri


def test_a_damaged_commit_is_none(bench: Bench) -> None:
    key = commit_key(THEIRS, "n7", None)
    bench.store.put(key, b"\xff\xff\xff")
    answer = bench.look_up(bench.hit(bench.store.uri(key)), Answer(outcome=Answer.OUTCOME_MISS))
    assert answer.outcome is CacheOutcome.MISS


def test_nothing_is_taken_from_another_project(bench: Bench) -> None:
    other = run_prefix("bank", "development", "bold-crane", "uid-3")
    key = commit_key(other, "n7", None)
    bench.store.put(key, serialize(Commit(inline=LiteralMap(literals={"o0": values.integer(7)}))))
    answer = bench.look_up(bench.hit(bench.store.uri(key)), Answer(outcome=Answer.OUTCOME_MISS))
    assert answer.outcome is CacheOutcome.MISS
    assert bench.own() is None


def test_taken_says_by_whom(bench: Bench) -> None:
    answer = bench.look_up(Answer(outcome=Answer.OUTCOME_TAKEN, holder="run bold-crane, node n7"))
    assert (answer.outcome, answer.detail) == (CacheOutcome.TAKEN, "run bold-crane, node n7")


def test_without_an_answer_it_is_unreachable(bench: Bench) -> None:
    assert bench.look_up(None).outcome is CacheOutcome.UNREACHABLE


def test_a_store_that_fails_is_no_verdict_on_the_result(bench: Bench) -> None:
    uri = bench.theirs({"o0": values.integer(7)})

    class Broken:
        settings = bench.store.settings

        def __getattr__(self, name: str) -> Any:
            return getattr(bench.store, name)

        def get(self, key: str, *, limit: int | None = None) -> bytes:
            raise StoreError(ErrorCode.UNREACHABLE, "503")

    answer = bench.look_up(bench.hit(uri), store=Broken())
    assert (answer.outcome, answer.detail) == (CacheOutcome.UNREACHABLE, "503")
    assert len(bench.admin.asked) == 1


def test_what_admin_is_told(bench: Bench) -> None:
    root = bench.store.settings.url

    def told(what: Keep, overwrite: bool = False) -> Any:
        return result_of(root, bench.run, StoreCache(Item("m", 3), "flow.t", "ab", "v1", what, overwrite))

    kept = told(Keep.RESULT, overwrite=True)
    assert kept.commit_uri == bench.store.uri(commit_key(OURS, "m", 3))
    assert (kept.index, kept.overwrite, kept.renew, kept.cache_version) == (3, True, False, "v1")
    renewed, left = told(Keep.RENEW), told(Keep.GIVE_UP)
    assert (renewed.commit_uri, renewed.renew) == ("", True)
    assert (left.commit_uri, left.renew) == ("", False)
