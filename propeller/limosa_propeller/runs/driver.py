"""One run: its inbox, its turns, its status."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable
from time import perf_counter
from typing import Any

from limosa_engine.commands import Command, CreatePod, DeletePod, Publish, Quarantine, StoreCache, WakeAt
from limosa_engine.events import (
    AbortRequested,
    Event,
    PodCreated,
    PodGone,
    PodObserved,
    PodsListed,
    RunRestored,
    RunStarted,
    TimerFired,
)
from limosa_engine.phases import RUN_TERMINAL, RunPhase
from limosa_engine.step import step
from limosa_engine.story import story
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1.run_pb2 import Signal, Snapshot
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.manifest import ABORT
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.runs import cached
from limosa_propeller.runs.actions import (
    ACTIONS,
    PodConflictError,
    RunContext,
    delete_pods,
    has_to_be_looked_at,
)
from limosa_propeller.runs.admin_word import AdminWord
from limosa_propeller.runs.announcements import Announcements
from limosa_propeller.runs.claims import (
    Claim,
    Standing,
    claim_of,
    is_accepted,
    standing_of,
)
from limosa_propeller.runs.errands import Errands
from limosa_propeller.runs.forced_end import ForcedEnd
from limosa_propeller.runs.held_commands import HeldCommands
from limosa_propeller.runs.inbox import Inbox
from limosa_propeller.runs.opening import OpenedRun, RefusedError, open_run, spec_changed
from limosa_propeller.runs.pod_index import PodEntry, PodIndex
from limosa_propeller.runs.removals import OVER
from limosa_propeller.runs.services import RUNS, Services
from limosa_propeller.runs.spec_digest import spec_digest
from limosa_propeller.runs.status import (
    TERMINAL_PHASES,
    encode_status,
    is_sealed,
    running_status,
    written_at,
)
from limosa_propeller.runs.status_writer import StatusWriter
from limosa_propeller.runs.strange_pods import StrangePods

logger = logging.getLogger(__name__)

STORY_LINES = 40


class RunDriver:
    """Drives the run of one WorkflowRun object for as long as the object exists.

    Everything happens on the event loop; a turn takes what is in the inbox, has the engine decide, and starts what
    follows. Whatever goes wrong in a turn ends this run and no other.
    """

    def __init__(
        self,
        manifest: dict[str, Any],
        services: Services,
        pods: PodIndex,
        gone: Callable[[str], None],
        news: Callable[[], None],
    ) -> None:
        """Takes the object, the process's parts and all pods.

        `gone` is told when the object turns out to be gone, `news` when admin should hear of the run at once.
        """
        metadata = manifest["metadata"]
        self.uid: str = metadata["uid"]
        self.namespace: str = metadata["namespace"]
        self.name: str = metadata["name"]
        self.phase: str = _phase_of(manifest)
        self.claim: Claim = claim_of(manifest)
        self.standing = standing_of(manifest) if services.settings.admin is not None else Standing.SURE
        self.manifest = manifest
        """The object as it was seen last."""
        self._digest = spec_digest(manifest)
        self._services, self._pods, self._gone, self._news = services, pods, gone, news
        self._context: RunContext | None = None
        self._inbox = Inbox(self._turn)
        self._post = self._inbox.post
        self._version = 0
        self._held = HeldCommands()
        self._errands = Errands(self._failed, lambda: self.log)
        written = written_at(manifest["status"]) if is_accepted(manifest) else 0.0
        self._clock = services.clock.since(written)
        """What the engine is told of the time; deadlines of a run that is taken over were set by it."""
        self._announcements = Announcements(services, self._clock, self._spawn)
        self._forced = ForcedEnd(self.uid, services, pods, self._announcements, self._clock, self._spawn)
        self._abort_told = False
        self._strange = StrangePods(self._tell_strange)
        self.word = AdminWord(news)
        self._closed = False
        self._was_over = self.over
        """Its end stands in its status and is not changed any more."""
        self._loop = asyncio.get_running_loop()
        self._writer = StatusWriter(
            self.uid,
            services.timers,
            self._render,
            self._send,
            self._accepted,
            self._status_refused,
            services.settings.status_interval_seconds,
            services.settings.status_bytes_per_second,
            services.status_turns,
        )

    @property
    def over(self) -> bool:
        """The run has ended, and its object says so."""
        return self.phase in TERMINAL_PHASES

    @property
    def holds_slot(self) -> bool:
        """The run counts as one that this cluster works on: it is neither over nor parked."""
        return not self.over and self.phase != RunPhase.PARKED.name

    @property
    def is_admins(self) -> bool:
        """Admin is told of it, and says what is to become of it."""
        return not self.claim.local and self.standing is Standing.SURE

    @property
    def _run(self) -> OpenedRun | None:
        """None until it is opened."""
        return None if self._context is None else self._context.run

    @property
    def log(self) -> dict[str, str]:
        """What identifies the run in a log line."""
        return {"run": f"{self.namespace}/{self.name}", "run_uid": self.claim.run_uid}

    def start(self) -> None:
        """Begins, or, where the status says that the run is over, only cleans up; waits where admin has to be asked first."""
        if self._clock.is_absurd:
            logger.warning("a status from the far future; its time is not believed", extra=self.log)
            self._announcements.time_not_believed(self.manifest["metadata"])
        if self.standing is Standing.ASKED:
            self._news()
        elif self.over:
            self.sweep()
            if self.is_admins:
                self._spawn(self._tell_end_again())
        else:
            self._spawn(self._open())

    def confirm(self) -> None:
        """Admin knows the object: it is the run that it says it is."""
        if self.standing is Standing.ASKED and not self._closed:
            self.standing = Standing.SURE
            self.start()

    def refuse(self, failure: Failure) -> None:
        """The object is not the run that it says it is: it fails, no pod is made, and admin is told nothing."""
        self.standing = Standing.FOREIGN
        self.end(RunPhase.FAILED, failure)

    def close(self) -> None:
        """Stops at once; what was asked of the API server may or may not happen."""
        self._closed = True
        self._writer.close()
        self._services.timers.cancel(("wake", self.uid))
        self._errands.stop()

    def deleted(self) -> None:
        """The object does not exist any more; of a run that only it told of, an Event says how far it was.

        Nothing may be called afterwards.
        """
        self.close()
        if self._context is not None and self.claim.local and not self.over:
            self._announcements.deleted(self.manifest["metadata"], self._context.run)
        # These refer back to the driver: without them it goes, with all of its run, as soon as nobody knows it.
        self._context = None
        del (
            self._writer,
            self._errands,
            self._announcements,
            self._forced,
            self._strange,
            self._inbox,
            self._post,
        )

    def observe_object(self, manifest: dict[str, Any]) -> None:
        """The WorkflowRun changed."""
        if self._closed:
            return
        previous, self.manifest = self.manifest, manifest
        if manifest["metadata"].get("deletionTimestamp"):
            logger.info("run's object is being deleted", extra=self.log)
            self.close()
            told = self.claim if self.is_admins and not self.over else None
            self._forced.object_goes(manifest, told, self._run)
            return
        if self.standing is Standing.ASKED:
            self.claim, self._digest = claim_of(manifest), spec_digest(manifest)
            return
        self._heal_status()
        if manifest["metadata"].get("generation") == previous["metadata"].get("generation"):
            return
        changed = spec_digest(manifest) != self._digest
        if self.over:
            if changed:
                self._announcements.spec_ignored(manifest["metadata"], self.claim.local)
            return
        self.claim = claim_of(manifest)
        if changed:
            self.end(RunPhase.FAILED, spec_changed(self.claim.local))
        else:
            self._consider_abort()

    def _heal_status(self) -> None:
        """Writes the status again where somebody edited it."""
        known = self._context is not None or self._forced.decided is not None
        if known and not is_sealed(self.manifest.get("status") or {}):
            logger.warning("the run's status was edited by hand; it is written again", extra=self.log)
            self._writer.demand()

    def observe_pod(self, entry: PodEntry) -> None:
        """A pod of the run changed."""
        if self._context is None or self._strange.has(self._context.run, entry):
            return
        identity = entry.identity
        self._context.pods[identity.item, identity.launch] = entry.name, entry.uid
        self._post(PodObserved(identity.item, identity.launch, entry.view))

    def pod_gone(self, entry: PodEntry) -> None:
        """A pod of the run does not exist any more."""
        if self._context is None or self._strange.has(self._context.run, entry):
            return
        identity = entry.identity
        self._context.pods.pop((identity.item, identity.launch), None)
        self._post(PodGone(identity.item, identity.launch))

    def signalled(self, signals: Iterable[Signal]) -> None:
        """Admin tells gates something; it does so again until `word` shows that they are over."""
        if self._context is not None:
            for event in self.word.signalled(signals):
                self._post(event)

    def called(self, paths: list[str]) -> None:
        """Admin tells of calls of eager nodes; it does so again until `word` shows that the run has them."""
        if self._context is not None:
            for event in self.word.called(paths):
                self._post(event)

    def end(self, phase: RunPhase, failure: Failure) -> None:
        """Takes the run out of the engine's hands: its status says why, its pods go."""
        if self._forced.decided or self._closed or self._was_over:
            return
        self._forced.decide(phase, failure, self.log)
        self._held.clear()
        self._inbox.take()
        self._errands.stop()
        self._writer.demand()

    def _tell_strange(self, pod: str) -> None:
        self._announcements.strange_pod(self.manifest["metadata"], pod)

    def sweep(self) -> None:
        """Removes the pods of a run that is over."""
        self._forced.sweep()

    # Opening

    async def _open(self) -> None:
        self._consider_abort()
        try:
            run = await open_run(self.manifest, self._services, self._clock)
        except RefusedError as refused:
            self.end(RunPhase.FAILED, refused.failure)
            return
        if not self._forced.decided:
            self._begin(run)
            self._consider_abort()

    async def _tell_end_again(self) -> None:
        """The process that wrote this end may have died before admin knew of it."""
        with contextlib.suppress(RefusedError):
            run = await open_run(self.manifest, self._services, self._clock)
            if run.state.phase in RUN_TERMINAL:
                self._begin(run)
                return
        # Not the engine but the operator ended it.
        self._forced.tell_again(self.claim, self.manifest.get("status") or {})

    def _begin(self, run: OpenedRun) -> None:
        self._context = RunContext(
            self._services, run, self.namespace, self.uid, post=self._post, call_key=self.word.call_key
        )
        extra = {"restored": run.restored, "nodes": len(run.graph.nodes)}
        logger.info("run is opened", extra={**self.log, **extra})
        self._post(RunRestored() if run.restored else RunStarted())
        for entry in self._pods.owned_by(self.uid):
            self.observe_pod(entry)
        self._post(PodsListed())

    def _consider_abort(self) -> None:
        if self.claim.desired != ABORT or self._abort_told or self._forced.decided:
            return
        if self._context is not None:
            self._abort_told = True
            self._post(AbortRequested(self.claim.abort_reason))
        elif (self.manifest.get("status") or {}).get("state") is None:
            self.end(RunPhase.ABORTED, failures.user(Code.ABORTED, self.claim.abort_reason))

    # Turns

    def _turn(self) -> None:
        if self._closed or self._forced.decided or self._context is None:
            return
        events = self._inbox.take()
        try:
            self._take(self._context.run, events)
        except Exception as error:  # noqa: BLE001 - a bug ends this run and no other, see _poisoned
            self._poisoned(error)

    def _take(self, run: OpenedRun, events: list[Event]) -> None:
        metrics = self._services.metrics
        begun, before = perf_counter(), run.state.changes
        commands = step(run.graph, run.state, events, self._clock.now())
        metrics.step_seconds.observe(perf_counter() - begun)
        self._version += run.state.changes != before
        hurry = [self._dispatch(command) for command in commands]
        metrics.transition_seconds.observe(perf_counter() - self._inbox.arrived)
        if self._forced.decided or run.state.regrowth is not None:
            return
        self.word.observe(run.graph, run.state, self._version)
        if run.state.changes == before:
            return
        if run.state.phase in RUN_TERMINAL and not self.over:
            self._announcements.count_end(run.state.phase, run.state.started_at)
        self._tell_people(run.state.shown_phase, run.state.failure, self.phase)
        held_slot, self.phase = self.holds_slot, run.state.shown_phase.name
        if held_slot and self.phase == RunPhase.PARKED.name:
            self._news()
        if any(hurry) or run.state.phase in RUN_TERMINAL:
            self._writer.demand()
        else:
            self._writer.touch()

    def _dispatch(self, command: Command) -> bool:
        """Starts a command or holds it; whether it is held and waited for."""
        if isinstance(command, Publish):
            return self._publish(command.snapshot)
        if isinstance(command, Quarantine):
            self.end(RunPhase.FAILED, command.failure)
            return False
        if isinstance(command, StoreCache):
            self._tell_cache(command)
            return False
        if isinstance(command, WakeAt):
            delay = command.when - self._clock.now()
            self._services.timers.wake_in(("wake", self.uid), delay, lambda: self._post(TimerFired()))
            return False
        if not command.needs_status:
            if isinstance(command, CreatePod) and self._context is not None:
                self._context.arrived[command.item, command.launch] = self._inbox.arrived
            self._spawn(self._carry_out(command))
            return False
        return self._held.hold(self._version, command)

    def _tell_cache(self, command: StoreCache) -> None:
        assert self._context is not None
        services = self._services
        services.cache.tell(cached.result_of(services.store.root, self._context.run, command))

    def _publish(self, snapshot: Snapshot) -> bool:
        snapshot.epoch.CopyFrom(self.claim.to_epoch())
        if snapshot.WhichOneof("state") == "launch":
            snapshot.launch.namespace = self.namespace
        if snapshot.WhichOneof("state") == "run" and RunPhase(snapshot.run.phase) in RUN_TERMINAL:
            # Admin takes a run's end as final: it must be written here first.
            return self._held.hold(self._version, Publish(snapshot))
        self._announcements.count(snapshot, self.log)
        self._announcements.publish(snapshot)
        return False

    async def _carry_out(self, command: Command) -> None:
        assert self._context is not None
        answer = await ACTIONS[type(command)](self._context, command)
        self._services.metrics.carried_out(command, answer)
        if isinstance(answer, PodCreated):
            self._inbox.post_patiently(answer)
        else:
            self._post(answer)

    async def _delete_pods(self, commands: list[DeletePod]) -> None:
        assert self._context is not None
        answers = await delete_pods(self._context, commands)
        for command, answer in zip(commands, answers, strict=True):
            self._services.metrics.carried_out(command, answer)
            self._post(answer)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._errands.begin(work)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, PodConflictError):
            self.end(RunPhase.FAILED, failures.system(Code.POD_CONFLICT, str(error), retryable=False))
        else:
            self._poisoned(error)

    def _poisoned(self, error: BaseException) -> None:
        """A bug met this run: it fails with its story, once, instead of failing for ever."""
        logger.error("run cannot be driven", extra=self.log, exc_info=error)
        told: list[str] = []
        if self._context is not None:
            with contextlib.suppress(Exception):
                told = story(self._context.run.graph, self._context.run.state)[-STORY_LINES:]
        text = f"the operator met a bug in itself: {type(error).__name__}: {error}"
        self.end(
            RunPhase.FAILED,
            failures.system(Code.INTERNAL, "\n".join((text, *told)), retryable=False),
        )

    # Status

    def _render(self) -> tuple[int, bytes]:
        if self._forced.decided is None and self._context is not None:
            run = self._context.run
            try:
                status = running_status(run.graph, run.state, self.uid, self._digest)
                return self._version, encode_status(status, self._clock.now())
            except Exception as error:  # noqa: BLE001 - likewise
                self._poisoned(error)
        return self._version, self._forced.status(self.manifest.get("status") or {}, self._digest)

    async def _send(self, status: bytes) -> None:
        await self._services.verbs.replace_status(RUNS, self.namespace, self.name, self.uid, status)

    def _accepted(self, version: int) -> None:
        self.word.accept(version)
        if self._forced.decided is not None:
            self._over_by_force(*self._forced.decided)
            return
        over: list[DeletePod] = []
        for command in self._held.free(version):
            if isinstance(command, Publish):
                self._announcements.publish(command.snapshot)
                logger.info(
                    "run is over",
                    extra={**self.log, "phase": self.phase, "code": command.snapshot.run.failure.code},
                )
            elif isinstance(command, DeletePod) and self._goes_with_others(command):
                over.append(command)
            else:
                self._spawn(self._carry_out(command))
        if over:
            self._spawn(self._delete_pods(over))

    def _goes_with_others(self, command: DeletePod) -> bool:
        known = self._context is not None and not has_to_be_looked_at(self._context, command)
        return known and command.reason in OVER

    def _over_by_force(self, phase: RunPhase, failure: Failure) -> None:
        if not self.over:
            self._announcements.count_end(phase, None)
        before, self.phase = self.phase, phase.name
        self._forced.accepted(self.claim if self.is_admins else None)
        self._tell_people(phase, failure, before)

    def _tell_people(self, phase: RunPhase, failure: Failure | None, before: str) -> None:
        """Writes a Kubernetes Event when the run's phase is not the one that it was in before."""
        if phase.name == before:
            return
        self._announcements.phase(self.manifest["metadata"], self._run, phase, failure)

    def _status_refused(self, error: ApiError) -> None:
        self._spawn(self._examine(error))

    async def _examine(self, error: ApiError) -> None:
        """A status that is refused for good: our object is gone, or it cannot hold what we have to say."""
        if await self._is_gone():
            self.close()
            self._gone(self.uid)
        elif self._forced.decided is None:
            message = f"the run's status was refused: {error.message}"
            self.end(RunPhase.FAILED, failures.system(Code.API, message, retryable=False))
        else:
            logger.error("run's end cannot be written", extra={**self.log, "error": str(error)})

    async def _is_gone(self) -> bool:
        try:
            found = await self._services.verbs.get(RUNS, self.namespace, self.name)
        except ApiError as error:
            return error.status == 404
        return bool(found["metadata"]["uid"] != self.uid)


def _phase_of(manifest: dict[str, Any]) -> str:
    """The phase that the status tells; of an edited one nothing is believed, the run is opened by its state."""
    told = manifest["status"].get("phase") if is_accepted(manifest) else None
    return str(told) if told in RunPhase.__members__ else RunPhase.QUEUED.name
