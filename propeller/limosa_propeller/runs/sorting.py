"""Runs that carry no shard's label get theirs: those applied by hand, and those of another division."""

import asyncio
import logging
import random
from typing import Any

from limosa_model import names
from limosa_propeller.kube.errors import ApiError, NotLeaderError
from limosa_propeller.kube.reflector import Reflector
from limosa_propeller.kube.verbs import PODS, Object, Resource, Verbs
from limosa_propeller.pods.view import identity_of
from limosa_propeller.runs.claims import claim_of
from limosa_propeller.runs.division import Division

logger = logging.getLogger(__name__)

BACKOFF_SECONDS = (0.2, 1.0, 3.0, 10.0)


class Sorting:
    """Labels runs; a run's pods first, so that whoever then finds the run finds them too.

    Nobody works on an unlabelled run meanwhile: operators of another division have ended before this one began.
    """

    def __init__(
        self, verbs: Verbs, resource: Resource, division: Division, namespaces: tuple[str, ...]
    ) -> None:
        self._verbs, self._resource, self._division = verbs, resource, division
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self.streams = [
            Reflector(verbs, resource, namespace, division.unsorted, self._listed, self._seen)
            for namespace in (namespaces or (None,) if division.sorts else ())
        ]
        """To be watched for as long as this process leads the first shard."""

    def sort(self, run: Object) -> None:
        """Sees to it that a run carries its label."""
        metadata = run["metadata"]
        uid, name = metadata["uid"], f"{metadata['namespace']}/{metadata['name']}"
        labels = self._division.labels(claim_of(run).run_uid)
        if uid in self._under_way or labels.items() <= (metadata.get("labels") or {}).items():
            return
        logger.info("run is given its shard", extra={"run": name, **labels})
        task = self._under_way[uid] = asyncio.get_running_loop().create_task(self._label(metadata, labels))
        task.add_done_callback(lambda _: self._under_way.pop(uid, None))

    def close(self) -> None:
        """Stops; who leads the first shard next begins anew."""
        for task in self._under_way.values():
            task.cancel()

    def _listed(self, namespace: str | None, runs: list[Object], version: int) -> None:
        for run in runs:
            self.sort(run)

    def _seen(self, kind: str, run: Object) -> None:
        if kind != "DELETED":
            self.sort(run)

    async def _label(self, run: dict[str, Any], labels: dict[str, str]) -> None:
        failures = 0
        while True:
            try:
                await self._label_once(run, labels)
                return
            except NotLeaderError as error:
                # Whoever leads the first shard next begins anew.
                logger.warning(
                    "a run was not given its shard",
                    extra={"run": f"{run['namespace']}/{run['name']}", "error": str(error)},
                )
                return
            except ApiError as error:
                if error.status in (404, 409, 422):
                    # It is gone, or another object has its name: what is there now is seen by itself.
                    return
                pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
                failures += 1
                logger.warning(
                    "a run was not given its shard yet",
                    extra={"run": f"{run['namespace']}/{run['name']}", "error": str(error)},
                )
                await asyncio.sleep(max(pause * random.uniform(0.7, 1.3), error.retry_after or 0.0))

    async def _label_once(self, run: dict[str, Any], labels: dict[str, str]) -> None:
        namespace, uid = run["namespace"], run["uid"]
        pods, _ = await self._verbs.list(PODS, namespace, f"{names.LABEL_RUN}={run['name']}")
        for pod in pods:
            identity = identity_of(pod)
            if identity is not None and identity.owner_uid == uid:
                await self._label_pod(namespace, pod["metadata"], labels)
        patch = {"metadata": {"uid": uid, "labels": labels}}
        await self._verbs.merge(self._resource, namespace, run["name"], patch)

    async def _label_pod(self, namespace: str, pod: dict[str, Any], labels: dict[str, str]) -> None:
        try:
            patch = {"metadata": {"uid": pod["uid"], "labels": labels}}
            await self._verbs.merge(PODS, namespace, pod["name"], patch)
        except ApiError as error:
            if error.status != 404:
                raise
