"""The object store, without blocking the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from limosa_store.store import Store

Answer = TypeVar("Answer")


class StoreAccess:
    """Calls of a blocking store in a few threads."""

    def __init__(self, store: Store, threads: int) -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self.root = store.settings.url.rstrip("/")
        """Absolute URI of the store's root."""

    async def call(self, work: Callable[[Store], Answer]) -> Answer:
        """Runs `work` with the store in a thread. Raises what it raises (StoreError for the store's faults)."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, self._store)

    def close(self) -> None:
        """Waits for no one: what is under way is idempotent."""
        self._threads.shutdown(wait=False, cancel_futures=True)
