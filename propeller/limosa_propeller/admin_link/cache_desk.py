"""The cache in admin, asked and told in batches for all runs together."""

import asyncio
import logging
import random
from collections import deque
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

from limosa_idl.admin.v1alpha1.admin_pb2 import LookupCacheRequest, LookupCacheResponse, StoreCacheRequest
from limosa_propeller.admin_link.channel import call_metadata
from limosa_propeller.loops import run_together
from limosa_propeller.settings import AdminSettings

if TYPE_CHECKING:
    from limosa_idl.admin.v1alpha1.admin_pb2_grpc import OperatorServiceAsyncStub

logger = logging.getLogger(__name__)

BATCH = 500
"""What one call asks or tells."""
GATHER_SECONDS = 0.004
"""Questions that come within it travel together."""
LOOKUP_SECONDS = 5.0
"""An answer that takes longer is not waited for."""
CALL_SECONDS = 10.0
MOST_TOLD = 20_000
"""Results that wait for admin; of more the oldest are dropped: a later run makes them again."""
BACKOFF_SECONDS = (0.1, 0.25, 0.5, 1.0)

Lookup = LookupCacheRequest.Lookup
Answer = LookupCacheResponse.Answer
Result = StoreCacheRequest.Result


class NoCache:
    """Stands in where there is no admin."""

    async def lookup(self, lookup: Lookup) -> Answer | None:
        """Knows nothing."""
        return None

    def tell(self, result: Result) -> None:
        """Forgets it."""


class CacheDesk:
    """Questions and results on their way to admin."""

    def __init__(self) -> None:
        self._asked: deque[tuple[Lookup, asyncio.Future[Answer | None]]] = deque()
        self._asking = asyncio.Event()
        self._told: dict[tuple[str, str, int, str], Result] = {}
        self._telling = asyncio.Event()

    async def lookup(self, lookup: Lookup) -> Answer | None:
        """Asks admin; None when there was no answer within `LOOKUP_SECONDS`."""
        future: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self._asked.append((lookup, future))
        self._asking.set()
        try:
            return await asyncio.wait_for(future, LOOKUP_SECONDS)
        except asyncio.TimeoutError:
            return None

    def tell(self, result: Result) -> None:
        """Takes what admin is to know: of a node item and key the latest."""
        index = result.index if result.HasField("index") else -1
        key = (result.run_uid, result.node_path, index, result.key)
        self._told.pop(key, None)
        self._told[key] = result
        if len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]
        self._telling.set()

    async def run(self, stub: "OperatorServiceAsyncStub", cluster_uid: str, admin: AdminSettings) -> None:
        """Asks and tells until cancelled."""
        await run_together(
            self._ask_for_ever(stub, cluster_uid, admin), self._tell_for_ever(stub, cluster_uid, admin)
        )

    async def _ask_for_ever(
        self, stub: "OperatorServiceAsyncStub", cluster_uid: str, admin: AdminSettings
    ) -> None:
        failures, limit = 0, BATCH
        while True:
            await self._asking.wait()
            await asyncio.sleep(GATHER_SECONDS)
            batch = self._next(limit)
            if not batch:
                continue
            request = LookupCacheRequest(cluster_uid=cluster_uid, lookups=[lookup for lookup, _ in batch])
            try:
                response = await stub.LookupCache(
                    request, timeout=LOOKUP_SECONDS, metadata=call_metadata(admin)
                )
            except (grpc.aio.AioRpcError, OSError) as error:
                if _is_refusal(error):
                    limit = self._narrowed(batch, error)
                else:
                    self._asked.extendleft(reversed(batch))
                    self._asking.set()
                    await _pause("look-up", error, failures)
                    failures += 1
                continue
            failures, limit = 0, BATCH
            for (_, future), answer in zip(batch, response.answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    def _next(self, limit: int) -> list[tuple[Lookup, "asyncio.Future[Answer | None]"]]:
        """Up to so many questions that somebody still waits for."""
        batch: list[tuple[Lookup, asyncio.Future[Answer | None]]] = []
        while self._asked and len(batch) < limit:
            entry = self._asked.popleft()
            if not entry[1].done():
                batch.append(entry)
        if not self._asked:
            self._asking.clear()
        return batch

    def _narrowed(self, batch: list[tuple[Lookup, "asyncio.Future[Answer | None]"]], error: Exception) -> int:
        """One question that admin refuses must not hold up all others: find it, and leave it without answer."""
        if len(batch) > 1:
            self._asked.extendleft(reversed(batch))
            self._asking.set()
            return len(batch) // 2
        lookup, future = batch[0]
        extra = {"run_uid": lookup.run_uid, "node": lookup.node_path, "error": str(error)}
        logger.error("admin refuses a look-up in the cache", extra=extra)
        if not future.done():
            future.set_result(None)
        return BATCH

    async def _tell_for_ever(
        self, stub: "OperatorServiceAsyncStub", cluster_uid: str, admin: AdminSettings
    ) -> None:
        failures, limit = 0, BATCH
        while True:
            await self._telling.wait()
            batch = dict(list(self._told.items())[:limit])
            request = StoreCacheRequest(cluster_uid=cluster_uid, results=batch.values())
            try:
                response = await stub.StoreCache(request, timeout=CALL_SECONDS, metadata=call_metadata(admin))
            except (grpc.aio.AioRpcError, OSError) as error:
                if not _is_refusal(error):
                    await _pause("store", error, failures)
                    failures += 1
                    continue
                if len(batch) > 1:
                    limit = len(batch) // 2
                    continue
                logger.error("admin refuses a result for the cache", extra={"error": str(error)})
                self._sent(batch)
                limit = BATCH
                continue
            failures, limit = 0, BATCH
            self._sent(batch)
            for position in response.lost:
                result = request.results[position]
                extra = {"run_uid": result.run_uid, "node": result.node_path}
                logger.warning("a reservation in the cache was taken over", extra=extra)
            await asyncio.sleep(GATHER_SECONDS)

    def _sent(self, batch: dict[tuple[str, str, int, str], Result]) -> None:
        """They were taken; what replaced one of them meanwhile stays."""
        for key, result in batch.items():
            if self._told.get(key) is result:
                del self._told[key]
        if not self._told:
            self._telling.clear()


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def _pause(what: str, error: Exception, failures: int) -> None:
    told: Any = error.details() if isinstance(error, grpc.aio.AioRpcError) else error
    level = logging.INFO if failures == 0 else logging.WARNING
    logger.log(level, "the cache is not reached", extra={"call": what, "error": str(told)})
    seconds = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
    await asyncio.sleep(seconds * random.uniform(0.7, 1.3))
