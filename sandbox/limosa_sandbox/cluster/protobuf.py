"""Kubernetes' binary encoding of built-in objects, read only: kubectl sends some creates in it and takes JSON back.

Field numbers are data (``builtin_fields.json``, from the published ``generated.proto`` files); a field without a name stands for a
struct whose fields are the parent's own in JSON.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import lru_cache
from importlib import resources
from typing import Any

import orjson

from limosa_sandbox.cluster.builtin import type_of
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Object

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_UNNAMED_TYPES = {
    "DeleteOptions": "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "Eviction": "io.k8s.api.policy.v1.Eviction",
}
_Fields = dict[int, tuple[str, str]]
_Part = tuple[int, "int | bytes"]


class _MalformedError(Exception):
    """The bytes are not what they claim to be."""


def decode_message(body: bytes) -> Object:
    """Return the object of a protobuf body.

    Raises:
        ApiError: 400 when the body cannot be read, 415 when its kind has no known encoding.
    """
    if not body.startswith(_MAGIC):
        raise ApiError(400, "the request body does not start as Kubernetes protobuf does")
    try:
        envelope = dict(_parts(body[len(_MAGIC) :]))
        names = dict(_parts(_bytes(envelope.get(1, b""))))
        version, kind = _bytes(names.get(1, b"")).decode(), _bytes(names.get(2, b"")).decode()
        name = _type_name(version, kind)
        if name is None:
            raise ApiError(415, f"the sandbox reads {version} {kind} as JSON only; send application/json")
        return {"apiVersion": version, "kind": kind, **_message(_bytes(envelope.get(2, b"")), name)}
    except (_MalformedError, UnicodeDecodeError) as error:
        raise ApiError(400, f"the request body is not valid protobuf: {error}") from None


def _type_name(version: str, kind: str) -> str | None:
    group, _, plain = version.rpartition("/")
    name = _UNNAMED_TYPES.get(kind) or type_of(group, plain, kind)
    return name if name in _fields() else None


@lru_cache(maxsize=1)
def _fields() -> dict[str, _Fields]:
    data = orjson.loads(resources.files(__package__).joinpath("builtin_fields.json").read_bytes())
    return {
        name: {int(number): (field[0], field[1]) for number, field in fields.items()}
        for name, fields in data.items()
    }


def _parts(data: bytes) -> Iterator[_Part]:
    """Yield each field number with its number or bytes."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        wire = tag & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield tag >> 3, value
            continue
        if wire == 2:
            size, position = _varint(data, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise _MalformedError(f"unknown wire type {wire}")
        if position + size > len(data):
            raise _MalformedError("it ends too early")
        yield tag >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise _MalformedError("a number does not end")
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7


def _message(data: bytes, name: str) -> Object:
    result: Object = {}
    fields = _fields()[name]
    for number, part in _parts(data):
        if number not in fields:
            continue
        field, type_ = fields[number]
        if type_.startswith("[]"):
            result.setdefault(field, []).append(_value(part, type_[2:]))
        elif type_.startswith("{}"):
            entry = dict(_parts(_bytes(part)))
            key = _bytes(entry.get(1, b"")).decode()
            result.setdefault(field, {})[key] = _value(entry.get(2, b""), type_[2:])
        else:
            value = _value(part, type_)
            if not field:
                result.update(value)
            elif value not in ("", None):
                # An absent text and an empty one look alike in this encoding; JSON leaves both out.
                result[field] = value
    return result


def _value(part: int | bytes, type_: str) -> Any:
    if type_ == "bool":
        return bool(_int(part))
    if type_ in ("int32", "int64"):
        number = _int(part)
        return number - (1 << 64) if number >> 63 else number
    if type_ == "string":
        return _bytes(part).decode()
    if type_ == "bytes":
        return base64.b64encode(_bytes(part)).decode()
    if type_ == "quantity":
        return _bytes(dict(_parts(_bytes(part))).get(1, b"")).decode()
    if type_ in ("time", "microtime"):
        return _time(_bytes(part), micro=type_ == "microtime")
    if type_ == "intorstring":
        fields = dict(_parts(_bytes(part)))
        return _bytes(fields.get(3, b"")).decode() if fields.get(1) else _value(fields.get(2, 0), "int64")
    return _message(_bytes(part), type_)


def _time(data: bytes, micro: bool) -> str | None:
    fields = dict(_parts(data))
    seconds, nanos = _value(fields.get(1, 0), "int64"), _int(fields.get(2, 0))
    if not seconds and not nanos:
        return None
    text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{nanos // 1000:06d}Z" if micro else f"{text}Z"


def _int(part: int | bytes) -> int:
    if isinstance(part, bytes):
        raise _MalformedError("a number was expected")
    return part


def _bytes(part: int | bytes) -> bytes:
    if isinstance(part, int):
        raise _MalformedError("bytes were expected")
    return part
