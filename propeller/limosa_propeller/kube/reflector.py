"""A list kept true by a watch, for a kind of which there are thousands."""

import asyncio
import logging
import math
import random
from collections.abc import Callable

from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import Object, Resource, Verbs
from limosa_propeller.kube.watch_events import decode_event, in_passing

logger = logging.getLogger(__name__)

BACKOFF_SECONDS = (0.05, 0.2, 1.0, 3.0, 10.0)
GONE = 410
PASSING_SECONDS = 1.0
"""How long news that is worth nothing once there is later news waits for it."""
TELLING_SECONDS = 0.05
"""What waited long enough is told at least so far apart: little at a time, so that nothing else has to wait for it."""


class Reflector:
    """Tells of every object of a kind and of every change, whatever the server does in between.

    Args:
        verbs: How to ask.
        resource: The kind.
        namespace: Where; None: everywhere.
        labels: Label selector.
        on_list: Told of a complete list and the version it was true at.
        on_event: Told of an event's type and object.
    """

    def __init__(
        self,
        verbs: Verbs,
        resource: Resource,
        namespace: str | None,
        labels: str,
        on_list: Callable[[str | None, list[Object], int], None],
        on_event: Callable[[str, Object], None],
    ) -> None:
        self._verbs, self._resource, self._namespace, self._labels = verbs, resource, namespace, labels
        self._on_list, self._on_event = on_list, on_event
        self._version = ""
        self._waiting: dict[str, tuple[float, bytes]] = {}
        """By uid: since when news of a pod waits, and the latest of it; the longest wait comes first."""
        self._timer: asyncio.TimerHandle | None = None

    async def list(self) -> None:
        """Reads everything anew. Raises ApiError."""
        items, version = await self._verbs.list(self._resource, self._namespace, self._labels)
        # Told later, it would bring back what the list does not have any more.
        self._take_waiting(math.inf)
        self._version = version
        self._on_list(self._namespace, items, int(self._version))

    async def watch(self) -> None:
        """Watches until cancelled; lists again whenever the server has forgotten where we were."""
        failures = 0
        while True:
            try:
                if not self._version:
                    await self.list()
                await self._stream()
                failures = 0
            except ApiError as error:
                if error.status == GONE:
                    self._version = ""
                else:
                    failures += 1
                    logger.warning(
                        "watch stream broke", extra={"resource": self._resource.plural, "error": str(error)}
                    )
            pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))

    async def _stream(self) -> None:
        lines = self._verbs.watch(self._resource, self._namespace, self._labels, self._version)
        try:
            async for line in lines:
                uid = in_passing(line)
                if uid:
                    self._wait(uid, line)
                else:
                    self._take(line)
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._take_waiting(math.inf)

    def _wait(self, uid: str, line: bytes) -> None:
        # Most pods are bound, run and end within moments: each step on the way would cost as much as the end.
        loop = asyncio.get_running_loop()
        since, _ = self._waiting.get(uid) or (loop.time(), line)
        self._waiting[uid] = since, line
        if self._timer is None:
            self._timer = loop.call_later(PASSING_SECONDS, self._take_due)

    def _take_due(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        next_due = self._take_waiting(loop.time())
        if next_due is not None:
            self._timer = loop.call_at(max(next_due, loop.time() + TELLING_SECONDS), self._take_due)

    def _take_waiting(self, now: float) -> float | None:
        """Tells what is due; when the next of it is, None where nothing waits any more."""
        while self._waiting:
            uid, (since, line) = next(iter(self._waiting.items()))
            if since + PASSING_SECONDS > now:
                return since + PASSING_SECONDS
            del self._waiting[uid]
            self._take(line)
        return None

    def _take(self, line: bytes) -> None:
        kind, found = decode_event(line)
        if kind == "ERROR":
            raise ApiError.from_response(int(found.get("code") or 500), found, None)
        metadata = found["metadata"]
        self._waiting.pop(metadata.get("uid", ""), None)
        # What waited is older than what did not.
        self._version = max(self._version, metadata["resourceVersion"], key=int)
        if kind != "BOOKMARK":
            self._on_event(kind, found)
