"""kopf, reduced to what it does best: watch streams, their authentication and their life cycle."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import kopf

from limosa_model import names
from limosa_propeller.kube.connection import Connection
from limosa_propeller.settings import OperatorSettings

MAX_BACKOFF_SECONDS = 15.0

Observe = Callable[[str | None, dict[str, Any]], None]
"""Takes a watch event's type (None in a first list) and object."""


class EndlessBackoffs:
    """Delays that never run out, each jittered: kopf gives up, and exits, when they do."""

    def __iter__(self) -> Iterator[float]:
        for attempt in itertools.count():
            yield min(MAX_BACKOFF_SECONDS, 0.5 * 2 ** min(attempt, 10)) * random.uniform(0.7, 1.3)


class NoProgress(kopf.ProgressStorage):
    """Nothing is kept on objects: our handlers have no progress."""

    def fetch(self, **_: Any) -> None:
        """Nothing."""

    def store(self, **_: Any) -> None:
        """Nothing."""

    def purge(self, **_: Any) -> None:
        """Nothing."""

    def touch(self, **_: Any) -> None:
        """Nothing."""

    def clear(self, *, essence: Any) -> Any:
        """The essence as it is."""
        return essence


class NoDiffBase(kopf.DiffBaseStorage):
    """No copy of each object is made to compare with: our handlers read the object itself."""

    def build(self, **_: Any) -> Any:
        """Nothing."""
        return {}

    def fetch(self, **_: Any) -> None:
        """Nothing."""

    def store(self, **_: Any) -> None:
        """Nothing."""


async def watch(
    settings: OperatorSettings,
    connection: Connection,
    *,
    on_run: Observe,
    on_pod: Observe,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    stopping: asyncio.Event,
) -> None:
    """Runs kopf until a signal, `stopping`, or an error that it cannot get over, which is raised.

    Args:
        settings: Which namespaces.
        connection: The session for everything.
        on_run: Told of WorkflowRuns.
        on_pod: Told of pods that carry our label.
        start: Awaited before the streams begin.
        stop: Awaited after they ended; must end every task that `start` began, because kopf cancels what is left.
        stopping: Set to end without a signal.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def _start(**_: Any) -> None:
        await start()

    @kopf.on.cleanup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def _stop(**_: Any) -> None:
        await stop()

    @kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def _login(**_: Any) -> kopf.AiohttpSession:
        session = connection.session()
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=session)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def _run(event: Any, **_: Any) -> None:
        on_run(event["type"], event["object"])

    @kopf.on.event("", "v1", "pods", registry=registry)
    async def _pod(event: Any, **_: Any) -> None:
        on_pod(event["type"], event["object"])

    await kopf.operator(
        registry=registry,
        settings=_kopf_settings(),
        standalone=True,
        clusterwide=not settings.namespaces,
        namespaces=list(settings.namespaces),
        stop_flag=stopping,
    )


def _kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.consistency_timeout = 0
    settings.watching.label_selectors["pods"] = names.LABEL_RUN
    settings.watching.reconnect_backoff = 0.05
    # A worker an object: a pod that changes seldom should not hold one for long.
    settings.queueing.idle_timeout = 1.0
    settings.process.ultimate_exiting_timeout = 60
    return settings
