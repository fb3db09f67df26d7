"""The two loops: Sync asks what should be here, Publish tells what became of it."""

import asyncio
import dataclasses
import logging
import random
from typing import TYPE_CHECKING, cast

import grpc
import grpc.aio

from limosa_engine.phases import RunPhase
from limosa_idl.admin.v1alpha1.admin_pb2 import (
    DESIRED_FORGET,
    PublishRequest,
    PublishResponse,
    RunReport,
    SyncRequest,
    SyncResponse,
)
from limosa_idl.admin.v1alpha1.admin_pb2_grpc import OperatorServiceStub
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, Snapshot
from limosa_propeller.admin_link.cache_desk import CacheDesk
from limosa_propeller.admin_link.channel import call_metadata, open_channel
from limosa_propeller.admin_link.child_desk import ChildDesk
from limosa_propeller.admin_link.objects import RunObjects
from limosa_propeller.admin_link.outbox import Outbox, is_end
from limosa_propeller.admin_link.plan import Abort, Create, Forget, changes
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.loops import run_together
from limosa_propeller.runs.fleet import Fleet
from limosa_propeller.runs.services import Services
from limosa_propeller.settings import AdminSettings, OperatorSettings

if TYPE_CHECKING:
    from limosa_idl.admin.v1alpha1.admin_pb2_grpc import OperatorServiceAsyncStub

logger = logging.getLogger(__name__)

WAIT_MS = 20_000
CALL_SECONDS = 30.0
SYNC_PAUSE_SECONDS = 0.1
PUBLISH_PAUSE_SECONDS = 0.03
"""What happens within it travels together: a pod's steps follow each other faster than anyone can watch them."""
BATCH = 500
LARGE_BYTES = 1024 * 1024
"""A busy server says RESOURCE_EXHAUSTED too; only of a request above this is it taken to mean the size."""
BACKOFF_SECONDS = (0.25, 0.25, 0.5, 0.5, 0.5, 1.0)
"""Short at the end too: runs wait in admin while this sleeps, and one call a second is nothing to it."""


@dataclasses.dataclass(frozen=True)
class Desks:
    """What waits to be said to admin, by kind."""

    outbox: Outbox
    cache: CacheDesk
    children: ChildDesk


class AdminLink:
    """Keeps this cluster's runs as admin wants them."""

    def __init__(
        self,
        settings: OperatorSettings,
        admin: AdminSettings,
        services: Services,
        fleet: Fleet,
        desks: Desks,
    ) -> None:
        self._settings, self._admin = settings, admin
        self._services, self._fleet, self._outbox = services, fleet, desks.outbox
        self._cache, self._children = desks.cache, desks.children
        self._objects = RunObjects(services, fleet, desks.outbox)
        self._cluster_uid = ""
        self._call_keys: dict[str, tuple[Epoch, bytes]] = {}
        """By run uid; a run that was just claimed has no driver yet."""
        self._served: tuple[str, ...] = ()

    async def run(self) -> None:
        """Runs until cancelled. Admin's absence is waited out; runs that are here go on."""
        await self._learn_cluster_uid()
        async with open_channel(self._admin) as channel:
            stub = cast("OperatorServiceAsyncStub", OperatorServiceStub(channel))
            await run_together(
                self._sync_for_ever(stub),
                self._publish_for_ever(stub),
                self._cache.run(stub, self._cluster_uid, self._admin),
                self._children.run(stub, self._cluster_uid, self._admin),
            )

    async def _learn_cluster_uid(self) -> None:
        """Comes before everything: a report or snapshot of an unnamed cluster would lose us our claims."""
        failures = 0
        while not self._cluster_uid:
            try:
                self._cluster_uid = await self._services.namespaces.cluster_uid()
            except ApiError as error:
                await self._back_off("cluster uid", error, failures)
                failures += 1

    async def _sync_for_ever(self, stub: "OperatorServiceAsyncStub") -> None:
        failures, reached = 0, False
        while True:
            try:
                self._served = await self._services.namespaces.served(self._settings.namespaces)
                answer = await self._sync(stub)
                if answer is not None:
                    await self._apply(answer)
                if failures or not reached:
                    logger.info("admin is reached", extra={"endpoint": self._admin.endpoint})
                failures, reached = 0, True
                # An answer that changes nothing may come at once, over and over (a run that cannot be forgotten yet).
                await asyncio.sleep(SYNC_PAUSE_SECONDS)
            except (grpc.aio.AioRpcError, ApiError, OSError) as error:
                await self._back_off("sync", error, failures)
                failures += 1

    async def _sync(self, stub: "OperatorServiceAsyncStub") -> SyncResponse | None:
        """Admin's answer; None where there is news meanwhile: admin may wait long, and must hear of it now."""
        self._fleet.news.clear()
        metadata = call_metadata(self._admin)
        call = asyncio.ensure_future(stub.Sync(self._report(), timeout=CALL_SECONDS, metadata=metadata))
        news = asyncio.ensure_future(self._fleet.news.wait())
        try:
            await asyncio.wait((call, news), return_when=asyncio.FIRST_COMPLETED)
            return call.result() if call.done() else None
        finally:
            call.cancel()
            news.cancel()

    def _report(self) -> SyncRequest:
        reports, active, division = [], 0, self._services.division
        for driver in self._fleet.drivers.values():
            if not driver.is_admins:
                continue
            # An end that is not told yet is still work: admin answers an unpublished end with RUN, never with FORGET.
            active += driver.holds_slot and not driver.claim.child
            phase = RunPhase[driver.phase]
            epoch, key = self._call_keys.get(driver.claim.run_uid, (None, b""))
            if epoch == driver.claim.to_epoch():
                driver.word.give_call_key(key)
            reports.append(
                RunReport(
                    run_uid=driver.claim.run_uid,
                    epoch=driver.claim.to_epoch(),
                    phase=int(phase),  # type: ignore[arg-type]
                    signals_taken=driver.word.signals_taken(),
                    calls_taken=driver.word.calls_taken(),
                    wants_call_key=driver.word.wants_call_key,
                    wants_number=not self._outbox.knows(driver.claim.run_uid),
                )
            )
        # No claim is of epoch 0.0: admin answers with the spec that it sent, or that it knows no such run here.
        asked = self._objects.asked()
        reports += [RunReport(run_uid=run_uid, epoch=Epoch()) for run_uid in asked]
        return SyncRequest(
            cluster_uid=self._cluster_uid,
            cluster_name=self._settings.cluster_name,
            free_slots=max(0, self._admin.max_runs - active - len(asked)),
            runs=reports,
            wait_ms=WAIT_MS,
            namespaces=self._served,
            slots=self._admin.max_runs,
            shards=division.shards,
            led_shards=division.led,
        )

    async def _apply(self, answer: SyncResponse) -> None:
        self._pass_on(answer)
        self._objects.refuse_unknown(
            run.run_uid for run in answer.runs if run.desired == DESIRED_FORGET and run.epoch == Epoch()
        )
        for change in changes(answer.runs, self._objects.held()):
            if isinstance(change, Create):
                await self._objects.create(change)
            elif isinstance(change, Abort):
                await self._objects.abort(change)
            elif isinstance(change, Forget) and not self._outbox.waits_for(change.run_uid):
                await self._objects.delete(change.held)

    def _pass_on(self, answer: SyncResponse) -> None:
        """What admin tells of runs: what tokens of attempts are made with, answers to gates, calls of eager nodes."""
        self._call_keys |= {run.run_uid: (run.epoch, run.call_key) for run in answer.runs if run.call_key}
        wanted = {run.run_uid for run in answer.runs if run.desired != DESIRED_FORGET}
        for run in answer.runs:
            if run.HasField("number") or run.desired == DESIRED_FORGET:
                self._outbox.go_on_from(run.run_uid, run.number)
        self._outbox.keep_numbers(wanted)
        for run_uid in self._call_keys.keys() - wanted:
            del self._call_keys[run_uid]
        told = {run.run_uid: run for run in answer.runs if run.signals or run.calls}
        for driver in self._fleet.drivers.values() if told else ():
            news = told.get(driver.claim.run_uid)
            if news is not None and driver.is_admins and news.epoch == driver.claim.to_epoch():
                driver.signalled(news.signals)
                driver.called(list(news.calls))

    async def _publish_for_ever(self, stub: "OperatorServiceAsyncStub") -> None:
        failures, limit = 0, BATCH
        while True:
            await self._outbox.filled.wait()
            batch = self._outbox.batch(limit)
            request = PublishRequest(cluster_uid=self._cluster_uid, snapshots=batch)
            try:
                answer: PublishResponse = await stub.Publish(
                    request, timeout=CALL_SECONDS, metadata=call_metadata(self._admin)
                )
            except (grpc.aio.AioRpcError, OSError) as error:
                if isinstance(error, grpc.aio.AioRpcError) and _will_never_be_taken(error, request):
                    limit = self._narrow(batch, error)
                else:
                    await self._back_off("publish", error, failures)
                    failures += 1
                continue
            failures, limit = 0, BATCH
            self._outbox.sent(batch)
            for snapshot in batch:
                if is_end(snapshot):
                    self._children.run_ended(snapshot.key.run_uid)
            for run_uid in answer.stale_run_uids:
                await self._give_up(run_uid)
            await asyncio.sleep(PUBLISH_PAUSE_SECONDS)

    def _narrow(self, batch: list[Snapshot], error: grpc.aio.AioRpcError) -> int:
        """One snapshot that admin cannot take must not hold up all others: find it, and let it go."""
        if len(batch) > 1:
            return len(batch) // 2
        key = batch[0].key
        extra = {"run_uid": key.run_uid, "node": key.node_path, "error": str(error.details())}
        logger.error("admin cannot take a snapshot; it is dropped", extra=extra)
        self._outbox.sent(batch)
        return BATCH

    async def _give_up(self, run_uid: str) -> None:
        """Another epoch has the run: what is here goes, nothing else is touched."""
        self._outbox.forget_run(run_uid)
        held = self._objects.held().get(run_uid)
        if held is None:
            return
        logger.warning("run is claimed by another epoch", extra={"run": held.name, "run_uid": run_uid})
        try:
            await self._objects.delete(held)
        except ApiError as error:
            logger.warning("a stale run was not deleted yet", extra={"run": held.name, "error": str(error)})

    async def _back_off(self, what: str, error: Exception, failures: int) -> None:
        pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)] * random.uniform(0.7, 1.3)
        told = (
            f"{error.code().name}: {error.details()}"
            if isinstance(error, grpc.aio.AioRpcError)
            else str(error)
        )
        level = logging.INFO if failures == 0 else logging.WARNING
        logger.log(
            level, "admin is not reached", extra={"call": what, "error": told, "again_in_s": round(pause, 1)}
        )
        await asyncio.sleep(pause)


def _will_never_be_taken(error: grpc.aio.AioRpcError, request: PublishRequest) -> bool:
    if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
        return True
    return error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and request.ByteSize() > LARGE_BYTES
