"""Literals: making them, and showing them as plain data."""

import base64
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_idl.core.v1alpha1 import literal_pb2 as pb

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
# The message is called None, which Python reserves.
_None = getattr(pb, "None")
_T = TypeVar("_T")
_EPOCH = dt.datetime(1970, 1, 1)
_FIRST_DAY = dt.date(1970, 1, 1)
_MICROSECOND = dt.timedelta(microseconds=1)


def integer(value: int) -> pb.Literal:
    """An integer literal; ValueError beyond 64 bits."""
    if not INT64_MIN <= value <= INT64_MAX:
        raise ValueError(f"{value} does not fit a signed 64-bit integer; pass it as str")
    return pb.Literal(primitive=pb.Primitive(integer=value))


def float_(value: float) -> pb.Literal:
    """A float literal."""
    return pb.Literal(primitive=pb.Primitive(float_value=value))


def string(value: str) -> pb.Literal:
    """A string literal; ValueError when the text cannot be UTF-8 (lone surrogates)."""
    try:
        return pb.Literal(primitive=pb.Primitive(string_value=value))
    except (UnicodeEncodeError, ValueError) as error:
        raise ValueError(f"the text cannot be encoded as UTF-8: {error}") from error


def boolean(value: bool) -> pb.Literal:
    """A boolean literal."""
    return pb.Literal(primitive=pb.Primitive(boolean=value))


def bytes_(value: bytes) -> pb.Literal:
    """A bytes literal."""
    return pb.Literal(primitive=pb.Primitive(bytes_value=value))


def date(value: dt.date) -> pb.Literal:
    """A date literal."""
    return pb.Literal(primitive=pb.Primitive(date=(value - _FIRST_DAY).days))


def none() -> pb.Literal:
    """The literal none."""
    return pb.Literal(none=_None())


def datetime_(value: dt.datetime) -> pb.Literal:
    """A datetime literal that keeps the offset, or the fact that there is none."""
    offset = value.utcoffset()
    wall = value.replace(tzinfo=None)
    instant = wall if offset is None else wall - offset
    micros = (instant - _EPOCH) // _MICROSECOND
    stamp = Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)
    seconds = 0 if offset is None else int(offset.total_seconds())
    naive = offset is None
    moment = pb.DateTime(
        instant=stamp, utc_offset_seconds=seconds, naive=naive, fold=naive and bool(value.fold)
    )
    return pb.Literal(primitive=pb.Primitive(datetime=moment))


def duration(value: dt.timedelta) -> pb.Literal:
    """A duration literal, exact to the microsecond."""
    micros = value // _MICROSECOND
    seconds, rest = divmod(abs(micros), 1_000_000)
    sign = -1 if micros < 0 else 1
    return pb.Literal(
        primitive=pb.Primitive(duration=Duration(seconds=sign * seconds, nanos=sign * rest * 1000))
    )


def struct(value: Any) -> pb.Literal:
    """A literal of JSON-like data; ValueError names the place of what is not."""
    return pb.Literal(struct_value=_to_value(value, "$"))


def collection(items: Sequence[pb.Literal]) -> pb.Literal:
    """A list literal."""
    return pb.Literal(collection=pb.LiteralCollection(literals=items))


def literal_map(items: Mapping[str, pb.Literal]) -> pb.Literal:
    """A dictionary literal; its keys keep their order."""
    return pb.Literal(map_value=pb.LiteralMap(literals=items, order=order_of(items)))


def record(fields: Mapping[str, pb.Literal]) -> pb.Literal:
    """A record literal; its fields keep their order."""
    return pb.Literal(record=pb.Record(fields=fields, order=order_of(fields)))


def order_of(keys: Iterable[str]) -> list[str]:
    """The keys in their order, or nothing where that is sorted order: a message's own maps have none."""
    ordered = list(keys)
    return [] if ordered == sorted(ordered) else ordered


def in_order(entries: Mapping[str, _T], order: Sequence[str]) -> list[tuple[str, _T]]:
    """A message's entries as their author ordered them; sorted where the order is not known or not theirs."""
    if len(order) == len(entries) and all(key in entries for key in order):
        return [(key, entries[key]) for key in order]
    return sorted(entries.items(), key=lambda entry: entry[0])


def to_datetime(value: pb.DateTime) -> dt.datetime:
    """The Python datetime of a DateTime message."""
    wall = _EPOCH + dt.timedelta(seconds=value.instant.seconds, microseconds=value.instant.nanos // 1000)
    if value.naive:
        return wall.replace(fold=int(value.fold))
    offset = dt.timedelta(seconds=value.utc_offset_seconds)
    return (wall + offset).replace(tzinfo=dt.timezone(offset))


def to_date(days: int) -> dt.date:
    """The Python date of a date primitive."""
    return _FIRST_DAY + dt.timedelta(days=days)


def to_timedelta(value: Duration) -> dt.timedelta:
    """The Python timedelta of a Duration message."""
    nanos = value.nanos
    return dt.timedelta(seconds=value.seconds, microseconds=-(-nanos // 1000) if nanos < 0 else nanos // 1000)


def to_python_primitive(literal: pb.Literal) -> Any:
    """The Python value of a primitive, enum, none, or union of these; ValueError on anything larger."""
    kind = literal.WhichOneof("value")
    if kind == "primitive":
        return _primitive(literal.primitive)
    if kind == "none":
        return None
    if kind == "enum_value":
        return literal.enum_value
    if kind == "union_value":
        return to_python_primitive(literal.union_value.value)
    raise ValueError(f"a {KIND_NAMES.get(kind or '', 'malformed')} value is not a primitive")


KIND_NAMES = {
    "primitive": "primitive",
    "none": "none",
    "blob": "file",
    "structured_dataset": "dataset",
    "struct_value": "dict",
    "record": "record",
    "enum_value": "enum",
    "union_value": "union",
    "collection": "list",
    "map_value": "dict",
    "offloaded": "offloaded",
}


def to_plain(literal: pb.Literal) -> Any:
    """A literal as JSON-able data: instants and dates in ISO 8601, durations in seconds, bytes in base64, references as objects with a uri."""
    kind = literal.WhichOneof("value")
    if kind == "primitive":
        value = _primitive(literal.primitive)
        if isinstance(value, dt.date):
            return value.isoformat()
        if isinstance(value, bytes):
            return base64.b64encode(value).decode("ascii")
        return value.total_seconds() if isinstance(value, dt.timedelta) else value
    if kind in (None, "none"):
        return None
    if kind == "enum_value":
        return literal.enum_value
    if kind == "union_value":
        return to_plain(literal.union_value.value)
    if kind == "collection":
        return [to_plain(item) for item in literal.collection.literals]
    if kind == "map_value":
        entries = in_order(literal.map_value.literals, literal.map_value.order)
        return {key: to_plain(value) for key, value in entries}
    if kind == "record":
        return {key: to_plain(value) for key, value in in_order(literal.record.fields, literal.record.order)}
    if kind == "struct_value":
        return from_value(literal.struct_value)
    return _plain_reference(literal)


def summarize(literal: pb.Literal, width: int = 80) -> str:
    """One line for people, at most `width` characters."""
    kind = literal.WhichOneof("value")
    if kind in ("blob", "structured_dataset", "offloaded"):
        text = str(_plain_reference(literal)["uri"])
        if kind == "structured_dataset" and literal.structured_dataset.columns:
            text += f" ({literal.structured_dataset.rows} rows × {len(literal.structured_dataset.columns)} columns)"
    elif literal.primitive.WhichOneof("value") == "duration":
        text = duration_words(to_timedelta(literal.primitive.duration))
    else:
        import json

        text = json.dumps(to_plain(literal), ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def duration_words(value: dt.timedelta) -> str:
    """A duration as a person writes it, exactly: "1h30m", "-2d", "0.5s"; `plain.parse_duration` reads it."""
    left = abs(value)
    words = ""
    for unit, size in (
        ("d", dt.timedelta(days=1)),
        ("h", dt.timedelta(hours=1)),
        ("m", dt.timedelta(minutes=1)),
    ):
        count, left = divmod(left, size)
        words += f"{count}{unit}" if count else ""
    seconds = f"{left.seconds}.{left.microseconds:06}".rstrip("0").rstrip(".")
    words += f"{seconds}s" if left or not words else ""
    return ("-" if value < dt.timedelta(0) else "") + words


def from_value(value: pb.Value) -> Any:
    """The Python data of a Value message."""
    kind = value.WhichOneof("kind")
    if kind in (None, "null"):
        return None
    if kind == "list":
        return [from_value(item) for item in value.list.values]
    if kind == "object":
        return {key: from_value(item) for key, item in in_order(value.object.fields, value.object.order)}
    return getattr(value, kind)


def _to_value(value: Any, place: str) -> pb.Value:
    if value is None:
        return pb.Value(null=_None())
    if isinstance(value, bool):
        return pb.Value(boolean=value)
    if isinstance(value, int):
        if not INT64_MIN <= value <= INT64_MAX:
            raise ValueError(f"{place}: {value} does not fit a signed 64-bit integer; pass it as str")
        return pb.Value(integer=value)
    if isinstance(value, float):
        return pb.Value(float_value=value)
    if isinstance(value, str):
        return pb.Value(string_value=value)
    if isinstance(value, Mapping):
        fields = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{place}: key {key!r} is {type(key).__name__}; keys must be str")
            fields[key] = _to_value(item, f"{place}.{key}")
        return pb.Value(object=pb.Value.Object(fields=fields, order=order_of(fields)))
    if isinstance(value, (list, tuple)):
        items = [_to_value(item, f"{place}[{i}]") for i, item in enumerate(value)]
        return pb.Value(list=pb.Value.List(values=items))
    raise ValueError(
        f"{place}: {type(value).__name__} is not JSON-like data; use a dataclass, or convert it to str, int, float, list or dict"
    )


def _primitive(value: pb.Primitive) -> Any:
    kind = value.WhichOneof("value")
    if kind == "datetime":
        return to_datetime(value.datetime)
    if kind == "duration":
        return to_timedelta(value.duration)
    if kind == "date":
        return to_date(value.date)
    if kind is None:
        raise ValueError("a primitive without a value")
    return getattr(value, kind)


def _plain_reference(literal: pb.Literal) -> dict[str, Any]:
    kind = literal.WhichOneof("value")
    if kind == "blob":
        blob = literal.blob
        plain: dict[str, Any] = {"uri": blob.uri, "kind": "directory" if blob.multipart else "file"}
        if blob.format:
            plain["format"] = blob.format
        if blob.size:
            plain["size"] = blob.size
        return plain
    if kind == "structured_dataset":
        dataset = literal.structured_dataset
        columns = [column.name for column in dataset.columns]
        return {
            "uri": dataset.uri,
            "kind": "dataset",
            "format": dataset.format,
            "rows": dataset.rows,
            "columns": columns,
        }
    return {"uri": literal.offloaded.uri, "kind": "offloaded", "size": literal.offloaded.size}
