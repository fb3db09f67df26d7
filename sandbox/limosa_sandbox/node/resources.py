"""Amounts of resources: what a pod asks for, what the node has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from limosa_model.quantity import parse_quantity

GPU = "nvidia.com/gpu"
CPU = "cpu"
MEMORY = "memory"
STORAGE = "ephemeral-storage"
PODS = "pods"

Amounts = Mapping[str, Fraction]
"""By resource name: cores for CPU, bytes for memory and storage, pieces for the rest."""


def amounts(quantities: Mapping[str, Any] | None) -> dict[str, Fraction]:
    """Return quantities as a specification has them (``{"cpu": "500m"}``) as amounts."""
    return {name: parse_quantity(str(value)) for name, value in (quantities or {}).items()}


def requests(container: Mapping[str, Any]) -> dict[str, Fraction]:
    """Return what a container asks for; a limit without a request is one."""
    resources = container.get("resources") or {}
    return {**amounts(resources.get("limits")), **amounts(resources.get("requests"))}


def limit(container: Mapping[str, Any], resource: str) -> Fraction | None:
    """Return a container's limit of one resource, None where it has none."""
    value = ((container.get("resources") or {}).get("limits") or {}).get(resource)
    return None if value is None else parse_quantity(str(value))


def total(parts: Iterable[Amounts]) -> dict[str, Fraction]:
    """Return the sum."""
    result: dict[str, Fraction] = {}
    for part in parts:
        for name, amount in part.items():
            result[name] = result.get(name, Fraction(0)) + amount
    return result


def pod_request(spec: Mapping[str, Any]) -> dict[str, Fraction]:
    """Return what a pod takes from its node.

    As in Kubernetes: its containers and sidecars together, or an init container beside the sidecars before it if that is more.
    """
    sidecars: list[Amounts] = []
    peaks: list[Amounts] = []
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            sidecars.append(requests(container))
        else:
            peaks.append(total([*sidecars, requests(container)]))
    peaks.append(total([*sidecars, *(requests(container) for container in spec["containers"])]))
    taken: dict[str, Fraction] = {}
    for peak in peaks:
        for name, amount in peak.items():
            taken[name] = max(taken.get(name, Fraction(0)), amount)
    result = total([taken, amounts(spec.get("overhead"))])
    result[PODS] = Fraction(1)
    return result


def printed(name: str, amount: Fraction) -> str:
    """Return an amount for people: ``2``, ``500m``, ``1.5Gi``."""
    if name in (MEMORY, STORAGE):
        for power, suffix in ((4, "Ti"), (3, "Gi"), (2, "Mi"), (1, "Ki")):
            if amount >= 1024**power:
                return f"{float(amount / 1024**power):.4g}{suffix}"
    if amount.denominator == 1:
        return str(amount.numerator)
    return f"{round(amount * 1000)}m"
