"""The scheduler: gives waiting pods to the node, or tells in their status why they wait."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime, timezone
from fractions import Fraction
from typing import Any

from limosa_model.quantity import QuantityError
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.metadata import timestamp
from limosa_sandbox.cluster.storage import Storage
from limosa_sandbox.node.events import EventRecorder
from limosa_sandbox.node.placement import Waiting, plan
from limosa_sandbox.node.resources import pod_request

_TERMINAL = ("Succeeded", "Failed")


class Scheduler:
    """Keeps account of one node. Tell it of every pod change, then let it :meth:`schedule`.

    Args:
        storage: The cluster.
        node: Name of the node.
        capacity: What the node has, by resource.
        labels: The node's labels.
        events: Where it tells why pods wait.
    """

    def __init__(
        self, storage: Storage, node: str, capacity: Mapping[str, Fraction], labels: Mapping[str, str],
        events: EventRecorder,
    ) -> None:  # fmt: skip
        self._storage = storage
        self._node = node
        self._capacity = capacity
        self._labels = labels
        self._events = events
        self._free = dict(capacity)
        self._taken: dict[str, Mapping[str, Fraction]] = {}
        self._waiting: dict[str, tuple[dict[str, Any], Waiting]] = {}
        self._told: dict[str, str] = {}
        self._dirty = False

    def observe(self, type_: str, pod: dict[str, Any]) -> None:
        """Take note of a change of a pod."""
        uid, spec = pod["metadata"]["uid"], pod["spec"]
        if type_ == "DELETED" or pod["status"].get("phase") in _TERMINAL:
            self._release(uid)
        elif spec.get("nodeName"):
            if spec["nodeName"] == self._node and uid not in self._taken:
                # Whoever assigned it vouches for amounts that we cannot read; the kubelet will say what is wrong with them.
                with contextlib.suppress(QuantityError):
                    self._take(uid, pod_request(spec))
            self._unwait(uid)
        elif uid in self._waiting:
            self._waiting[uid] = (pod, self._waiting[uid][1])
        elif spec.get("schedulingGates"):
            self._tell(pod, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")
        else:
            self._wait(pod)

    def schedule(self) -> None:
        """Give to the node what it can take now, and tell the others why they wait."""
        if not self._dirty:
            return
        self._dirty = False
        if not self._waiting:
            return
        # Pods are told in the order of their creation, and dictionaries keep it.
        ordered = [waiting for _, waiting in self._waiting.values()]
        decision = plan(ordered, self._free, self._capacity, self._labels)
        for uid in decision.start:
            self._bind(*self._waiting[uid])
        for uid, reason in decision.refusals.items():
            self._tell(self._waiting[uid][0], "Unschedulable", reason)

    def forget_unknown(self, known: set[str]) -> None:
        """Forget pods that no longer exist; ``known`` holds the uids of those that do."""
        for uid in [*self._taken, *self._waiting]:
            if uid not in known:
                self._release(uid)

    def _wait(self, pod: dict[str, Any]) -> None:
        uid = pod["metadata"]["uid"]
        try:
            request = pod_request(pod["spec"])
        except QuantityError as error:
            self._tell(pod, "Unschedulable", str(error))
            return
        self._waiting[uid] = (pod, Waiting(uid, request, pod["spec"].get("nodeSelector") or {}))
        self._dirty = True

    def _unwait(self, uid: str) -> None:
        self._told.pop(uid, None)
        if self._waiting.pop(uid, None) is not None:
            self._dirty = True

    def _take(self, uid: str, request: Mapping[str, Fraction]) -> None:
        self._taken[uid] = request
        for name, amount in request.items():
            self._free[name] = self._free.get(name, Fraction(0)) - amount

    def _release(self, uid: str) -> None:
        self._unwait(uid)
        for name, amount in self._taken.pop(uid, {}).items():
            self._free[name] += amount
            self._dirty = True

    def _bind(self, pod: dict[str, Any], waiting: Waiting) -> None:
        meta = pod["metadata"]
        try:
            self._storage.bind(meta["namespace"], meta["name"], self._node)
        except ApiError:
            return  # It was deleted or bound by someone else; the watch tells what became of it.
        self._take(waiting.uid, waiting.request)
        self._unwait(waiting.uid)
        self._events.normal(
            pod, "Scheduled", f"Successfully assigned {meta['namespace']}/{meta['name']} to {self._node}"
        )

    def _tell(self, pod: dict[str, Any], reason: str, message: str) -> None:
        meta = pod["metadata"]
        if self._told.get(meta["uid"]) == message:
            return
        self._told[meta["uid"]] = message
        self._events.warning(pod, "FailedScheduling", message)
        condition = {
            "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
            "lastProbeTime": None, "lastTransitionTime": timestamp(datetime.now(timezone.utc)),
        }  # fmt: skip
        try:
            current = self._storage.get("pods", meta["namespace"], meta["name"])
            if current["metadata"]["uid"] != meta["uid"] or current["spec"].get("nodeName"):
                return
            status = current.get("status") or {}
            others = [entry for entry in status.get("conditions") or [] if entry["type"] != "PodScheduled"]
            changed = {**current, "status": {**status, "conditions": [*others, condition]}}
            self._storage.update("pods", meta["namespace"], meta["name"], changed, subresource="status")
        except ApiError:
            return  # Deleted meanwhile.
