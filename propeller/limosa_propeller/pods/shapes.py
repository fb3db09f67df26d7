"""What the cluster's owner adds to pods by what they ask for: node classes, capacity that can be taken away, priorities.

A shape is a strategic-merge patch over a pod's `spec`. It comes from the operator's own settings, so no policy judges it.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limosa_propeller.pods.strategic_merge import strategic_merge

_KEYS = ("accelerators", "gpu", "interruptible", "onDemand", "priorityClasses")


class ShapesError(ValueError):
    """The shapes cannot be used; the message names the key."""


@dataclasses.dataclass(frozen=True)
class Shapes:
    """Patches over pod specs by what a launch asks for. None: the platform's default for that."""

    accelerators: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    """By device class, as tasks name it."""
    gpu: Mapping[str, Any] | None = None
    """Of pods with devices."""
    interruptible: Mapping[str, Any] | None = None
    """Of launches that may run on capacity that can be taken away."""
    on_demand: Mapping[str, Any] | None = None
    """Of all other launches."""
    priority_classes: tuple[tuple[int, str], ...] = ()
    """(least task priority, priorityClassName), ascending; the last one that a task reaches counts."""

    def priority_class(self, priority: int) -> str:
        """Name of the class for a task's priority; empty: the cluster's default."""
        return next((name for least, name in reversed(self.priority_classes) if priority >= least), "")


def parse_shapes(text: str) -> Shapes:
    """Reads JSON, or the file that an absolute path names; empty text: no shapes. Raises ShapesError."""
    if not text.strip():
        return Shapes()
    try:
        given = json.loads(Path(text.strip()).read_text() if text.strip().startswith("/") else text)
    except (OSError, ValueError) as error:
        raise ShapesError(f"neither JSON nor a readable file: {error}") from error
    if not isinstance(given, dict) or set(given) - set(_KEYS):
        unknown = ", ".join(sorted(set(given) - set(_KEYS))) if isinstance(given, dict) else "no object"
        raise ShapesError(f"{unknown}: the keys are {', '.join(_KEYS)}")
    accelerators = _objects("accelerators", given.get("accelerators") or {})
    for name, patch in accelerators.items():
        _object(f"accelerators.{name}", patch)
    return Shapes(
        accelerators=accelerators,
        gpu=_object("gpu", given.get("gpu")),
        interruptible=_object("interruptible", given.get("interruptible")),
        on_demand=_object("onDemand", given.get("onDemand")),
        priority_classes=_classes(_objects("priorityClasses", given.get("priorityClasses") or {})),
    )


def shaped(spec: dict[str, Any], patches: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The pod spec with the patches over it, in their order."""
    for patch in patches:
        spec = strategic_merge(spec, patch)
    return spec


def _object(key: str, value: Any) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise ShapesError(f"{key} is {value!r}; it must be an object with fields of a pod's spec")
    return value


def _objects(key: str, value: Any) -> dict[str, Any]:
    found = _object(key, value)
    return found if found is not None else {}


def _classes(given: dict[str, Any]) -> tuple[tuple[int, str], ...]:
    try:
        return tuple(sorted((int(least), str(name)) for least, name in given.items()))
    except ValueError as error:
        raise ShapesError(f'priorityClasses: write {{"10": "high", "0": "usual"}}: {error}') from error
