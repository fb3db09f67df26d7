"""Resource quotas: how much a namespace may hold, checked when a pod is created."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from limosa_sandbox.cluster.errors import denied
from limosa_sandbox.cluster.kinds import Object
from limosa_sandbox.cluster.quantities import canonical, parse_quantity

if TYPE_CHECKING:
    from limosa_sandbox.cluster.storage import Storage

_ENDED = ("Succeeded", "Failed")


def check_quota(storage: Storage, namespace: str, pod: Object) -> None:
    """Refuse a pod that a quota of its namespace has no room for.

    Raises:
        ApiError: 403, with what was requested, used and limited.
    """
    quotas = list(storage.collection("resourcequotas").records(namespace))
    if not quotas:
        return
    requested = _usage(pod)
    used = used_by(storage, namespace)
    name = pod["metadata"]["name"]
    for quota in quotas:
        hard = (quota.obj.get("spec") or {}).get("hard") or {}
        exceeded, missing = [], []
        for resource, limit in hard.items():
            plain = resource.removeprefix("requests.")
            measure = f"requests.{plain}" if plain in ("cpu", "memory", "ephemeral-storage") else resource
            if measure not in requested:
                if measure.split(".")[-1] in ("cpu", "memory", "ephemeral-storage"):
                    missing.append(resource)
                continue
            if used.get(measure, Decimal(0)) + requested[measure] > parse_quantity(limit):
                exceeded.append((resource, requested[measure], used.get(measure, Decimal(0)), limit))
        title = quota.name
        if missing:
            raise denied("pods", name, f"failed quota: {title}: must specify {','.join(sorted(missing))} for: "
                         f"{','.join(entry['name'] for entry in pod['spec']['containers'])}")  # fmt: skip
        if exceeded:
            raise denied("pods", name, f"exceeded quota: {title}, {_told(exceeded)}")


def used_by(storage: Storage, namespace: str) -> dict[str, Decimal]:
    """Return what the unfinished pods of a namespace use, by quota resource name."""
    total: dict[str, Decimal] = {}
    for record in storage.collection("pods").records(namespace):
        if (record.obj.get("status") or {}).get("phase") in _ENDED:
            continue
        for resource, amount in _usage(record.obj).items():
            total[resource] = total.get(resource, Decimal(0)) + amount
    return total


def _told(exceeded: list[tuple[str, Decimal, Decimal, Any]]) -> str:
    asked = ",".join(f"{name}={canonical(amount)}" for name, amount, _, _ in exceeded)
    used = ",".join(f"{name}={canonical(amount)}" for name, _, amount, _ in exceeded)
    limited = ",".join(f"{name}={limit}" for name, _, _, limit in exceeded)
    return f"requested: {asked}, used: {used}, limited: {limited}"


def _usage(pod: Object) -> dict[str, Decimal]:
    usage = {"pods": Decimal(1), "count/pods": Decimal(1)}
    for container in pod["spec"]["containers"]:
        resources = container.get("resources") or {}
        for side in ("requests", "limits"):
            for name, amount in (resources.get(side) or {}).items():
                key = f"{side}.{name}"
                usage[key] = usage.get(key, Decimal(0)) + parse_quantity(amount)
    return usage
