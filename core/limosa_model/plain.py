"""Plain data (JSON, YAML, a command line) into literals, by type."""

import base64
import binascii
import datetime as dt
import math
import re
from typing import Any

from limosa_idl.core.v1alpha1 import literal_pb2, types_pb2
from limosa_model import values
from limosa_model.types import describe

_DURATION = re.compile(
    r"(?P<sign>-)?(?:(?P<d>\d+)d)?(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?"
)
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Floats that JSON has no numbers for, as our own JSON writes them."""
_FORMS = {
    types_pb2.SIMPLE_TYPE_DURATION: "10m, 90s, 1h30m, or seconds",
    types_pb2.SIMPLE_TYPE_DATETIME: "2024-05-01T10:00:00Z",
    types_pb2.SIMPLE_TYPE_DATE: "2024-05-01",
    types_pb2.SIMPLE_TYPE_BYTES: "aGVsbG8=, which is base64",
}
_MOST_SHOWN = 80
"""Characters of a wrong value in a message."""


class PlainError(ValueError):
    """Plain data does not fit a type; the message names the place within the data."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place.lstrip('.')}: {problem}" if place else problem)
        self.place = place
        self.problem = problem


def from_plain(data: Any, type_: types_pb2.LiteralType, place: str = "") -> literal_pb2.Literal:
    """The literal that plain data stands for.

    Args:
        data: What a JSON or YAML parser gives. Files, directories and datasets are a URI, or an object with "uri"; floats
            that are not finite may be the strings "NaN", "Infinity" and "-Infinity".
        type_: The type expected.
        place: Where the data stands, for messages.

    Raises:
        PlainError: It does not fit.
    """
    kind = type_.WhichOneof("kind")
    if kind == "simple":
        return _simple(data, type_, place)
    if kind == "union_type":
        return _union(data, type_, place)
    if kind == "collection":
        items = _expect(data, list, type_, place)
        return values.collection(
            [from_plain(x, type_.collection, f"{place}[{i}]") for i, x in enumerate(items)]
        )
    if kind == "map_value":
        entries = _expect(data, dict, type_, place)
        converted = {
            str(key): from_plain(x, type_.map_value, f"{place}[{key!r}]") for key, x in entries.items()
        }
        return values.literal_map(converted)
    if kind == "record":
        return _record(_expect(data, dict, type_, place), type_.record, place)
    if kind == "enum_type":
        if data not in type_.enum_type.values:
            raise PlainError(place, f"{data!r} is not one of {', '.join(type_.enum_type.values)}")
        return literal_pb2.Literal(enum_value=data)
    return _reference(data, type_, place)


def parse_duration(text: str) -> dt.timedelta:
    """Reads "90s", "10m", "1h30m", "-2d" or plain seconds ("1.5"); raises ValueError, or OverflowError where it is too long."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match[unit] for unit in "dhms"):
        return dt.timedelta(seconds=float(text))
    amounts = {unit: float(match[unit] or 0) for unit in "dhms"}
    total = dt.timedelta(days=amounts["d"], hours=amounts["h"], minutes=amounts["m"], seconds=amounts["s"])
    return -total if match["sign"] else total


def parse_datetime(text: str) -> dt.datetime:
    """Reads ISO 8601, with "Z" or an offset or neither; raises ValueError."""
    return dt.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text)


def _mismatch(data: Any, type_: types_pb2.LiteralType) -> str:
    if type_.simple in _FORMS:
        return f"expected {describe(type_)}, such as {_FORMS[type_.simple]}; got {_shown(data)}"
    return f"expected {describe(type_)}, got {type(data).__name__} {_shown(data)}"


def _shown(data: Any) -> str:
    """What fits into a sentence; a file of values may be large, and newer Pythons read any depth of it."""
    text = repr(data)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def _expect(data: Any, kind: type, type_: types_pb2.LiteralType, place: str) -> Any:
    if not isinstance(data, kind):
        raise PlainError(place, _mismatch(data, type_))
    return data


def _simple(data: Any, type_: types_pb2.LiteralType, place: str) -> literal_pb2.Literal:
    simple = type_.simple
    is_int = isinstance(data, int) and not isinstance(data, bool)
    try:
        if simple == types_pb2.SIMPLE_TYPE_NONE and data is None:
            return values.none()
        if simple == types_pb2.SIMPLE_TYPE_BOOLEAN and isinstance(data, bool):
            return values.boolean(data)
        if simple == types_pb2.SIMPLE_TYPE_INTEGER and is_int:
            return values.integer(data)
        if simple == types_pb2.SIMPLE_TYPE_FLOAT and (is_int or isinstance(data, float)):
            return values.float_(float(data))
        if simple == types_pb2.SIMPLE_TYPE_FLOAT and isinstance(data, str) and data in _NOT_FINITE:
            return values.float_(_NOT_FINITE[data])
        if simple == types_pb2.SIMPLE_TYPE_STRING and isinstance(data, str):
            return values.string(data)
        if simple == types_pb2.SIMPLE_TYPE_STRUCT and isinstance(data, dict):
            return values.struct(data)
        if simple == types_pb2.SIMPLE_TYPE_JSON:
            return values.struct(data)
        if simple == types_pb2.SIMPLE_TYPE_BYTES and isinstance(data, str):
            return values.bytes_(base64.b64decode(data, validate=True))
        if simple == types_pb2.SIMPLE_TYPE_DATE and isinstance(data, (str, dt.date)):
            return values.date(_day(data))
        if simple == types_pb2.SIMPLE_TYPE_DATETIME and isinstance(data, (str, dt.datetime)):
            return values.datetime_(data if isinstance(data, dt.datetime) else parse_datetime(data))
        if simple == types_pb2.SIMPLE_TYPE_DURATION and (is_int or isinstance(data, (float, str))):
            return values.duration(parse_duration(str(data)))
    except (ValueError, OverflowError, binascii.Error) as error:
        detail = "" if simple in _FORMS else f": {error}"
        raise PlainError(place, _mismatch(data, type_) + detail) from error
    raise PlainError(place, _mismatch(data, type_))


def _day(data: "str | dt.date") -> dt.date:
    if isinstance(data, dt.datetime):
        raise ValueError("it has a time")
    return data if isinstance(data, dt.date) else dt.date.fromisoformat(data)


def _union(data: Any, type_: types_pb2.LiteralType, place: str) -> literal_pb2.Literal:
    for variant in type_.union_type.variants:
        try:
            value = from_plain(data, variant.type, place)
        except PlainError:
            continue
        return literal_pb2.Literal(union_value=literal_pb2.UnionValue(tag=variant.tag, value=value))
    raise PlainError(place, _mismatch(data, type_))


def _record(data: dict[str, Any], record: types_pb2.RecordType, place: str) -> literal_pb2.Literal:
    fields = {}
    known = {field.name: field for field in record.fields}
    for name in data:
        if name not in known:
            raise PlainError(place, f"{record.name} has no field '{name}'; it has {', '.join(known)}")
    for name, field in known.items():
        if name in data:
            fields[name] = from_plain(data[name], field.type, f"{place}.{name}")
        elif field.optional:
            continue
        elif not field.HasField("default_value"):
            raise PlainError(place, f"{record.name} needs its field '{name}' ({describe(field.type)})")
        else:
            fields[name] = field.default_value
    return values.record(fields)


def _reference(data: Any, type_: types_pb2.LiteralType, place: str) -> literal_pb2.Literal:
    uri = data.get("uri") if isinstance(data, dict) else data
    if not isinstance(uri, str) or "://" not in uri:
        raise PlainError(place, f"expected the URI of a {describe(type_)}, got {_shown(data)}")
    if type_.WhichOneof("kind") == "structured_dataset":
        name = type_.structured_dataset.format or "parquet"
        return literal_pb2.Literal(structured_dataset=literal_pb2.StructuredDataset(uri=uri, format=name))
    multipart = type_.blob.dimensionality == types_pb2.BlobType.DIMENSIONALITY_MULTIPART
    return literal_pb2.Literal(
        blob=literal_pb2.Blob(uri=uri.rstrip("/"), format=type_.blob.format, multipart=multipart)
    )
