"""Logs of launches whose runtime could not store them."""

import logging

from limosa_model import layout
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.runs.services import Services
from limosa_store.errors import StoreError
from limosa_store.store import Store

logger = logging.getLogger(__name__)

TAIL_LINES = 2_000
OVERLAP_BYTES = 256
"""End of the last stored segment by which the log's new part is found."""


async def keep(
    services: Services, namespace: str, pod: str, container: str, run_prefix: str, launch_id: str
) -> None:
    """Stores the last lines of a container's log as a further segment; says in the log when that is not possible."""
    try:
        tail = await services.verbs.log_tail(namespace, pod, container, TAIL_LINES)
        await services.store.call(lambda store: _append(store, run_prefix, launch_id, tail))
    except (ApiError, StoreError) as error:
        logger.warning("a pod's log was not kept", extra={"pod": f"{namespace}/{pod}", "error": str(error)})


def _append(store: Store, run_prefix: str, launch_id: str, tail: bytes) -> None:
    segments = list(store.list(layout.log_prefix(run_prefix, launch_id)))
    number = 0
    if segments:
        last = segments[-1]
        number = int(last.key.rsplit("/", 1)[1]) + 1
        stored = store.get_range(last.key, max(0, last.size - OVERLAP_BYTES), OVERLAP_BYTES)
        tail = new_part(stored, tail)
    if tail:
        store.put(layout.log_key(run_prefix, launch_id, number), tail)


def new_part(stored_end: bytes, tail: bytes) -> bytes:
    """What of `tail` was printed after `stored_end`; all of it where the two do not meet."""
    place = tail.rfind(stored_end) if stored_end else -1
    return tail if place < 0 else tail[place + len(stored_end) :]
