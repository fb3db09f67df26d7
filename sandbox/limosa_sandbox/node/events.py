"""Events: what ``kubectl describe`` and ``kubectl get events`` tell about pods."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from datetime import datetime, timezone
from typing import Any

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.metadata import timestamp
from limosa_sandbox.cluster.storage import Storage

_KEPT = 2000


class EventRecorder:
    """Writes events of one component; equal ones are counted in one object, and only the newest are kept.

    Args:
        storage: Where they go.
        component: Who tells them, such as ``kubelet``.
        node: Name of the node.
        lifecycle: Whether those of the happy path are written.
    """

    def __init__(self, storage: Storage, component: str, node: str, lifecycle: bool) -> None:
        self._storage = storage
        self._component = component
        self._node = node
        self._lifecycle = lifecycle
        self._known: OrderedDict[tuple[str, str, str], tuple[str, str]] = OrderedDict()

    def normal(self, pod: dict[str, Any], reason: str, message: str) -> None:
        """Tell a step of the happy path, if these are wanted."""
        if self._lifecycle:
            self._record(pod, "Normal", reason, message)

    def notable(self, pod: dict[str, Any], reason: str, message: str) -> None:
        """Tell a step that is not trouble and yet always worth telling."""
        self._record(pod, "Normal", reason, message)

    def warning(self, pod: dict[str, Any], reason: str, message: str) -> None:
        """Tell of trouble."""
        self._record(pod, "Warning", reason, message)

    def _record(self, pod: dict[str, Any], kind: str, reason: str, message: str) -> None:
        meta = pod["metadata"]
        key = (meta["uid"], reason, message)
        now = timestamp(datetime.now(timezone.utc))
        try:
            if key in self._known and self._count(*self._known[key], now):
                self._known.move_to_end(key)
                return
            name = f"{meta['name']}.{secrets.token_hex(8)}"
            self._storage.create(
                "events", meta["namespace"], self._event(pod, name, kind, reason, message, now)
            )
        except ApiError:
            # Events are a courtesy: a namespace that is going away refuses them, and the pod's status says it all.
            return
        self._known[key] = (meta["namespace"], name)
        if len(self._known) > _KEPT:
            self._forget(*self._known.popitem(last=False)[1])

    def _event(
        self, pod: dict[str, Any], name: str, kind: str, reason: str, message: str, now: str
    ) -> dict[str, Any]:
        meta = pod["metadata"]
        return {
            "metadata": {"name": name},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"],
            },
            "type": kind, "reason": reason, "message": message, "count": 1, "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": self._component, "host": self._node},
            "reportingComponent": self._component, "reportingInstance": self._node,
        }  # fmt: skip

    def _count(self, namespace: str, name: str, now: str) -> bool:
        try:
            event = self._storage.get("events", namespace, name)
        except ApiError:
            return False
        patch = {"count": int(event.get("count") or 1) + 1, "lastTimestamp": now}
        self._storage.patch("events", namespace, name, patch)
        return True

    def _forget(self, namespace: str, name: str) -> None:
        try:
            self._storage.delete("events", namespace, name)
        except ApiError:
            return  # Somebody deleted it first.
