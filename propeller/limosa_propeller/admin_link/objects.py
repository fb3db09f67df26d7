"""WorkflowRun objects of runs that admin knows."""

import logging

from limosa_idl.run.v1alpha1.run_pb2 import Reason, RunPhase, RunState, Snapshot, SnapshotKey
from limosa_model.manifest import ABORT, RUN, to_manifest
from limosa_propeller.admin_link.plan import Abort, Create, Held
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.runs.claims import claim_of
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
            if not driver.claim.local
        }

    async def create(self, change: Create) -> None:
        """Makes the object; one that exists for this very claim is as good. Raises ApiError when it may work later."""
        manifest = to_manifest(change.spec, change.epoch, ABORT if change.abort else RUN)
        metadata = manifest["metadata"]
        metadata["labels"].update(self._services.division.labels(change.spec.run_uid))
        namespace, name = metadata["namespace"], metadata["name"]
        try:
            self._fleet.adopt(await self._services.verbs.create(RUNS, namespace, manifest))
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

    async def _meet(self, change: Create, namespace: str, name: str) -> None:
        """An object of that name exists: ours, an older run's, or one that a person applied."""
        found = await self._services.verbs.get(RUNS, namespace, name)
        claim = claim_of(found)
        wanted = (change.epoch.generation, change.epoch.number)
        if claim.run_uid == change.spec.run_uid and claim.epoch == wanted:
            self._fleet.adopt(found)
        elif claim.local:
            self._tell(
                change, "NameTaken", f"a WorkflowRun {namespace}/{name} was applied by hand; delete it"
            )
        else:
            # A run that admin does not want here any more, or wants under another epoch.
            await self._services.verbs.delete(RUNS, namespace, name, found["metadata"]["uid"])

    def _tell(self, change: Create, code: str, detail: str) -> None:
        logger.error("run cannot be created", extra={"run": change.spec.name, "code": code, "detail": detail})
        state = RunState(phase=RunPhase.RUN_PHASE_QUEUED, reason=Reason(code=code, detail=detail))
        state.reason.since.GetCurrentTime()
        key = SnapshotKey(run_uid=change.spec.run_uid)
        self._snapshots.put(Snapshot(key=key, epoch=change.epoch, run=state))
