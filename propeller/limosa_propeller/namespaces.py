"""Which project and domain a namespace is."""

import asyncio
import time

from limosa_model import names
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import NAMESPACES, Verbs

FRESH_SECONDS = 1.0
"""Short: a namespace that was deleted and made anew may belong to nobody. Runs that are opened together share an answer."""
SERVED_FRESH_SECONDS = 5.0
"""Shorter: whoever has just made a namespace wants to use it."""


class Namespaces:
    """Namespace labels, read when asked for and remembered for a second."""

    def __init__(self, verbs: Verbs) -> None:
        self._verbs = verbs
        self._known: dict[str, tuple[float, tuple[str, str]]] = {}
        self._asked: dict[str, asyncio.Task[tuple[str, str]]] = {}
        self._served: tuple[str, ...] = ()
        self._served_at = float("-inf")

    async def tenant(self, namespace: str) -> tuple[str, str]:
        """Project and domain as the namespace's labels say; empty where it has none. Raises ApiError."""
        read_at, tenant = self._known.get(namespace, (float("-inf"), ("", "")))
        if time.monotonic() - read_at <= FRESH_SECONDS:
            return tenant
        if namespace not in self._asked:
            # After a restart all runs of a namespace ask at once.
            asked = self._asked[namespace] = asyncio.create_task(self._read(namespace))
            asked.add_done_callback(lambda _: self._asked.pop(namespace, None))
        # Whoever waits may be cancelled; the others get their answer all the same.
        return await asyncio.shield(self._asked[namespace])

    async def _read(self, namespace: str) -> tuple[str, str]:
        labels = (await self._verbs.get(NAMESPACES, None, namespace))["metadata"].get("labels") or {}
        tenant = labels.get(names.LABEL_PROJECT, ""), labels.get(names.LABEL_DOMAIN, "")
        self._known[namespace] = time.monotonic(), tenant
        return tenant

    async def served(self, configured: tuple[str, ...]) -> tuple[str, ...]:
        """Project-domains whose runs can live here: those configured, else those of labelled namespaces.

        Empty where the labels may not be listed: then nobody can say. Raises ApiError.
        """
        if configured:
            return configured
        if time.monotonic() - self._served_at > SERVED_FRESH_SECONDS:
            try:
                found, _ = await self._verbs.list(
                    NAMESPACES, None, f"{names.LABEL_PROJECT},{names.LABEL_DOMAIN}"
                )
            except ApiError as error:
                if error.status != 403:
                    raise
                found = []
            self._served = tuple(sorted(space["metadata"]["name"] for space in found))
            self._served_at = time.monotonic()
        return self._served

    async def cluster_uid(self) -> str:
        """Uid of kube-system: the identity of the cluster. Raises ApiError."""
        found = await self._verbs.get(NAMESPACES, None, "kube-system")
        return str(found["metadata"]["uid"])

    async def missing(self, namespace: str) -> bool:
        """Whether there is no such namespace. Raises ApiError for anything but a clear answer."""
        try:
            await self.tenant(namespace)
        except ApiError as error:
            if error.status == 404:
                return True
            raise
        return False
