"""The node: its object in the cluster, and the scheduler and kubelet behind it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import shutil
from collections.abc import Mapping
from datetime import datetime, timezone
from fractions import Fraction
from typing import Any

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.metadata import timestamp
from limosa_sandbox.cluster.storage import Storage
from limosa_sandbox.node import resources
from limosa_sandbox.node.devices import Devices
from limosa_sandbox.node.events import EventRecorder
from limosa_sandbox.node.host import Host
from limosa_sandbox.node.kubelet import Kubelet
from limosa_sandbox.node.logs import PodLogs
from limosa_sandbox.node.memory import MemoryGuard
from limosa_sandbox.node.scheduler import Scheduler
from limosa_sandbox.node.settings import NodeSettings
from limosa_sandbox.node.zygotes import InterpreterError, Zygotes

_log = logging.getLogger(__name__)
_LEASES = "leases.coordination.k8s.io"
_LEASE_SECONDS = 40
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class NodeHandle:
    """A node at work.

    Attributes:
        log_reader: Reads what its pods printed; give it to the API server.
    """

    def __init__(
        self, kubelet: Kubelet, log_reader: PodLogs, tasks: list[asyncio.Task[None]], host: Host
    ) -> None:
        self.log_reader = log_reader
        self._kubelet = kubelet
        self._host = host
        self._tasks = tasks

    @property
    def failed(self) -> BaseException | None:
        """What ended one of the node's tasks, None while all is well; a bug if ever set."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                return task.exception()
        return None

    async def warm(self) -> None:
        """Make the interpreter of pods that name no other ready before the first of them, who then need not wait for it."""
        # A pod that cannot have it meets the same error, and is where it is told.
        with contextlib.suppress(InterpreterError):
            await self._host.zygotes.get(self._host.settings.default_python, preload=True)

    async def close(self, kill_pods: bool = True) -> None:
        """Stop the node.

        Args:
            kill_pods: End its pods first, which then fail with reason ``Terminated``; else they go on, and the next node with the
                same directory adopts them.
        """
        await self._kubelet.close(kill_pods)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def run_node(storage: Storage, settings: NodeSettings) -> NodeHandle:
    """Register the node and run the pods assigned to it, in this event loop.

    Pods that an earlier sandbox left running in the same directory are adopted.
    """
    settings.directory.mkdir(parents=True, exist_ok=True)
    capacity = _capacity(settings)
    labels = _labels(settings)
    _register(storage, settings, capacity, labels)
    host = Host(
        storage=storage,
        settings=settings,
        capacity=capacity,
        zygotes=Zygotes(settings.directory, settings.zygote_start, settings.zygote_idle),
        devices=Devices(settings.gpus),
        memory=MemoryGuard(settings.memory_interval),
        events=EventRecorder(storage, "kubelet", settings.name, settings.lifecycle_events),
    )
    kubelet = Kubelet(host)
    told = EventRecorder(storage, "default-scheduler", settings.name, settings.lifecycle_events)
    scheduler = Scheduler(storage, settings.name, capacity, labels, told)
    work = (
        _watch(storage, scheduler, kubelet),
        host.memory.run(),
        kubelet.tidy(),
        _renew_lease(storage, settings.name),
    )
    tasks = [asyncio.ensure_future(part) for part in work]
    for task in tasks:
        task.add_done_callback(_report)
    return NodeHandle(kubelet, PodLogs(host, kubelet), tasks, host)


async def _watch(storage: Storage, scheduler: Scheduler, kubelet: Kubelet) -> None:
    while True:
        watch = storage.watch("pods")
        # The first batch is what there is; anything else that we know of vanished unseen.
        present = await watch.changes(0)
        known = {change.record.obj["metadata"]["uid"] for change in present}
        scheduler.forget_unknown(known)
        kubelet.forget_unknown(known)
        present.sort(key=lambda change: str(change.record.obj["metadata"]["creationTimestamp"]))
        while True:
            for change in present:
                scheduler.observe(change.type, change.record.obj)
                kubelet.observe(change.type, change.record.obj)
            scheduler.schedule()
            present = await watch.changes()
            if not present:
                break
        if not watch.overflowed:
            return


async def _renew_lease(storage: Storage, node: str) -> None:
    """Show that the node is alive, as ``kubectl describe node`` reads it."""
    while True:
        spec = {
            "holderIdentity": node,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        try:
            storage.patch(_LEASES, "kube-node-lease", node, {"spec": spec})
        except ApiError:
            storage.create(_LEASES, "kube-node-lease", {"metadata": {"name": node}, "spec": spec})
        await asyncio.sleep(_LEASE_SECONDS / 4)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("a part of the node failed; no more pods are run", exc_info=task.exception())


def _capacity(settings: NodeSettings) -> dict[str, Fraction]:
    return {
        resources.CPU: settings.cpu,
        resources.MEMORY: Fraction(settings.memory),
        resources.STORAGE: Fraction(shutil.disk_usage(settings.directory).total),
        resources.PODS: Fraction(settings.max_pods),
        resources.GPU: Fraction(len(settings.gpus)),
    }


def _labels(settings: NodeSettings) -> dict[str, str]:
    machine = platform.machine()
    return {
        "kubernetes.io/hostname": settings.name,
        "kubernetes.io/os": platform.system().lower(),
        "kubernetes.io/arch": _ARCHITECTURES.get(machine, machine),
    }


def _register(
    storage: Storage, settings: NodeSettings, capacity: Mapping[str, Fraction], labels: Mapping[str, str]
) -> None:
    amounts = {
        name: f"{round(amount * 1000)}m" if amount.denominator != 1 else str(amount.numerator)
        for name, amount in capacity.items()
    }
    now = timestamp(datetime.now(timezone.utc))
    condition = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    status = {
        "capacity": amounts,
        "allocatable": amounts,
        "conditions": [
            {"type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory", **condition},
            {"type": "DiskPressure", "status": "False", "reason": "KubeletHasNoDiskPressure", **condition},
            {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status", **condition},
        ],
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": settings.name}],
        "nodeInfo": {
            "architecture": labels["kubernetes.io/arch"], "operatingSystem": labels["kubernetes.io/os"],
            "kernelVersion": platform.release(), "osImage": platform.platform(), "kubeletVersion": "v1.34.0",
            "containerRuntimeVersion": "limosa-sandbox://1", "kubeProxyVersion": "", "machineID": "", "systemUUID": "", "bootID": "",
        },
    }  # fmt: skip
    node: dict[str, Any] = {"metadata": {"name": settings.name, "labels": dict(labels)}, "spec": {}}
    with contextlib.suppress(ApiError):
        storage.create("nodes", None, node)
    current = storage.get("nodes", None, settings.name)
    storage.update("nodes", None, settings.name, {**current, "status": status}, subresource="status")
