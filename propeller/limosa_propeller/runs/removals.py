"""Removing pods: one by one with a precondition on the uid, or many of a namespace by the ids of their launches."""

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence

from limosa_model import names
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import PODS, Verbs

logger = logging.getLogger(__name__)

OVER = frozenset({"finished", "failed", "stale"})
"""Reasons of deletions after which no pod of the launch is made again: its id alone says which pod is meant."""
LOST = "lost"
"""Reason of deletions of pods whose kubelet does not answer."""
FEW = 4
"""Up to so many pods are removed one by one: to remove by labels, the API server looks at all pods of the namespace."""
MANY = 150
"""Launch ids in one request: its address stays below 4 KB."""
BACKOFF_SECONDS = (0.5, 1, 2, 5, 10, 30)


class Removals:
    """Has pods deleted. While the API server gives no answer, whoever asked waits.

    Args:
        verbs: How to ask.
        at_a_time: Requests; launches must not stand in line behind removals, which come in bulk.
        gathering_seconds: How long pods that may go wait for others, of all runs, to go with one request.
    """

    def __init__(self, verbs: Verbs, at_a_time: int, gathering_seconds: float) -> None:
        self._verbs = verbs
        self._turns = asyncio.Semaphore(at_a_time)
        self._gathering_seconds = gathering_seconds
        self._gathering: dict[str, tuple[list[str], asyncio.Task[bool]]] = {}
        """By namespace: launch ids, and the task that will have their pods deleted."""
        self._tasks: set[asyncio.Task[bool]] = set()

    async def remove(self, namespace: str, name: str, uid: str, *, at_once: bool = False) -> bool:
        """Has a pod deleted; True when there is none of that uid.

        Args:
            namespace: Of the pod.
            name: Of the pod.
            uid: Of the pod.
            at_once: Do not wait for its kubelet, which may be lost with its node: until the object goes it takes room.
        """
        attempt = 0
        while True:
            try:
                async with self._turns:
                    await self._verbs.delete(PODS, namespace, name, uid, 0 if at_once else None)
                return False
            except ApiError as error:
                if error.status in (404, 409):
                    return True
                await _pause(attempt, error)
                attempt += 1

    async def remove_launches(self, namespace: str, launch_ids: Iterable[str]) -> bool:
        """Has the pods of launches that are over deleted; False where they have to be deleted one by one."""
        if namespace not in self._gathering:
            ids = list[str]()
            task = asyncio.create_task(self._send(namespace, ids))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._gathering[namespace] = ids, task
        ids, task = self._gathering[namespace]
        ids.extend(launch_ids)
        # Whoever waits may be cancelled; the others' pods go all the same.
        return await asyncio.shield(task)

    def close(self) -> None:
        """Stops; what was asked of the API server may or may not happen."""
        for task in self._tasks:
            task.cancel()

    async def _send(self, namespace: str, ids: list[str]) -> bool:
        await asyncio.sleep(self._gathering_seconds)
        del self._gathering[namespace]
        if len(ids) <= FEW:
            return False
        for at in range(0, len(ids), MANY):
            if not await self._remove_together(namespace, ids[at : at + MANY]):
                return False
        return True

    async def _remove_together(self, namespace: str, launch_ids: Sequence[str]) -> bool:
        """One request; False where the API server does not take such requests."""
        selector = f"{names.LABEL_LAUNCH} in ({','.join(launch_ids)})"
        attempt = 0
        while True:
            try:
                async with self._turns:
                    await self._verbs.delete_collection(PODS, namespace, selector)
                return True
            except ApiError as error:
                if not (error.transient or error.status == 401):
                    logger.warning("pods are not removed together", extra={"error": str(error)})
                    return False
                await _pause(attempt, error)
                attempt += 1


async def _pause(attempt: int, error: ApiError) -> None:
    pause = BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)]
    await asyncio.sleep(max(pause * random.uniform(0.7, 1.3), error.retry_after or 0.0))
