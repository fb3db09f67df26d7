"""Patches: JSON merge patch (RFC 7386), JSON patch (RFC 6902) and Kubernetes' strategic merge patch.

A patch never changes the object it is applied to; untouched parts are shared.
"""

from __future__ import annotations

import copy
from typing import Any

from limosa_sandbox.cluster.builtin import schema_of
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Kind, Object
from limosa_sandbox.cluster.structural import Schema


def apply(obj: Object, patch: Any, how: str, kind: Kind) -> Object:
    """Return the patched object.

    Args:
        obj: The current object.
        patch: The decoded patch.
        how: ``merge``, ``json`` or ``strategic``.
        kind: What the object is; strategic merges follow its schema.

    Raises:
        ApiError: 400 when the patch is malformed, 415 for a strategic patch of a custom resource, 422 when it does not apply.
    """
    if how == "json":
        patched = _json_patch(obj, patch)
    elif not isinstance(patch, dict):
        raise ApiError(400, "the patch must be a JSON object")
    elif how == "merge":
        patched = merged(obj, patch)
    elif how == "strategic":
        schema = schema_of(kind)
        if schema is None:
            raise ApiError(
                415, "the body of the request was in an unknown format - accepted media types include: "
                "application/json-patch+json, application/merge-patch+json",
            )  # fmt: skip
        patched = _strategic(obj, patch, schema)
    else:
        raise ApiError(415, f"unknown kind of patch: {how}")
    if not isinstance(patched, dict) or not isinstance(patched.get("metadata", {}), dict):
        raise ApiError(422, "the patched object is not an object with metadata")
    return patched


def merged(target: Any, patch: Any) -> Any:
    """Return ``target`` with a JSON merge patch applied."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


# -- JSON patch ---------------------------------------------------------------------------------------------------


def _json_patch(obj: Object, operations: Any) -> Any:
    if not isinstance(operations, list):
        raise ApiError(400, "a JSON patch must be a list of operations")
    document: Any = copy.deepcopy(obj)
    for operation in operations:
        if not isinstance(operation, dict) or "op" not in operation or "path" not in operation:
            raise ApiError(400, "each operation of a JSON patch needs op and path")
        document = _operate(document, operation)
    return document


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    op, path = operation["op"], _pointer(operation["path"])
    if op in ("add", "replace", "test") and "value" not in operation:
        raise ApiError(400, f"JSON patch: {op} needs a value")
    if op == "test":
        if _lookup(document, path) != operation["value"]:
            raise ApiError(
                422,
                f"the server rejected our request due to an error in our request: testing value {operation['path']} failed",
            )
        return document
    if op == "add":
        return _insert(document, path, operation["value"])
    if op == "replace":
        _lookup(document, path)
        return _insert(_remove(document, path), path, operation["value"])
    if op == "remove":
        return _remove(document, path)
    if op in ("move", "copy"):
        source = _pointer(operation.get("from", ""))
        value = copy.deepcopy(_lookup(document, source))
        return _insert(_remove(document, source) if op == "move" else document, path, value)
    raise ApiError(400, f"JSON patch: unknown operation {op!r}")


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise ApiError(400, f"JSON patch: {text!r} is not a JSON pointer")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _lookup(document: Any, path: list[str]) -> Any:
    for part in path:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            raise _absent(path)
    return document


def _insert(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _lookup(document, path[:-1]), path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and last == "-":
        parent.append(value)
    elif isinstance(parent, list) and last.isdigit() and int(last) <= len(parent):
        parent.insert(int(last), value)
    else:
        raise _absent(path)
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    parent, last = _lookup(document, path[:-1]), path[-1]
    _lookup(parent, [last])
    if isinstance(parent, dict):
        del parent[last]
    else:
        del parent[int(last)]
    return document


def _absent(path: list[str]) -> ApiError:
    return ApiError(
        422,
        f"the server rejected our request due to an error in our request: JSON patch: /{'/'.join(path)} does not exist",
    )


# -- strategic merge patch ----------------------------------------------------------------------------------------


def _strategic(target: Any, patch: dict[str, Any], schema: Schema | None) -> Any:
    result = dict(target) if isinstance(target, dict) else {}
    directive = patch.get("$patch")
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    if directive == "delete":
        return {}
    retained = patch.get("$retainKeys")
    if retained is not None:
        result = {name: value for name, value in result.items() if name in retained}
    for name, value in patch.items():
        if name in ("$patch", "$retainKeys") or name.startswith("$setElementOrder/"):
            continue
        if name.startswith("$deleteFromPrimitiveList/"):
            field = name.partition("/")[2]
            result[field] = [entry for entry in result.get(field) or [] if entry not in value]
            continue
        child = schema.target.properties.get(name) or schema.target.additional if schema else None
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = _strategic(result.get(name), value, child)
        elif isinstance(value, list):
            order = patch.get(f"$setElementOrder/{name}")
            result[name] = _strategic_list(result.get(name) or [], value, child, order)
        else:
            result[name] = value
    for name, order in patch.items():
        field = name.partition("/")[2]
        if name.startswith("$setElementOrder/") and field not in patch and field in result:
            child = schema.target.properties.get(field) if schema else None
            result[field] = _ordered(
                result[field], order, child.raw.get("x-kubernetes-patch-merge-key") if child else None
            )
    return result


def _strategic_list(
    target: list[Any], patch: list[Any], schema: Schema | None, order: list[Any] | None
) -> list[Any]:
    raw = schema.raw if schema else {}
    strategy = raw.get("x-kubernetes-patch-strategy", "")
    if "merge" not in strategy.split(","):
        return [entry for entry in patch if not (isinstance(entry, dict) and "$patch" in entry)]
    key = raw.get("x-kubernetes-patch-merge-key")
    if key is None:
        return _ordered(target + [entry for entry in patch if entry not in target], order, None)
    if any(isinstance(entry, dict) and entry.get("$patch") == "replace" for entry in patch):
        return [entry for entry in patch if entry.get("$patch") != "replace"]
    result = list(target)
    for entry in patch:
        if not isinstance(entry, dict) or key not in entry:
            raise ApiError(400, f"map: {entry} does not contain declared merge key: {key}")
        place = next((index for index, old in enumerate(result) if old.get(key) == entry[key]), None)
        if entry.get("$patch") == "delete":
            if place is not None:
                del result[place]
        elif place is None:
            result.append(_strategic({}, entry, schema.items if schema else None))
        else:
            result[place] = _strategic(result[place], entry, schema.items if schema else None)
    return _ordered(result, order, key)


def _ordered(entries: list[Any], order: list[Any] | None, key: str | None) -> list[Any]:
    if not order:
        return entries
    wanted = [entry.get(key) if key and isinstance(entry, dict) else entry for entry in order]

    def place(entry: Any) -> int:
        identity = entry.get(key) if key else entry
        return wanted.index(identity) if identity in wanted else -1

    known = iter(sorted((entry for entry in entries if place(entry) >= 0), key=place))
    return [next(known) if place(entry) >= 0 else entry for entry in entries]
