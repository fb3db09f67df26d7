"""WorkflowRun objects of runs that admin knows."""

import logging
from collections.abc import Iterable
from typing import Any

from limosa_idl.run.v1alpha1.run_pb2 import Reason, RunPhase, RunState, Snapshot, SnapshotKey
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.manifest import ABORT, RUN, ManifestError, from_manifest, to_manifest
from limosa_model.names import namespace_of
from limosa_propeller.admin_link.plan import Abort, Create, Held
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.runs.claims import Standing, claim_of, held_from_deletion, is_accepted
from limosa_propeller.runs.driver import RunDriver
from limosa_propeller.runs.fleet import Fleet
from limosa_propeller.runs.services import RUNS, Services, SnapshotSink

logger = logging.getLogger(__name__)


class RunObjects:
    """Makes, changes and deletes them."""

    def __init__(self, services: Services, fleet: Fleet, snapshots: SnapshotSink) -> None:
        self._services, self._fleet, self._snapshots = services, fleet, snapshots

    def held(self) -> dict[str, Held]:
        """Those that are here, by run uid."""
        return {
            driver.claim.run_uid: Held(
                driver.uid, driver.namespace, driver.name, driver.claim.epoch, driver.claim.desired
            )
            for driver in self._fleet.drivers.values()
            if driver.is_admins
        }

    def asked(self) -> list[str]:
        """Uids of runs that objects say they are, of which admin has said nothing yet; copies of what is here are refused."""
        held = self.held()
        for driver in self._waiting():
            original = held.get(driver.claim.run_uid)
            if original is not None and (original.namespace, original.name) != (
                driver.namespace,
                driver.name,
            ):
                _refuse(
                    driver, f"run is WorkflowRun {original.namespace}/{original.name}, and this is a copy"
                )
        return sorted({driver.claim.run_uid for driver in self._waiting()})

    def refuse_unknown(self, run_uids: Iterable[str]) -> None:
        """Admin was asked, and knows no such runs here."""
        unknown = set(run_uids)
        for driver in self._waiting():
            if driver.claim.run_uid in unknown:
                _refuse(driver, "run is not one of this cluster's, or is over")

    async def create(self, change: Create) -> None:
        """Makes the object; one that exists for this very claim is as good. Raises ApiError when it may work later."""
        if await self._settle(change):
            return
        manifest = to_manifest(change.spec, change.epoch, ABORT if change.abort else RUN)
        metadata = manifest["metadata"]
        metadata["labels"].update(self._services.division.labels(change.spec.run_uid))
        namespace, name = metadata["namespace"], metadata["name"]
        try:
            self._adopt(await self._services.verbs.create(RUNS, namespace, manifest))
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._meet(change, namespace, name)
            elif error.transient:
                raise
            else:
                self._tell(change, "ObjectRefused", f"namespace {namespace}: {error.message}")

    async def abort(self, change: Abort) -> None:
        """Asks the object's driver to end the run. Raises ApiError."""
        held = change.held
        patch = {
            "metadata": {"uid": held.object_uid},
            "spec": {"desired": ABORT, "abortReason": change.reason[:1024]},
        }
        try:
            self._fleet.adopt(await self._services.verbs.merge(RUNS, held.namespace, held.name, patch))
        except ApiError as error:
            if error.status not in (404, 409, 422):
                raise

    async def delete(self, held: Held) -> None:
        """Deletes that very object; its pods follow. Raises ApiError."""
        try:
            await self._services.verbs.delete(RUNS, held.namespace, held.name, held.object_uid)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def _settle(self, change: Create) -> bool:
        """Looks at the objects that say they are this run; whether the object needs not be made now."""
        settled = False
        for driver in self._waiting():
            if driver.claim.run_uid != change.spec.run_uid:
                continue
            if not _is_of(driver.manifest, change):
                _refuse(driver, "run has another name, other inputs or other options in admin")
                continue
            settled = True
            if driver.claim.to_epoch() == change.epoch:
                driver.confirm()
            else:
                # Made for an earlier claim by an operator that died: the next report lacks the run.
                await self._services.verbs.delete(RUNS, driver.namespace, driver.name, driver.uid)
        return settled

    async def _meet(self, change: Create, namespace: str, name: str) -> None:
        """An object of that name exists: ours, an older run's, or one that a person applied."""
        found = await self._services.verbs.get(RUNS, namespace, name)
        claim, uid = claim_of(found), found["metadata"]["uid"]
        driver = self._fleet.drivers.get(uid)
        ours = is_accepted(found) if driver is None else driver.standing is Standing.SURE
        if claim.to_epoch() == change.epoch and (_is_of(found, change) or (ours and _names(found, change))):
            self._adopt(found)
            held = held_from_deletion(found)
            if held:
                self._tell(change, "ObjectHeld", held)
        elif claim.local:
            self._tell(
                change, "NameTaken", f"a WorkflowRun {namespace}/{name} was applied by hand; delete it"
            )
        elif ours or _is_of(found, change):
            # A run that admin does not want here any more, or wants under another epoch.
            await self._services.verbs.delete(RUNS, namespace, name, uid)
        else:
            self._fleet.adopt(found)
            text = f"WorkflowRun {namespace}/{name} has the name of this run and is another; delete it"
            self._tell(change, "NameTaken", text)

    def _adopt(self, found: dict[str, Any]) -> None:
        self._fleet.adopt(found)
        driver = self._fleet.drivers.get(found["metadata"]["uid"])
        if driver is not None:
            driver.confirm()

    def _waiting(self) -> list[RunDriver]:
        return [driver for driver in self._fleet.drivers.values() if driver.standing is Standing.ASKED]

    def _tell(self, change: Create, code: str, detail: str) -> None:
        logger.error("run cannot be created", extra={"run": change.spec.name, "code": code, "detail": detail})
        state = RunState(phase=RunPhase.RUN_PHASE_QUEUED, reason=Reason(code=code, detail=detail))
        state.reason.since.GetCurrentTime()
        key = SnapshotKey(run_uid=change.spec.run_uid)
        self._snapshots.put(Snapshot(key=key, epoch=change.epoch, run=state))


def _names(found: dict[str, Any], change: Create) -> bool:
    return claim_of(found).run_uid == change.spec.run_uid


def _is_of(found: dict[str, Any], change: Create) -> bool:
    """Whether an object is what admin sent, under whichever claim; large closures are compared by their digest."""
    try:
        spec, _ = from_manifest(found)
    except ManifestError:
        return False
    wanted = type(change.spec)()
    wanted.CopyFrom(change.spec)
    spec.closure = wanted.closure = b""
    here = found["metadata"]["namespace"]
    return spec == wanted and here == namespace_of(wanted.project, wanted.domain)


def _refuse(driver: RunDriver, why: str) -> None:
    text = (
        f"spec.uid says that this is run {driver.claim.run_uid} of admin: that {why}. Nothing was started. Submit it with "
        "`limosa run --remote`, or apply it without spec.uid and spec.epoch, under a name of its own"
    )
    driver.refuse(failures.user(Code.FOREIGN_RUN, text))
