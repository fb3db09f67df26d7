"""Kubernetes' strategic merge, for the part of it that pods need."""

from collections.abc import Mapping
from typing import Any

_MERGE_KEYS: Mapping[str, tuple[tuple[str, Any], ...]] = {
    "containers": (("name", None),),
    "initContainers": (("name", None),),
    "volumes": (("name", None),),
    "env": (("name", None),),
    "imagePullSecrets": (("name", None),),
    "volumeMounts": (("mountPath", None),),
    "volumeDevices": (("devicePath", None),),
    "ports": (("containerPort", None), ("protocol", "TCP")),
    "hostAliases": (("ip", None),),
    "topologySpreadConstraints": (("topologyKey", None), ("whenUnsatisfiable", None)),
    # Kubernetes replaces this list; a template that adds a toleration must not lose the platform's own.
    "tolerations": (("key", None), ("operator", "Equal"), ("value", None), ("effect", None)),
}
"""What tells the elements of a list apart: fields, and what stands for one that is left out."""
_DIRECTIVE, _RETAIN, _ORDER = "$patch", "$retainKeys", "$setElementOrder/"


class DirectiveError(Exception):
    """A patch holds a directive that is not understood; the message names it."""


def strategic_merge(base: Any, patch: Any, field: str = "") -> Any:
    """The pod with the patch over it; neither argument is changed.

    Maps merge key by key and null removes; lists with a merge key merge element by element, others are replaced.
    `$patch: delete` removes a map or a list's element, `$patch: replace` replaces a map or list, `$retainKeys` drops a map's
    other fields. `$setElementOrder` is left out, for no list of a pod depends on it.

    Raises:
        DirectiveError: Another directive, or one with a value of its own.
    """
    if isinstance(base, dict) and isinstance(patch, dict):
        return _merge_map(base, patch)
    if isinstance(base, list) and isinstance(patch, list) and field in _MERGE_KEYS:
        return _merge_list(base, patch, _MERGE_KEYS[field])
    return _plain(patch)


def _merge_map(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    directive = _directive(patch)
    if directive == "replace":
        return _plain_map(patch)
    kept = patch.get(_RETAIN)
    merged = dict(base) if kept is None else {key: value for key, value in base.items() if key in kept}
    for key, value in _entries(patch).items():
        if value is None or (isinstance(value, dict) and _directive(value) == "delete"):
            merged.pop(key, None)
        elif key in merged:
            merged[key] = strategic_merge(merged[key], value, key)
        else:
            merged[key] = _plain(value)
    return merged


def _merge_list(base: list[Any], patch: list[Any], keys: tuple[tuple[str, Any], ...]) -> list[Any]:
    if any(isinstance(entry, dict) and _directive(entry) == "replace" for entry in patch):
        return [_plain(entry) for entry in patch if not (isinstance(entry, dict) and _DIRECTIVE in entry)]
    merged: dict[int, Any] = dict(enumerate(base))
    added: list[Any] = []
    for entry in patch:
        if not isinstance(entry, dict):
            added.append(entry)
            continue
        identity = _identity(entry, keys)
        # Only what was there before is looked at: two elements of one patch are two.
        place = next((n for n, old in merged.items() if _identity(old, keys) == identity), None)
        if _directive(entry) == "delete":
            if place is not None:
                del merged[place]
        elif place is None:
            added.append(_plain(entry))
        else:
            merged[place] = _merge_map(merged[place], entry)
    return [*merged.values(), *added]


def _identity(entry: Any, keys: tuple[tuple[str, Any], ...]) -> tuple[Any, ...] | None:
    if not isinstance(entry, dict):
        return None
    return tuple(default if entry.get(key) is None else entry[key] for key, default in keys)


def _directive(patch: dict[str, Any]) -> str:
    found = patch.get(_DIRECTIVE, "merge")
    if found not in ("merge", "replace", "delete"):
        raise DirectiveError(f"$patch: {found!r} is not known; write merge, replace or delete")
    return str(found)


def _entries(patch: dict[str, Any]) -> dict[str, Any]:
    """What a map of the patch says, without its directives."""
    for key in patch:
        if key.startswith("$") and key not in (_DIRECTIVE, _RETAIN) and not key.startswith(_ORDER):
            raise DirectiveError(f"{key} is not known; write $patch or $retainKeys")
    return {key: value for key, value in patch.items() if not key.startswith("$")}


def _plain_map(patch: dict[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) for key, value in _entries(patch).items() if value is not None}


def _plain(value: Any) -> Any:
    """A part of a patch that has nothing below it."""
    if isinstance(value, dict):
        return _plain_map(value)
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value
