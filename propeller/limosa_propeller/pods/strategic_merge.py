"""Kubernetes' strategic merge, for the part of it that pods need."""

from typing import Any

_MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    # Kubernetes replaces this list; a template that adds a toleration must not lose the platform's own.
    "tolerations": ("key", "effect"),
}


def strategic_merge(base: Any, patch: Any, field: str = "") -> Any:
    """The pod with the patch over it; neither argument is changed.

    Maps merge key by key and null removes; lists with a merge key merge element by element, others are replaced;
    `$patch: delete` removes a list's element and `$patch: replace` replaces a map or list.
    """
    if isinstance(base, dict) and isinstance(patch, dict):
        return _merge_map(base, patch)
    if isinstance(base, list) and isinstance(patch, list) and field in _MERGE_KEYS:
        return _merge_list(base, patch, _MERGE_KEYS[field])
    return _without_directives(patch)


def _merge_map(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged = dict(base)
    for key, value in patch.items():
        if key == "$patch":
            continue
        if value is None:
            merged.pop(key, None)
        elif key in merged:
            merged[key] = strategic_merge(merged[key], value, key)
        else:
            merged[key] = _without_directives(value)
    return merged


def _merge_list(base: list[Any], patch: list[Any], keys: tuple[str, ...]) -> list[Any]:
    if any(isinstance(entry, dict) and entry.get("$patch") == "replace" for entry in patch):
        return [entry for entry in patch if not (isinstance(entry, dict) and "$patch" in entry)]
    merged = list(base)
    for entry in patch:
        if not isinstance(entry, dict):
            merged.append(entry)
            continue
        identity = tuple(entry.get(key) for key in keys)
        place = next(
            (
                n
                for n, old in enumerate(merged)
                if isinstance(old, dict) and tuple(map(old.get, keys)) == identity
            ),
            None,
        )
        if entry.get("$patch") == "delete":
            if place is not None:
                del merged[place]
        elif place is None:
            merged.append(_without_directives(entry))
        else:
            merged[place] = _merge_map(merged[place], entry)
    return merged


def _without_directives(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_directives(entry)
            for key, entry in value.items()
            if key != "$patch" and entry is not None
        }
    if isinstance(value, list):
        return [_without_directives(entry) for entry in value]
    return value
