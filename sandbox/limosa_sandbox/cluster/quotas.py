"""Resource quotas: how much a namespace may hold, checked when a pod is created."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from limosa_sandbox.cluster.errors import denied
from limosa_sandbox.cluster.kinds import Object
from limosa_sandbox.cluster.quantities import canonical, parse_quantity
from limosa_sandbox.cluster.records import Change, Record

if TYPE_CHECKING:
    from limosa_sandbox.cluster.storage import Storage

_ENDED = ("Succeeded", "Failed")
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_Amounts = dict[str, Decimal]


class Quotas:
    """What the unfinished pods of each namespace use, and the quotas that limit it."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._used: dict[str, _Amounts] = {}
        self._stale: dict[str, None] = {}

    def observe(self, resource: str, change: Change) -> bool:
        """Take note of a change; True when the status of a quota must be brought up to date."""
        namespace = change.record.namespace
        if resource == "pods":
            before = change.previous is not None and _counts(change.previous.obj)
            after = change.type != "DELETED" and _counts(change.record.obj)
            if before is after:
                return False
            total = self._used.setdefault(namespace, {})
            for name, amount in _usage(change.record.obj).items():
                total[name] = total.get(name, Decimal(0)) + (amount if after else -amount)
        elif resource != "resourcequotas" or change.type == "DELETED":
            return False
        if next(self._storage.collection("resourcequotas").records(namespace), None) is not None:
            self._stale[namespace] = None
        return bool(self._stale)

    def work(self) -> None:
        """Write the status of quotas whose namespace changed."""
        stale, self._stale = self._stale, {}
        for namespace in stale:
            used = self._used.get(namespace, {})
            for record in list(self._storage.collection("resourcequotas").records(namespace)):
                hard = (record.obj.get("spec") or {}).get("hard") or {}
                shown = {name: canonical(used.get(_measure(name), Decimal(0))) for name in hard}
                status = {**record.obj, "status": {"hard": hard, "used": shown}}
                self._storage.update("resourcequotas", namespace, record.name, status, subresource="status")

    def check(self, namespace: str, pod: Object) -> None:
        """Refuse a pod that a quota of its namespace has no room for.

        Raises:
            ApiError: 403, with what was requested, used and limited.
        """
        quotas = self._storage.collection("resourcequotas").records(namespace)
        requested: _Amounts | None = None
        for quota in quotas:
            requested = requested or _usage(pod)
            self._check_one(quota, pod, requested, self._used.get(namespace, {}))

    def _check_one(self, quota: Record, pod: Object, requested: _Amounts, used: _Amounts) -> None:
        hard = (quota.obj.get("spec") or {}).get("hard") or {}
        exceeded, missing = [], []
        for resource, limit in sorted(hard.items()):
            measure = _measure(resource)
            taken = used.get(measure, Decimal(0))
            if measure not in requested:
                if measure.partition(".")[2] in _COMPUTE:
                    missing.append(resource)
            elif taken + requested[measure] > parse_quantity(limit):
                exceeded.append((resource, requested[measure], taken, limit))
        name = pod["metadata"]["name"]
        if missing:
            containers = ",".join(entry["name"] for entry in pod["spec"]["containers"])
            raise denied(
                "pods",
                name,
                f"failed quota: {quota.name}: must specify {','.join(missing)} for: {containers}",
            )
        if exceeded:
            raise denied("pods", name, f"exceeded quota: {quota.name}, {_told(exceeded)}")


def _counts(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") not in _ENDED


def _measure(resource: str) -> str:
    """Return the name under which usage is counted: ``cpu`` means ``requests.cpu``."""
    return f"requests.{resource}" if resource in _COMPUTE else resource


def _told(exceeded: list[tuple[str, Decimal, Decimal, str]]) -> str:
    asked = ",".join(f"{name}={canonical(amount)}" for name, amount, _, _ in exceeded)
    used = ",".join(f"{name}={canonical(amount)}" for name, _, amount, _ in exceeded)
    limited = ",".join(f"{name}={limit}" for name, _, _, limit in exceeded)
    return f"requested: {asked}, used: {used}, limited: {limited}"


def _usage(pod: Object) -> _Amounts:
    usage = {"pods": Decimal(1), "count/pods": Decimal(1)}
    for container in pod["spec"]["containers"]:
        resources = container.get("resources") or {}
        for side in ("requests", "limits"):
            for name, amount in (resources.get(side) or {}).items():
                key = f"{side}.{name}"
                usage[key] = usage.get(key, Decimal(0)) + parse_quantity(amount)
    return usage
