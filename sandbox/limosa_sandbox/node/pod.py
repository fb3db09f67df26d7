"""One pod on this node, from its arrival to its final status."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.node import disk, resources, starting, volumes
from limosa_sandbox.node.containers import Exit, Instance, instance_directory, instances
from limosa_sandbox.node.environment import ContainerConfigError
from limosa_sandbox.node.host import Host
from limosa_sandbox.node.images import Program, Refusal, program_of
from limosa_sandbox.node.starting import Recipe
from limosa_sandbox.node.status import INIT, MAIN, SIDECAR, ContainerState, Verdict, phase_of, pod_status

_BACKOFF_LIMIT = 300.0
_DEVICE_WAIT = 0.05
_KILL_AGAIN = 1.0
_TELL_AGAIN = 1.0
_NOT_FOUND = 404
_REFUSED_CODE = 128
_NOT_ITS_OWN = ("StartError", "CreateContainerError", "ContainerStatusUnknown")
"""Ends that a container could not speak about itself, so that the pod's message does."""
_DEADLINE = Verdict(
    "Failed", "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
)


@dataclass(frozen=True)
class Ending:
    """Why a pod is being ended from outside.

    Attributes:
        grace: Seconds from SIGTERM to SIGKILL.
        verdict: What its status will say; None leaves that to how its containers end.
        spares_success: Whether a pod whose containers all end well has succeeded nevertheless.
    """

    grace: float
    verdict: Verdict | None = None
    spares_success: bool = False


class PodRunner:
    """Runs one pod. :meth:`run` is its life; everything else tells it what happened meanwhile.

    Args:
        pod: The pod as stored, assigned to this node.
        host: What the node offers.
    """

    def __init__(self, pod: dict[str, Any], host: Host) -> None:
        self._pod = pod
        self._host = host
        self._uid = pod["metadata"]["uid"]
        self._directory = host.directory(self._uid)
        self._states: list[ContainerState] = []
        self._specs: dict[str, dict[str, Any]] = {}
        for role, container in _containers(pod["spec"]):
            self._states.append(ContainerState(container["name"], container["image"], role, self._uid))
            self._specs[container["name"]] = container
        self._recipes: dict[str, Recipe] = {}
        self._instances: dict[str, Instance] = {}
        self._ending: Ending | None = None
        self._end = asyncio.Event()
        self._sidecars_end = asyncio.Event()
        self._kill_timer: asyncio.TimerHandle | None = None
        self._kill_at = 0.0
        self._removed = False
        self._began = time.time()

    # -- what others tell it ------------------------------------------------------------------------------------------

    def update(self, pod: dict[str, Any]) -> None:
        """Take note of a change of the pod object."""
        self._pod = pod
        meta = pod["metadata"]
        if meta.get("deletionTimestamp"):
            self.end(Ending(float(meta.get("deletionGracePeriodSeconds") or 0)))

    def remove(self) -> None:
        """The object is gone: kill what runs, report nothing."""
        self._removed = True
        self.end(Ending(0.0))

    def end(self, ending: Ending) -> None:
        """End the pod from outside; of several endings the first one is told and the earliest kill holds."""
        kill_at = time.monotonic() + ending.grace
        if self._ending is None:
            self._ending = ending
            self._end.set()
            if any(instance.running for instance in self._instances.values()):
                for state in self._states:
                    if state.running_since is not None and state.exit is None:
                        self._host.events.normal(self._pod, "Killing", f"Stopping container {state.name}")
        elif kill_at >= self._kill_at:
            return
        self._kill_at = kill_at
        self._arm_kill(ending.grace)

    def release(self) -> None:
        """Stop watching its processes; they go on without this sandbox."""
        for instance in self._instances.values():
            instance.release()

    def fail(self, message: str) -> None:
        """Report that it failed, whatever its containers do."""
        self._kill()
        self._finish(Verdict("Failed", "InternalError", message))

    @property
    def removed(self) -> bool:
        """Whether its object is gone."""
        return self._removed

    @property
    def running(self) -> dict[str, Instance]:
        """Its containers' current instances, by name."""
        return self._instances

    # -- its life -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run the pod to its end and report it."""
        guards = [asyncio.ensure_future(self._guard_deadline()), asyncio.ensure_future(self._guard_disk())]
        try:
            verdict = await self._work()
        finally:
            for guard in guards:
                guard.cancel()
            if self._kill_timer is not None:
                self._kill_timer.cancel()
        self._host.devices.release(self._uid)
        while not self._finish(verdict):
            await asyncio.sleep(_TELL_AGAIN)

    async def _work(self) -> Verdict:
        refusal = self._choose_programs()
        if refusal is not None:
            return refusal
        devices = await self._take_devices()
        if isinstance(devices, Verdict):
            return devices
        try:
            folders = await self._make_volumes()
        except volumes.VolumeNotSupportedError as error:
            return self._refuse(self._states[-1], Refusal("StartError", str(error)))
        except OSError as error:
            return self._refuse(self._states[-1], Refusal("CreateContainerError", starting.unwritable(error)))
        for name, recipe in self._recipes.items():
            self._recipes[name] = replace(recipe, folders=folders, gpus=devices.get(name, ()))
        await self._run_containers()
        return self._verdict()

    def _choose_programs(self) -> Verdict | None:
        settings = self._host.settings
        for state in self._states:
            container = self._specs[state.name]
            command = [*(container.get("command") or ()), *(container.get("args") or ())]
            if not container.get("command"):
                command = []
            choice = program_of(
                self._pod, state.image, command, settings.runnable_images, settings.default_python
            )
            if isinstance(choice, Program):
                self._recipes[state.name] = Recipe(self._pod, container, choice, {}, ())
            else:
                return self._refuse(state, choice)
        return None

    def _refuse(self, state: ContainerState, refusal: Refusal) -> Verdict:
        now = time.time()
        state.exit = Exit(_REFUSED_CODE, refusal.reason, now, now, refusal.message)
        self._host.events.warning(self._pod, "Failed", f"Container {state.name}: {refusal.message}")
        return Verdict("Failed", refusal.reason, refusal.message)

    async def _take_devices(self) -> dict[str, tuple[str, ...]] | Verdict:
        wanted = {
            name: int(resources.requests(container).get(resources.GPU, Fraction(0)))
            for name, container in self._specs.items()
        }
        count = sum(wanted.values())
        if not count:
            return {}
        record = self._directory / "gpus"
        if record.exists():
            kept: dict[str, list[str]] = json.loads(record.read_text(encoding="utf-8"))
            for names in kept.values():
                self._host.devices.keep(self._uid, tuple(names))
            return {name: tuple(names) for name, names in kept.items()}
        taken = None
        while count <= self._host.devices.count and not self._end.is_set():
            taken = self._host.devices.take(self._uid, count)
            if taken is not None:
                break
            # Whoever had them is counted as gone and still being killed.
            await asyncio.sleep(_DEVICE_WAIT)
        if taken is None:
            return Verdict(
                "Failed", "UnexpectedAdmissionError",
                f"Allocate failed due to requested number of devices unavailable for {resources.GPU}. Requested: {count}, "
                f"Available: {self._host.devices.count}, which is unexpected",
            )  # fmt: skip
        left = list(taken)
        shares = {name: [left.pop(0) for _ in range(number)] for name, number in wanted.items()}
        self._directory.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps(shares), encoding="utf-8")
        return {name: tuple(names) for name, names in shares.items()}

    async def _make_volumes(self) -> dict[str, Path]:
        objects = self._host.objects(self._pod["metadata"]["namespace"])
        while not self._end.is_set():
            try:
                return volumes.materialise(self._pod["spec"], self._directory / "volumes", objects)
            except ContainerConfigError as error:
                self._host.events.warning(self._pod, "FailedMount", str(error))
                for state in self._states:
                    state.waiting = ("ContainerCreating", str(error))
                self._publish()
                await self._pause(self._host.settings.config_interval)
        return {}

    async def _run_containers(self) -> None:
        sidecars: list[asyncio.Task[None]] = []
        try:
            for state in self._states:
                if state.role == MAIN or self._end.is_set():
                    break
                for later in self._states:
                    if later.role == MAIN:
                        later.waiting = ("PodInitializing", "")
                if state.role == SIDECAR:
                    sidecars.append(asyncio.ensure_future(self._run_container(state)))
                    continue
                await self._run_container(state)
                if state.exit is None or state.exit.code:
                    return
            await asyncio.gather(
                *(self._run_container(state) for state in self._states if state.role == MAIN)
            )
        finally:
            self._sidecars_end.set()
            self._arm_kill(float(self._pod["spec"].get("terminationGracePeriodSeconds") or 0))
            await asyncio.gather(*sidecars)

    async def _run_container(self, state: ContainerState) -> None:
        """Run a container to its last end, with the restarts its policy asks for."""
        earlier = instances(self._directory, state.name)
        number = earlier[-1] if earlier else 0
        while not self._is_ending(state):
            instance = Instance(instance_directory(self._directory, state.name, number), number)
            self._instances[state.name] = instance
            state.restarts = number
            exit_ = await self._run_instance(state, instance)
            if exit_ is None:
                return
            if self._is_ending(state) or not _restarts(state.role, self._pod["spec"], exit_):
                state.exit = exit_
                state.running_since = None
                return
            state.last_exit, state.running_since = exit_, None
            number += 1
            delay = min(self._host.settings.restart_backoff * 2 ** min(number - 1, 10), _BACKOFF_LIMIT)
            name = self._pod["metadata"]["name"]
            state.waiting = (
                "CrashLoopBackOff", f"back-off {delay:g}s restarting failed container={state.name} pod={name}"
            )  # fmt: skip
            self._host.events.warning(
                self._pod, "BackOff", f"Back-off restarting failed container {state.name}"
            )
            self._publish()
            await self._pause(delay)

    async def _run_instance(self, state: ContainerState, instance: Instance) -> Exit | None:
        """Start (or adopt) an instance and wait for its end; None when it was not started before the pod's end."""
        adopted = instance.adopt()
        if not adopted and not await self._start(state, instance):
            return None
        if instance.running:
            state.running_since = instance.started
            self._publish()
        await self._await_end(state, instance)
        self._host.memory.discard(instance)
        exit_ = instance.ended.result()
        if not exit_.message:
            policy = self._specs[state.name].get("terminationMessagePolicy") or "File"
            exit_ = replace(exit_, message=instance.message(exit_.code, policy))
        return exit_

    async def _start(self, state: ContainerState, instance: Instance) -> bool:
        while not self._is_ending(state):
            try:
                await starting.start(self._recipes[state.name], instance, self._host)
            except ContainerConfigError as error:
                self._host.events.warning(self._pod, "Failed", f"Error: {error}")
                if state.waiting != ("CreateContainerConfigError", str(error)):
                    state.waiting = ("CreateContainerConfigError", str(error))
                    self._publish()
                await self._pause(self._host.settings.config_interval)
                continue
            if instance.ended.done():
                self._host.events.warning(self._pod, "Failed", f"Error: {instance.ended.result().message}")
            else:
                self._host.events.normal(self._pod, "Started", f"Started container {state.name}")
            return True
        return False

    async def _await_end(self, state: ContainerState, instance: Instance) -> None:
        stops: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._end.wait())]
        if state.role == SIDECAR:
            stops.append(asyncio.ensure_future(self._sidecars_end.wait()))
        try:
            waited: list[asyncio.Future[Any]] = [instance.ended, *stops]
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for stop in stops:
                stop.cancel()
        if not instance.ended.done():
            instance.terminate()
            await instance.ended

    # -- its end ------------------------------------------------------------------------------------------------------

    def _is_ending(self, state: ContainerState) -> bool:
        return self._end.is_set() or (state.role == SIDECAR and self._sidecars_end.is_set())

    def _arm_kill(self, delay: float) -> None:
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self._kill_timer = asyncio.get_running_loop().call_later(delay, self._kill)

    def _kill(self) -> None:
        for instance in self._instances.values():
            instance.kill()
        self._arm_kill(_KILL_AGAIN)

    async def _pause(self, delay: float) -> None:
        try:
            await asyncio.wait_for(self._end.wait(), delay)
        except asyncio.TimeoutError:
            return

    async def _guard_deadline(self) -> None:
        spec, status = self._pod["spec"], self._pod.get("status") or {}
        if spec.get("activeDeadlineSeconds") is None:
            return
        began = _unix(status["startTime"]) if status.get("startTime") else self._began
        await asyncio.sleep(max(0.0, began + spec["activeDeadlineSeconds"] - time.time()))
        self._host.events.notable(self._pod, "DeadlineExceeded", _DEADLINE.message)
        self.end(Ending(float(spec.get("terminationGracePeriodSeconds") or 0), _DEADLINE))

    async def _guard_disk(self) -> None:
        total, sizes = disk.storage_limit(self._pod["spec"]), disk.volume_limits(self._pod["spec"])
        while total is not None or sizes:
            await asyncio.sleep(self._host.settings.disk_interval)
            reason = await asyncio.to_thread(disk.excess, self._directory, total, sizes)
            if reason:
                self._host.events.warning(self._pod, "Evicted", reason)
                self.end(Ending(0.0, Verdict("Failed", "Evicted", reason, "TerminationByKubelet")))
                return

    def _verdict(self) -> Verdict:
        phase = phase_of(self._states, never_restarts=True)
        if self._ending is None:
            untold = (
                state.exit.message
                for state in self._states
                if state.exit and state.exit.reason in _NOT_ITS_OWN
            )
            return Verdict(phase, message=next(untold, ""))
        if phase not in ("Succeeded", "Failed"):
            phase = "Failed"
        if self._ending.verdict is None or (self._ending.spares_success and phase == "Succeeded"):
            return Verdict(phase)
        return self._ending.verdict

    def _finish(self, verdict: Verdict) -> bool:
        """Report the end; False when the cluster could not store it now."""
        if self._removed:
            return True
        if not self._publish(verdict):
            return False
        meta = self._pod["metadata"]
        if not meta.get("deletionTimestamp"):
            return True
        try:
            self._host.storage.delete("pods", meta["namespace"], meta["name"], grace_seconds=0, uid=self._uid)
        except ApiError:
            return True  # It was removed by someone else a moment ago.
        return True

    def _publish(self, verdict: Verdict | None = None) -> bool:
        """Store the status; False when the cluster could not."""
        meta = self._pod["metadata"]
        verdict = verdict or Verdict(_open_phase(phase_of(self._states, never_restarts=False)))
        try:
            pod = self._host.storage.get("pods", meta["namespace"], meta["name"])
            if pod["metadata"]["uid"] != self._uid:
                return True
            now = datetime.now(timezone.utc)
            status = pod_status(pod.get("status") or {}, self._states, verdict, self._began, now)
            self._pod = self._host.storage.update(
                "pods", meta["namespace"], meta["name"], {**pod, "status": status}, subresource="status"
            )
        except ApiError as error:
            # Of a pod that was removed the watch tells next; anything else, such as a full disk, is to be tried again.
            return error.code == _NOT_FOUND
        return True


def _containers(spec: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    first = [
        (SIDECAR if container.get("restartPolicy") == "Always" else INIT, container)
        for container in spec.get("initContainers") or ()
    ]
    return [*first, *((MAIN, container) for container in spec["containers"])]


def _restarts(role: str, spec: Mapping[str, Any], exit_: Exit) -> bool:
    policy = spec.get("restartPolicy", "Always")
    if role == SIDECAR:
        return True
    if policy == "Never":
        return False
    return exit_.code != 0 or (policy == "Always" and role == MAIN)


def _open_phase(phase: str) -> str:
    """While a pod's runner works, its phase is not final: sidecars may still be ending."""
    return "Running" if phase in ("Succeeded", "Failed") else phase


def _unix(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
