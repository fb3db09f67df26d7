"""Removing pods: one by one with a precondition on the uid, or many of one run by the ids of their launches."""

import asyncio
import logging
import random
from collections.abc import Sequence

from limosa_model import names
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import PODS
from limosa_propeller.runs.services import Services

logger = logging.getLogger(__name__)

OVER = frozenset({"finished", "failed", "stale"})
"""Reasons of deletions after which no pod of the launch is made again: its id alone says which pod is meant."""
FEW = 4
"""Up to so many pods are removed one by one: to remove by labels, the API server looks at all pods of the namespace."""
MANY = 150
"""Launch ids in one request: its address stays below 4 KB."""
BACKOFF_SECONDS = (0.5, 1, 2, 5, 10, 30)


async def remove_pod(services: Services, namespace: str, name: str, uid: str) -> bool:
    """Has a pod deleted; True when there is none of that uid. Waits while the API server gives no answer."""
    attempt = 0
    while True:
        try:
            # Removals come in bulk; launches must not stand in line behind them.
            async with services.removals:
                await services.verbs.delete(PODS, namespace, name, uid)
            return False
        except ApiError as error:
            if error.status in (404, 409):
                return True
            await _pause(attempt, error)
            attempt += 1


async def remove_launches(services: Services, namespace: str, launch_ids: Sequence[str]) -> bool:
    """Has the pods of launches deleted by one request; False where the API server does not take such requests.

    Waits while it gives no answer.
    """
    selector = f"{names.LABEL_LAUNCH} in ({','.join(launch_ids)})"
    attempt = 0
    while True:
        try:
            async with services.removals:
                await services.verbs.delete_collection(PODS, namespace, selector)
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
