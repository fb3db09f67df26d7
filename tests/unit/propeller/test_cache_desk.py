"""Questions and results for the cache: batched, bounded, and never lost to a passing fault."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from limosa_idl.admin.v1alpha1.admin_pb2 import LookupCacheResponse, StoreCacheResponse
from limosa_propeller.admin_link import cache_desk
from limosa_propeller.admin_link.cache_desk import BATCH, Answer, CacheDesk, Lookup, Result
from limosa_propeller.settings import AdminSettings

ADMIN = AdminSettings(endpoint="127.0.0.1:1")


def fault(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "no")


class Stub:
    """An admin that answers each key with a miss, and fails as it is told."""

    def __init__(self) -> None:
        self.lookups: list[list[str]] = []
        self.results: list[list[str]] = []
        self.faults: list[Exception] = []
        self.refused = ""
        self.hold: asyncio.Event | None = None

    async def LookupCache(self, request: Any, **_: Any) -> Any:
        keys = [lookup.key for lookup in request.lookups]
        self.lookups.append(keys)
        await self._trouble(keys)
        return LookupCacheResponse(answers=[Answer(outcome=Answer.OUTCOME_MISS, holder=key) for key in keys])

    async def StoreCache(self, request: Any, **_: Any) -> Any:
        keys = [result.key for result in request.results]
        self.results.append(keys)
        await self._trouble(keys)
        return StoreCacheResponse()

    async def _trouble(self, keys: list[str]) -> None:
        if self.hold is not None:
            await self.hold.wait()
        if self.faults:
            raise self.faults.pop(0)
        if self.refused in keys:
            raise fault(grpc.StatusCode.INVALID_ARGUMENT)


class Open:
    """A desk at work."""

    def __init__(self) -> None:
        self.desk, self.stub = CacheDesk(), Stub()

    async def __aenter__(self) -> "Open":
        work = self.desk.run(self.stub, "c1", ADMIN)  # type: ignore[arg-type]
        self._task = asyncio.get_running_loop().create_task(work)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def ask(desk: CacheDesk, *keys: str) -> Any:
    return asyncio.gather(*(desk.lookup(Lookup(run_uid="u", node_path="n0", key=key)) for key in keys))


def test_questions_travel_together_and_each_gets_its_own_answer() -> None:
    async def play() -> None:
        async with Open() as at:
            keys = [str(number) for number in range(BATCH + 1)]
            answers = await ask(at.desk, *keys)
        assert [answer.holder for answer in answers] == keys
        assert [len(batch) for batch in at.stub.lookups] == [BATCH, 1]

    asyncio.run(play())


def test_a_passing_fault_costs_no_question() -> None:
    async def play() -> None:
        async with Open() as at:
            at.stub.faults = [fault(grpc.StatusCode.UNAVAILABLE), fault(grpc.StatusCode.DEADLINE_EXCEEDED)]
            answers = await ask(at.desk, "a", "b")
        assert [answer.holder for answer in answers] == ["a", "b"]

    asyncio.run(play())


def test_an_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_desk, "LOOKUP_SECONDS", 0.01)

    async def play() -> None:
        async with Open() as at:
            at.stub.hold = asyncio.Event()
            assert await ask(at.desk, "a") == [None]
            at.stub.hold.set()
            at.stub.hold = None
            monkeypatch.setattr(cache_desk, "LOOKUP_SECONDS", 5.0)
            (answer,) = await ask(at.desk, "b")
        assert answer.holder == "b"

    asyncio.run(play())


def test_a_question_that_admin_refuses_holds_up_no_other() -> None:
    async def play() -> None:
        async with Open() as at:
            at.stub.refused = "3"
            answers = await ask(at.desk, *(str(number) for number in range(8)))
        assert [None if answer is None else answer.holder for answer in answers] == [
            *("0", "1", "2"),
            None,
            *("4", "5", "6", "7"),
        ]

    asyncio.run(play())


def test_results_are_told_until_admin_took_them() -> None:
    async def play() -> None:
        async with Open() as at:
            at.stub.faults = [fault(grpc.StatusCode.UNAVAILABLE)]
            for key in ("a", "b"):
                at.desk.tell(Result(run_uid="u", node_path="n0", key=key))
            while len(at.stub.results) < 2:
                await asyncio.sleep(0.01)
            at.desk.tell(Result(run_uid="u", node_path="n0", key="c"))
            while len(at.stub.results) < 3:
                await asyncio.sleep(0.01)
        assert at.stub.results == [["a", "b"], ["a", "b"], ["c"]]

    asyncio.run(play())


def test_of_a_key_the_latest_is_told() -> None:
    async def play() -> None:
        async with Open() as at:
            at.desk.tell(Result(run_uid="u", node_path="n0", key="a", renew=True))
            at.desk.tell(Result(run_uid="u", node_path="n0", key="a", commit_uri="s3://b/k"))
            while not at.stub.results:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.02)
        assert at.stub.results == [["a"]]

    asyncio.run(play())


def test_a_result_that_admin_refuses_is_dropped_alone() -> None:
    async def play() -> None:
        async with Open() as at:
            at.stub.refused = "1"
            for key in ("0", "1", "2", "3"):
                at.desk.tell(Result(run_uid="u", node_path="n0", key=key))
            while {"2", "3"} - {key for batch in at.stub.results if "1" not in batch for key in batch}:
                await asyncio.sleep(0.01)
        taken = [key for batch in at.stub.results if "1" not in batch for key in batch]
        assert sorted(taken) == ["0", "2", "3"]

    asyncio.run(play())


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_desk, "MOST_TOLD", 2)

    async def play() -> None:
        at = Open()
        for key in ("a", "b", "c"):
            at.desk.tell(Result(run_uid="u", node_path="n0", key=key))
        async with at:
            while not at.stub.results:
                await asyncio.sleep(0.01)
        assert at.stub.results == [["b", "c"]]

    asyncio.run(play())
