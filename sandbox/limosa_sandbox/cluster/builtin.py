"""Schemas of the built-in kinds, as Kubernetes 1.34 publishes them (descriptions left out)."""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from importlib import resources
from typing import Any

import orjson

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Kind, Object
from limosa_sandbox.cluster.quantities import parse_quantity
from limosa_sandbox.cluster.structural import Schema, type_name

_MICRO_TIME = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
_MICRO_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$")


@lru_cache(maxsize=1)
def documents() -> dict[str, dict[str, Any]]:
    """Return the published schema of every type, by its full name."""
    data = resources.files(__package__).joinpath("builtin_schemas.json").read_bytes()
    loaded: dict[str, dict[str, Any]] = orjson.loads(data)
    return loaded


@lru_cache(maxsize=1)
def _schemas() -> dict[str, Schema]:
    schemas: dict[str, Schema] = {}
    for name, raw in documents().items():
        schemas[name] = Schema(raw, schemas)
    return schemas


@lru_cache(maxsize=1)
def _names() -> dict[tuple[str, str, str], str]:
    return {
        (gvk["group"], gvk["version"], gvk["kind"]): name
        for name, raw in documents().items()
        for gvk in raw.get("x-kubernetes-group-version-kind") or ()
        if not name.startswith("io.k8s.apimachinery") or gvk["group"] == ""
    }


def type_of(group: str, version: str, kind: str) -> str | None:
    """Return the full name of the type that describes a kind, None for kinds that are not built in."""
    return _names().get((group, version, kind))


def schema_of(kind: Kind) -> Schema | None:
    """Return the schema of a built-in kind in its stored version."""
    return named_schema(kind.group, kind.version, kind.kind)


def named_schema(group: str, version: str, kind: str) -> Schema | None:
    """Return the schema of a built-in kind by its group, version and name."""
    name = type_of(group, version, kind)
    return _schemas()[name] if name else None


def object_meta() -> Schema:
    """Return the schema of every object's ``metadata``."""
    return _schemas()["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]


def decode(schema: Schema, obj: Object) -> Object:
    """Return an object as a typed decoder reads it: unknown fields and nulls dropped, amounts as text.

    Raises:
        ApiError: 400 when a field has the wrong JSON type.
    """
    decoded: Object = _decode(schema, obj, "")
    return decoded


def _decode(schema: Schema, value: Any, path: str) -> Any:
    target = schema.target
    type_ = target.type
    if type_ is None:
        return _amount(value, path) if _is_quantity(target) else value
    if type_ == "object":
        if not isinstance(value, dict):
            raise _mismatch(value, path, type_)
        return _decode_map(target, value, path)
    if type_ == "array":
        if not isinstance(value, list):
            raise _mismatch(value, path, type_)
        items = target.items
        return [_decode(items, entry, path) for entry in value] if items is not None else value
    if type_ == "string":
        return _text(target, value, path)
    if type_ == "boolean" and not isinstance(value, bool):
        raise _mismatch(value, path, type_)
    if type_ == "integer" and (isinstance(value, (bool, float, str)) or not isinstance(value, int)):
        raise _mismatch(value, path, type_)
    return value


def _decode_map(schema: Schema, value: dict[str, Any], path: str) -> dict[str, Any]:
    properties, additional = schema.properties, schema.additional
    if not properties and additional is None:
        return value
    result: dict[str, Any] = {}
    for name, entry in value.items():
        child = properties.get(name) or additional
        if child is not None and entry is not None:
            result[name] = _decode(child, entry, f"{path}.{name}" if path else name)
    return result


def _is_quantity(schema: Schema) -> bool:
    return {"type": "number"} in (schema.raw.get("oneOf") or ())


def _amount(value: Any, path: str) -> str:
    """Return a quantity as text, which is how it is kept even when it was written as a number."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _mismatch(value, path, "string")
    try:
        parse_quantity(value)
    except ValueError as error:
        raise ApiError(400, f"unable to parse quantity's suffix: {path}: {error}") from None
    return str(value)


def _text(schema: Schema, value: Any, path: str) -> Any:
    format_ = schema.raw.get("format")
    if format_ == "int-or-string":
        return value
    if not isinstance(value, str):
        raise _mismatch(value, path, "string")
    if format_ == "byte":
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise ApiError(400, f"illegal base64 data in field {path}") from None
    elif format_ == "date-time":
        micro = schema is _schemas()[_MICRO_TIME]
        if not (_MICRO_STAMP if micro else _STAMP).match(value):
            layout = "2006-01-02T15:04:05.000000Z07:00" if micro else "2006-01-02T15:04:05Z07:00"
            raise ApiError(400, f'parsing time "{value}" as "{layout}": cannot parse field {path}')
    return value


def _mismatch(value: Any, path: str, expected: str) -> ApiError:
    return ApiError(400, f"json: cannot unmarshal {type_name(value)} into field {path} of type {expected}")
