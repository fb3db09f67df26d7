"""The kubelet: runs the pods that are assigned to this node and cleans up after those that are gone."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import time
from pathlib import Path
from typing import Any

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.node import processes
from limosa_sandbox.node.host import Host
from limosa_sandbox.node.pod import Ending, PodRunner
from limosa_sandbox.node.status import Verdict
from limosa_sandbox.node.zygote import boot_id

_log = logging.getLogger(__name__)
_TERMINAL = ("Succeeded", "Failed")
_TIDY_INTERVAL = 1.0
_REMOVAL_PAUSES = (0.05, 0.2, 1.0, 0.0)
_SHUTDOWN = Verdict(
    "Failed",
    "Terminated",
    "Pod was terminated in response to imminent node shutdown.",
    "TerminationByKubelet",
)


class Kubelet:
    """Owns the pods of this node. Tell it of every pod change.

    Args:
        host: What the node offers.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._runners: dict[str, PodRunner] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    def observe(self, type_: str, pod: dict[str, Any]) -> None:
        """Take note of a change of a pod."""
        if pod["spec"].get("nodeName") != self._host.settings.name:
            return
        uid = pod["metadata"]["uid"]
        runner = self._runners.get(uid)
        if type_ == "DELETED":
            if runner is not None:
                runner.remove()
            else:
                self._clean(uid)
        elif runner is not None:
            runner.update(pod)
        elif not self._closing:
            self._begin(pod)

    def runner(self, uid: str) -> PodRunner | None:
        """Return the runner of a pod that has not ended."""
        return self._runners.get(uid)

    def forget_unknown(self, known: set[str]) -> None:
        """End and clean up after pods that no longer exist; ``known`` holds the uids of those that do."""
        for uid, runner in self._runners.items():
            if uid not in known:
                runner.remove()
        pods = self._host.settings.directory / "pods"
        for folder in pods.iterdir() if pods.exists() else ():
            if folder.name not in known and folder.name not in self._runners:
                _kill_recorded(folder)
                self._clean(folder.name)

    async def tidy(self) -> None:
        """End unused zygotes and cut logs that grew too long, until cancelled."""
        limit = self._host.settings.log_limit
        while True:
            await asyncio.sleep(_TIDY_INTERVAL)
            self._host.zygotes.retire_idle()
            for runner in list(self._runners.values()):
                for instance in runner.running.values():
                    if instance.running and instance.log_size() > limit:
                        await asyncio.to_thread(instance.cut_log, limit // 10)

    async def close(self, kill_pods: bool) -> None:
        """End all pods (they fail with ``Terminated``), or leave them running for the next sandbox to adopt."""
        self._closing = True
        grace = self._host.settings.shutdown_grace
        if kill_pods:
            for runner in self._runners.values():
                runner.end(Ending(grace, _SHUTDOWN, spares_success=True))
            while self._tasks:
                await asyncio.wait(self._tasks)
        else:
            for runner in self._runners.values():
                runner.release()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._host.zygotes.close(grace if kill_pods else 0.0)

    def _begin(self, seen: dict[str, Any]) -> None:
        meta = seen["metadata"]
        try:
            pod = self._host.storage.get("pods", meta["namespace"], meta["name"])
        except ApiError:
            return  # Removed since; the watch tells so next.
        uid = pod["metadata"]["uid"]
        if uid != meta["uid"] or (pod.get("status") or {}).get("phase") in _TERMINAL:
            return
        runner = self._runners[uid] = PodRunner(pod, self._host)
        runner.update(pod)
        self._spawn(self._run(uid, runner))

    async def _run(self, uid: str, runner: PodRunner) -> None:
        try:
            await runner.run()
        except Exception:  # noqa: BLE001
            # A bug must not leave a pod that never ends, nor take the other pods with it.
            _log.exception("the runner of pod %s failed", uid)
            runner.fail("the sandbox's kubelet failed to run the pod; its log has the details")
        finally:
            self._runners.pop(uid, None)
        if runner.removed:
            self._clean(uid)

    def _clean(self, uid: str) -> None:
        directory = self._host.directory(uid)
        if directory.exists():
            self._spawn(asyncio.to_thread(_remove, directory))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _remove(directory: Path) -> None:
    """Remove a pod's files; the zygote of a process killed just now may write how it ended while they go."""
    for pause in _REMOVAL_PAUSES:
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(pause)


def _kill_recorded(folder: Path) -> None:
    """Kill what still runs of a pod that was removed while no sandbox watched."""
    for record in folder.glob("*/started"):
        found = json.loads(record.read_text(encoding="utf-8"))
        if found["boot"] == boot_id() and processes.is_alive(found["pid"], found["ticks"]):
            processes.kill_family(found["pid"])
