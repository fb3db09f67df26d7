"""Leases and a clock for tests of leadership and shards."""

import copy
from typing import Any

from limosa_propeller.kube.errors import ApiError


class LeaseServer:
    """Leases, with the resourceVersion check of an API server."""

    def __init__(self) -> None:
        self.leases: dict[str, dict[str, Any]] = {}
        self.new = True
        """Of a new cluster, where each Lease is there and nobody's, as the sandbox makes it."""
        self.down = False

    async def get(self, resource: object, namespace: str, name: str) -> dict[str, Any]:
        self._answer()
        if name not in self.leases and self.new:
            self.leases[name] = {
                "metadata": {"name": name, "resourceVersion": "0"},
                "spec": {"holderIdentity": ""},
            }
        if name not in self.leases:
            raise ApiError(404, "NotFound", "no lease")
        return copy.deepcopy(self.leases[name])

    async def create(self, resource: object, namespace: str, body: dict[str, Any]) -> None:
        self._answer()
        name = body["metadata"]["name"]
        if name in self.leases:
            raise ApiError(409, "AlreadyExists", "taken")
        self.leases[name] = copy.deepcopy(body)
        self.leases[name]["metadata"]["resourceVersion"] = "1"

    async def replace(self, resource: object, namespace: str, name: str, body: dict[str, Any]) -> None:
        self._answer()
        if body["metadata"]["resourceVersion"] != self.leases[name]["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "stale")
        self.leases[name] = copy.deepcopy(body)
        self.leases[name]["metadata"]["resourceVersion"] += "1"

    def _answer(self) -> None:
        if self.down:
            raise ApiError(0, "Unreachable", "no")


class Watch:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time
