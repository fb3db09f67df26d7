"""All runs of this operator: what was observed goes to whom it concerns."""

import asyncio
import logging
import math
from typing import Any

from limosa_model import names
from limosa_propeller.kube.reflector import Reflector
from limosa_propeller.kube.verbs import PODS
from limosa_propeller.runs.claims import claim_of
from limosa_propeller.runs.driver import RunDriver
from limosa_propeller.runs.pod_index import PodEntry, PodIndex
from limosa_propeller.runs.services import RUNS, Services
from limosa_propeller.runs.sorting import Sorting

logger = logging.getLogger(__name__)

GONE = 10_000
"""Deleted objects remembered, so that older news of one do not bring it back."""


class Fleet:
    """Drivers by the uid of their object. Built anew, from runs and pods, whenever the watch streams start anew."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pods = PodIndex()
        self._versions: dict[str, int] = {}
        self._gone: dict[str, float] = {}
        """Versions at which objects went; one that is newer is back under a label of ours."""
        self.drivers: dict[str, RunDriver] = {}
        self._division = services.division
        namespaces = services.settings.namespaces
        self._sorting = Sorting(services.verbs, RUNS, services.division, namespaces)
        self.runs_selector = services.division.ours
        """Label selector of the runs that this fleet is to be told of; empty: all."""
        pods = ",".join(filter(None, (names.LABEL_RUN, self.runs_selector)))
        self._pod_streams = [
            Reflector(services.verbs, PODS, namespace, pods, self.observe_pods, self.observe_pod)
            for namespace in namespaces or (None,)
        ]
        self.streams = [*self._pod_streams, *self._sorting.streams]
        """To be watched for as long as the fleet lives."""
        self.news = asyncio.Event()
        """Set when admin should hear at once what is here: a run's object went before its end, a run gave its slot back."""
        self.synced = False
        """The cluster was read completely at least once."""

    async def resync(self) -> None:
        """Reads all pods, then all runs, and heals what events missed. Raises ApiError."""
        with self._services.metrics.resync_seconds.time():
            await self._resync()

    async def _resync(self) -> None:
        for reflector in self._pod_streams:
            await reflector.list()
        for namespace in self._services.settings.namespaces or (None,):
            runs, version = await self._services.verbs.list(RUNS, namespace, self.runs_selector)
            for run in runs:
                self._observe_run("MODIFIED", run)
            self._forget_missing({run["metadata"]["uid"] for run in runs}, int(version), namespace)
        self.synced = True
        for driver in self.drivers.values():
            if driver.over:
                driver.sweep()

    def observe_pods(self, namespace: str | None, pods: list[dict[str, Any]], version: int) -> None:
        """A complete list of pods, true at `version`."""
        for pod in pods:
            self.observe_pod("MODIFIED", pod)
        present = {pod["metadata"]["uid"] for pod in pods}
        for entry in self._pods.missing_from(present, version):
            if namespace is None or entry.namespace == namespace:
                self._pod_gone(entry.uid)

    def observe_run(self, kind: str | None, run: dict[str, Any]) -> None:
        """A WorkflowRun event; before the first resync there is nothing to compare it with, and that brings it."""
        if self.synced:
            self._observe_run(kind, run)

    def observe_pod(self, kind: str, pod: dict[str, Any]) -> None:
        """A pod event."""
        if kind != "DELETED":
            self._pod_seen(pod)
            return
        if pod["metadata"]["uid"] not in self._pods:
            # All that was told of it before came in passing.
            self._pod_seen(pod)
        self._pod_gone(pod["metadata"]["uid"])

    def _pod_seen(self, pod: dict[str, Any]) -> None:
        entry = self._pods.observe(pod)
        if entry is None:
            return
        if entry.view.ended:
            self._services.capacity.remove(entry.namespace, entry.name)
        else:
            self._services.capacity.add(
                entry.namespace,
                entry.name,
                entry.identity.owner_uid,
                unschedulable=bool(entry.view.unschedulable),
                depth=entry.identity.eager_depth,
            )
        driver = self.drivers.get(entry.identity.owner_uid)
        if driver is not None:
            driver.observe_pod(entry)

    def adopt(self, run: dict[str, Any]) -> None:
        """An object this process has just made or changed."""
        self._observe_run("MODIFIED", run)

    def close(self) -> None:
        """Stops all drivers."""
        self._services.removals.close()
        self._sorting.close()
        for driver in self.drivers.values():
            driver.close()

    def _observe_run(self, kind: str | None, run: dict[str, Any]) -> None:
        metadata = run["metadata"]
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        if kind == "DELETED":
            self._run_gone(uid, version)
            return
        if max(self._gone.get(uid, -1), self._versions.get(uid, -1)) >= version:
            return
        driver = self.drivers.get(uid)
        if driver is None and not self._division.has(claim_of(run).run_uid, metadata.get("labels") or {}):
            self._sorting.sort(run)
            return
        self._versions[uid] = version
        if driver is not None:
            driver.observe_object(run)
        elif not metadata.get("deletionTimestamp"):
            driver = self.drivers[uid] = RunDriver(
                run, self._services, self._pods, self._run_gone, self.news.set
            )
            driver.start()

    def _forget_missing(self, present: set[str], version: int, namespace: str | None) -> None:
        for uid, driver in list(self.drivers.items()):
            elsewhere = namespace is not None and driver.namespace != namespace
            if uid not in present and self._versions[uid] <= version and not elsewhere:
                self._run_gone(uid, version)

    def _run_gone(self, uid: str, version: float = math.inf) -> None:
        self._gone[uid] = version
        if len(self._gone) > GONE:
            del self._gone[next(iter(self._gone))]
        self._versions.pop(uid, None)
        driver = self.drivers.pop(uid, None)
        if driver is not None:
            driver.deleted()
            logger.info("run's object is gone", extra=driver.log)
            if not driver.over and driver.is_admins:
                self.news.set()

    def _pod_gone(self, uid: str) -> None:
        entry: PodEntry | None = self._pods.forget(uid)
        if entry is None:
            return
        self._services.capacity.remove(entry.namespace, entry.name)
        driver = self.drivers.get(entry.identity.owner_uid)
        if driver is not None:
            driver.pod_gone(entry)
