"""The life of an operator process: lead, watch, rebuild after what kopf cannot get over, hand over, end."""

import asyncio
import contextlib
import logging
import random
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from limosa_engine.settings import EngineSettings
from limosa_propeller.admin_link.cache_desk import CacheDesk, NoCache
from limosa_propeller.admin_link.child_desk import ChildDesk, NoChildren
from limosa_propeller.admin_link.link import AdminLink, Desks
from limosa_propeller.admin_link.outbox import Discard, Outbox
from limosa_propeller.clock import Clock
from limosa_propeller.health import Health
from limosa_propeller.kube.answers import Hearer
from limosa_propeller.kube.connection import Connection
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.pace import Pace
from limosa_propeller.kube.verbs import Verbs
from limosa_propeller.metrics import Metrics, tally
from limosa_propeller.namespaces import Namespaces
from limosa_propeller.pod_templates import PodTemplates
from limosa_propeller.process_identity import own_identity
from limosa_propeller.runs.capacity import Capacity, Limits
from limosa_propeller.runs.division import Division
from limosa_propeller.runs.fleet import Fleet
from limosa_propeller.runs.removals import Removals
from limosa_propeller.runs.services import Services
from limosa_propeller.runs.status_writer import Turns
from limosa_propeller.secrets import TaskSecrets
from limosa_propeller.settings import OperatorSettings
from limosa_propeller.shards import Shards
from limosa_propeller.store_access import StoreAccess
from limosa_propeller.timers import Timers
from limosa_propeller.watching import watch
from limosa_store.errors import StoreError
from limosa_store.settings import StoreSettings
from limosa_store.store import open_store, probe_conditional_writes

if TYPE_CHECKING:
    from limosa_propeller.traces import Traces

logger = logging.getLogger(__name__)

REBUILD_SECONDS = (0.2, 1.0, 3.0, 10.0, 30.0)
QUIET_SECONDS = 60.0
"""After this long without trouble, the next rebuild is a quick one again."""
PROBE_SECONDS = 1.0
FIRST_RESYNC_SECONDS = 3.0
DRAIN_SECONDS = 2.0
"""How long a stop waits for writes that were sent."""


class LeadershipLostError(Exception):
    """Another process leads, or may: this one must end."""


class UnusableStoreError(Exception):
    """The object store cannot hold commits; the message says why and what can."""


class Supervisor:
    """Runs one operator process from start to end."""

    def __init__(self, settings: OperatorSettings, store: StoreSettings) -> None:
        self._settings = settings
        self._clock = Clock()
        self._metrics = Metrics()
        hearer = Hearer(self._metrics.requested, self._clock.heard)
        self._connection = Connection(settings.kubeconfig, hearer)
        verbs = Verbs(self._connection, lambda: True, in_flight=4)
        self._shards = Shards(verbs, settings, own_identity(), server_time=self._clock.now)
        self._store = StoreAccess(open_store(store), settings.store_threads)
        self._metrics.gauge(
            "limosa_leader",
            "1 while this process leads",
            lambda: {"": float(self._shards.may_write())},
        )
        self._metrics.gauge(
            "limosa_shards_led",
            "Shards of the cluster's runs that this process leads",
            lambda: {"": float(len(self._shards.led))},
        )
        self._traces = _open_traces(settings, self._metrics)
        self._fleet: Fleet | None = None
        self._terminated = asyncio.Event()

    async def run(self) -> None:
        """Returns after an orderly stop. Raises LeadershipLostError, UnusableStoreError or OSError (port taken)."""
        health = (
            Health(self._settings.liveness_endpoint, self._ready, self._metrics)
            if self._settings.liveness_endpoint
            else None
        )
        if health is not None:
            await health.start()
        try:
            await self._probe_store()
            self._take_signals()
            keeper = asyncio.create_task(self._keep_leading())
            try:
                await self._watch_for_ever(keeper)
            finally:
                keeper.cancel()
                await self._shards.release()
        finally:
            if health is not None:
                await health.close()
            self._store.close()
            if self._traces is not None:
                await asyncio.to_thread(self._traces.close)
            await self._connection.close()

    def _ready(self) -> bool:
        return self._fleet is not None and self._fleet.synced and self._shards.may_write()

    async def _probe_store(self) -> None:
        """Commits rest on conditional writes: without them nothing is started."""
        while True:
            error: StoreError | None = await self._store.call(probe_conditional_writes)
            if error is None:
                return
            if not error.retryable:
                raise UnusableStoreError(str(error))
            logger.warning("object store cannot be probed yet", extra={"error": str(error)})
            await asyncio.sleep(PROBE_SECONDS * random.uniform(0.5, 1.5))

    def _take_signals(self) -> None:
        """A signal ends this process, whatever it is at."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._terminated.set)

    async def _keep_leading(self) -> None:
        await self._shards.keep()
        logger.critical("leadership is lost; this process ends")

    async def _watch_for_ever(self, keeper: "asyncio.Task[None]") -> None:
        loop = asyncio.get_running_loop()
        troubles = 0
        while True:
            led = await self._settle(keeper)
            if self._terminated.is_set():
                return
            began = loop.time()
            attempt = Attempt(
                self._settings,
                self._connection,
                self._shards.may_write,
                led,
                self._store,
                self._clock,
                self._metrics,
                self._traces,
            )
            keeper.add_done_callback(attempt.end)
            ends = [asyncio.create_task(what.wait()) for what in (self._shards.changed, self._terminated)]
            for end in ends:
                end.add_done_callback(attempt.end)
            self._fleet = attempt.fleet
            try:
                await watch(
                    self._settings,
                    self._connection,
                    runs=attempt.fleet.runs_selector,
                    on_run=attempt.fleet.observe_run,
                    start=attempt.start,
                    stop=attempt.stop,
                    take_signals=self._take_signals,
                    stopping=attempt.stopping,
                )
                attempt.check()
            except Exception as error:
                if not self._shards.may_write():
                    # Whoever met the refusal of its writes first: the process ends, and says what it met.
                    logger.info("watching ended as leadership was lost", extra={"error": repr(error)})
                    await attempt.stop()
                    raise LeadershipLostError from error
                # kopf ends by raising whatever it met. Ours is to go on: logged whole, then all state is made anew.
                troubles = 0 if loop.time() - began > QUIET_SECONDS else troubles + 1
                pause = REBUILD_SECONDS[min(troubles, len(REBUILD_SECONDS) - 1)]
                logger.exception(
                    "watching ended; everything is rebuilt from runs and pods", extra={"in_s": pause}
                )
                await attempt.stop()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._terminated.wait(), pause * random.uniform(0.7, 1.3))
            else:
                await attempt.stop()
                if not keeper.done() and not self._shards.changed.is_set():
                    return
            finally:
                for end in ends:
                    end.cancel()

    async def _settle(self, keeper: "asyncio.Task[None]") -> tuple[int, ...]:
        """Shards to work on; none after a signal. Raises LeadershipLostError."""
        settling = asyncio.create_task(self._shards.settle())
        ended = asyncio.create_task(self._terminated.wait())
        try:
            await asyncio.wait((keeper, settling, ended), return_when=asyncio.FIRST_COMPLETED)
            if keeper.done():
                raise LeadershipLostError
            return settling.result() if settling.done() else ()
        finally:
            settling.cancel()
            ended.cancel()


def _open_traces(settings: OperatorSettings, metrics: Metrics) -> "Traces | None":
    if not settings.traces_endpoint:
        return None
    # OpenTelemetry is an extra.
    from limosa_propeller.traces import Traces

    return Traces(settings.traces_endpoint, settings.cluster_name, metrics)


def _engine_settings(settings: OperatorSettings) -> EngineSettings:
    return EngineSettings(
        live_pods=settings.pods_per_run,
        interruptible=settings.pods.interruptible,
        default_memory=settings.pods.default_memory,
        most_memory=settings.pods.most_memory,
        pending_timeout=settings.pending_timeout_seconds,
        value_bytes=settings.value_bytes,
    )


def _limits(settings: OperatorSettings, division: Division) -> Limits:
    return Limits(
        division.share(settings.pods_per_namespace),
        division.share(settings.pods_per_cluster),
        settings.unschedulable_per_run,
        division.share(settings.unschedulable),
    )


class Attempt:
    """All state between two starts of the watch streams."""

    def __init__(
        self,
        settings: OperatorSettings,
        connection: Connection,
        may_write: Callable[[], bool],
        led: tuple[int, ...],
        store: StoreAccess,
        clock: Clock,
        metrics: Metrics,
        traces: "Traces | None",
    ) -> None:
        self._settings = settings
        # Room for others beside the pods: else the pace would hand out turns that wait behind removals and statuses.
        in_flight = settings.requests_in_flight + settings.requests_in_flight // 4
        self._verbs = verbs = Verbs(connection, may_write, in_flight)
        division = Division(settings.shards, led)
        self._namespaces = Namespaces(verbs)
        self._outbox = Outbox() if settings.admin is not None else None
        self._cache = CacheDesk() if settings.admin is not None else None
        self._children = ChildDesk() if settings.admin is not None else None
        self._timers = Timers(asyncio.get_running_loop())
        sink = Discard() if self._outbox is None else self._outbox
        self._services = Services(
            settings=settings,
            division=division,
            engine=_engine_settings(settings),
            verbs=verbs,
            store=store,
            clock=clock,
            timers=self._timers,
            namespaces=self._namespaces,
            secrets=TaskSecrets(verbs),
            templates=PodTemplates(verbs),
            capacity=Capacity(_limits(settings, division)),
            pace=Pace(settings.requests_in_flight),
            removals=Removals(
                verbs, max(1, settings.requests_in_flight // 4), settings.removal_gathering_seconds
            ),
            snapshots=sink if traces is None else traces.of(sink),
            cache=NoCache() if self._cache is None else self._cache,
            metrics=metrics,
            status_turns=Turns(settings.status_patches_per_second),
            children=NoChildren() if self._children is None else self._children,
        )
        self.fleet = Fleet(self._services)
        self._show(metrics)
        self.stopping = asyncio.Event()
        """Set when this attempt has to end."""
        self._tasks: list[asyncio.Task[None]] = []
        self._error: BaseException | None = None
        self._stopped = False

    async def start(self) -> None:
        """Reads the cluster and begins. Raises ApiError when it cannot be read."""
        await self.fleet.resync()
        logger.info("operator works", extra={"runs": len(self.fleet.drivers)})
        for stream in self.fleet.streams:
            self._spawn(stream.watch())
        self._spawn(self._resync())
        settings, outbox, cache, children = self._settings, self._outbox, self._cache, self._children
        if settings.admin is not None and outbox is not None and cache is not None and children is not None:
            desks = Desks(outbox, cache, children)
            self._spawn(AdminLink(settings, settings.admin, self._services, self.fleet, desks).run())

    def _show(self, metrics: Metrics) -> None:
        """What this attempt is at, for whoever reads the metrics."""
        drivers, capacity, outbox = self.fleet.drivers, self._services.capacity, self._outbox
        metrics.gauge(
            "limosa_runs",
            "Runs this operator has, by phase",
            lambda: tally(driver.phase.lower() for driver in drivers.values()),
            "phase",
        )
        metrics.gauge("limosa_live_pods", "Pods that have not ended", lambda: {"": float(len(capacity))})
        metrics.gauge(
            "limosa_unsent_snapshots",
            "Snapshots on their way to admin",
            lambda: {"": float(0 if outbox is None else len(outbox))},
        )

    def end(self, _: "asyncio.Task[Any]") -> None:
        """Ends this attempt: leadership was lost, or other shards are to be led."""
        self.stopping.set()

    def check(self) -> None:
        """Raises what ended one of the tasks."""
        if self._error is not None:
            raise self._error

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._error = self._error or task.exception()
            self.stopping.set()

    async def stop(self) -> None:
        """Ends every task; calling it again is harmless."""
        if not self._stopped:
            # Whoever leads next must not be overtaken by a write of ours that is still on its way.
            self._stopped = True
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._verbs.drain(), DRAIN_SECONDS)
        self.fleet.close()
        self._timers.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _resync(self) -> None:
        # What was deleted between our first list and kopf's is in neither: the first resync comes early.
        pause = FIRST_RESYNC_SECONDS
        while True:
            await asyncio.sleep(pause * random.uniform(0.67, 1.33))
            pause = self._settings.resync_seconds
            try:
                await self.fleet.resync()
            except ApiError as error:
                logger.warning("the cluster was not read again", extra={"error": str(error)})
