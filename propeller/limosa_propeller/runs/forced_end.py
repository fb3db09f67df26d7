"""The end of a run that is taken out of the engine's hands."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any, cast

from limosa_engine.phases import RunPhase
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1.run_pb2 import RunState
from limosa_propeller.clock import RunClock
from limosa_propeller.runs.announcements import Announcements
from limosa_propeller.runs.claims import Claim, held_from_deletion
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.pod_index import PodEntry, PodIndex
from limosa_propeller.runs.services import Services
from limosa_propeller.runs.status import encode_status, ended_status, told_end

logger = logging.getLogger(__name__)


class ForcedEnd:
    """What a run comes to that is refused, met a bug, or is aborted before it was opened; and what is left of its pods.

    Its status says why, and once that is accepted admin is told and its pods go.
    """

    def __init__(
        self,
        uid: str,
        services: Services,
        pods: PodIndex,
        announcements: Announcements,
        clock: RunClock,
        begin: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        """Decides nothing yet.

        Args:
            uid: Of the run's object.
            services: The process's parts.
            pods: All pods.
            announcements: Of the run.
            clock: Of the run.
            begin: Starts work on the event loop.
        """
        self._uid, self._services, self._pods = uid, services, pods
        self._announcements, self._clock, self._begin = announcements, clock, begin
        self._decided: tuple[RunPhase, Failure] | None = None

    @property
    def decided(self) -> tuple[RunPhase, Failure] | None:
        """Phase and failure; None while the run is the engine's."""
        return self._decided

    def decide(self, phase: RunPhase, failure: Failure, log: dict[str, str]) -> None:
        """The run ends so; `log` names it."""
        level = logging.INFO if phase is RunPhase.ABORTED else logging.ERROR
        extra = {**log, "code": failure.code, "why": failure.message}
        logger.log(level, "run is ended by the operator", extra=extra)
        self._decided = phase, failure

    def status(self, before: dict[str, Any], digest: str) -> bytes:
        """The status that says so; what stood there before stays for inspection."""
        assert self._decided is not None
        now = self._clock.now()
        return encode_status(ended_status(before, *self._decided, self._uid, digest, now), now)

    def accepted(self, claim: Claim | None) -> None:
        """That status stands: admin is told, where the run is its own under a claim, and the pods go."""
        assert self._decided is not None
        phase, failure = self._decided
        if claim is not None:
            state = RunState(phase=cast("Any", int(phase)), failure=failure)
            state.finished_at.FromNanoseconds(int(self._clock.now() * 1e9))
            self._announcements.publish_end(claim, state)
        self.sweep()

    def tell_again(self, claim: Claim, status: dict[str, Any]) -> None:
        """Tells admin of such an end that an earlier process wrote."""
        self._announcements.publish_end(claim, told_end(status))

    def object_goes(self, manifest: dict[str, Any], claim: Claim | None, run: OpenedRun | None) -> None:
        """The object is being deleted: pods of one that somebody else's finalizer keeps would go on for nobody.

        Args:
            manifest: The object.
            claim: Under which admin is told who keeps it; None: admin is not.
            run: Its state, where it was opened.
        """
        why = held_from_deletion(manifest)
        if not why:
            return
        self.sweep()
        if claim is not None and run is not None:
            self._announcements.object_held(claim, run, why)

    def sweep(self) -> None:
        """Removes the pods of a run that is over."""
        for entry in self._pods.owned_by(self._uid):
            if not entry.view.deleting:
                self._begin(self._remove(entry))

    async def _remove(self, entry: PodEntry) -> None:
        await self._services.removals.remove(entry.namespace, entry.name, entry.uid)
