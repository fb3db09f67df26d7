"""kopf, reduced to what it does best: the runs' watch stream, authentication, and the process's life cycle.

Pods are not kopf's: each has five events in its short life, and each event would pass a worker of its own, a body,
a patch and a handler's state, a third of a millisecond together (see docs/decisions/0004-pods-have-their-own-stream.md).
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

import kopf

from limosa_model import names
from limosa_propeller.kube.connection import Connection
from limosa_propeller.process_identity import own_identity
from limosa_propeller.settings import OperatorSettings

MAX_BACKOFF_SECONDS = 5.0

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
    runs: str,
    on_run: Observe,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    take_signals: Callable[[], None],
    stopping: asyncio.Event,
) -> None:
    """Runs kopf until `stopping`, or an error that it cannot get over, which is raised.

    Args:
        settings: Which namespaces.
        connection: The session for everything.
        runs: Label selector of WorkflowRuns; empty: all.
        on_run: Told of those.
        start: Awaited before the streams begin.
        stop: Awaited after they ended; must end every task that `start` began, because kopf cancels what is left.
        take_signals: Sets the process's signal handlers; called as soon as kopf has set its own.
        stopping: Set to end.
    """
    # kopf waits five seconds for its own waiter on the flag; so it gets one that is always set in the end.
    flag = asyncio.Event()
    relay = asyncio.create_task(_relay(stopping, flag))

    async def end() -> None:
        await stop()
        flag.set()

    there = asyncio.all_tasks()
    try:
        tasks = await kopf.spawn_tasks(
            registry=_registry(connection, on_run, start, end),
            settings=_kopf_settings(runs),
            # By default kopf asks for the user's name, which a numeric user of an image does not have.
            identity=cast(Any, own_identity()),
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=list(settings.namespaces),
            stop_flag=flag,
        )
        # kopf's handlers end the streams of the moment, and once those have ended, nothing: a signal would be lost.
        take_signals()
        await kopf.run_tasks(tasks, ignored=there)
    finally:
        relay.cancel()


def _registry(
    connection: Connection,
    on_run: Observe,
    start: Callable[[], Awaitable[None]],
    end: Callable[[], Awaitable[None]],
) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def _start(**_: Any) -> None:
        await start()

    @kopf.on.cleanup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def _end(**_: Any) -> None:
        await end()

    @kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def _login(**_: Any) -> kopf.AiohttpSession:
        session = connection.session()
        return kopf.AiohttpSession(server=connection.server, aiohttp_session=session)

    @kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)
    async def _run(event: Any, **_: Any) -> None:
        on_run(event["type"], event["object"])

    return registry


async def _relay(stopping: asyncio.Event, flag: asyncio.Event) -> None:
    await stopping.wait()
    flag.set()


def _kopf_settings(runs: str) -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    if runs:
        settings.watching.label_selectors[names.GROUP, names.PLURAL] = runs
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 60
    settings.persistence.progress_storage = NoProgress()
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.consistency_timeout = 0
    settings.watching.reconnect_backoff = 0.05
    # A worker an object: a run that changes seldom should not hold one for long.
    settings.queueing.idle_timeout = 1.0
    settings.process.ultimate_exiting_timeout = 60
    return settings
