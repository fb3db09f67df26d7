"""Disk: what pods have written, and their limits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from limosa_model.quantity import parse_quantity
from limosa_sandbox.node.resources import STORAGE, limit, printed


def storage_limit(spec: Mapping[str, Any]) -> Fraction | None:
    """Return bytes that a pod's containers may write together; None when one of them has no limit."""
    limits = [limit(container, STORAGE) for container in spec["containers"]]
    known = [value for value in limits if value is not None]
    return sum(known, Fraction(0)) if len(known) == len(limits) else None


def volume_limits(spec: Mapping[str, Any]) -> dict[str, Fraction]:
    """Return the size limits of a pod's ``emptyDir`` volumes that have one."""
    sizes = {
        volume["name"]: (volume.get("emptyDir") or {}).get("sizeLimit")
        for volume in spec.get("volumes") or ()
    }
    return {name: parse_quantity(str(size)) for name, size in sizes.items() if size}


def excess(directory: Path, total: Fraction | None, volumes: Mapping[str, Fraction]) -> str:
    """Return why a pod has written too much, in the kubelet's words; empty when it has not."""
    for name, size in volumes.items():
        if used(directory / "volumes" / name) > size:
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{printed(STORAGE, size)}". '
    if total is not None and used(directory) > total:
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {printed(STORAGE, total)}. "
    return ""


def used(directory: Path) -> int:
    """Return bytes that the files below a folder occupy."""
    total = 0
    for folder, _, files in os.walk(directory):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue  # It went away while we looked.
    return total
