"""A list kept true by a watch, for a kind of which there are thousands."""

import asyncio
import logging
import random
from collections.abc import Callable

from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import Object, Resource, Verbs

logger = logging.getLogger(__name__)

BACKOFF_SECONDS = (0.05, 0.2, 1.0, 3.0, 10.0)
GONE = 410


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

    async def list(self) -> None:
        """Reads everything anew. Raises ApiError."""
        items, self._version = await self._verbs.list(self._resource, self._namespace, self._labels)
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
        events = self._verbs.watch(self._resource, self._namespace, self._labels, self._version)
        async for kind, found in events:
            if kind == "ERROR":
                raise ApiError.from_response(int(found.get("code") or 500), found, None)
            self._version = found["metadata"]["resourceVersion"]
            if kind != "BOOKMARK":
                self._on_event(kind, found)
