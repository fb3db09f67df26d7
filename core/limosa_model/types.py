"""Type rules: what a type is called, what fits where."""

from collections.abc import Iterable

from limosa_idl.core.v1alpha1 import types_pb2 as pb
from limosa_idl.core.v1alpha1.literal_pb2 import Literal

_SIMPLE_NAMES = {
    pb.SIMPLE_TYPE_NONE: "None",
    pb.SIMPLE_TYPE_INTEGER: "int",
    pb.SIMPLE_TYPE_FLOAT: "float",
    pb.SIMPLE_TYPE_STRING: "str",
    pb.SIMPLE_TYPE_BOOLEAN: "bool",
    pb.SIMPLE_TYPE_DATETIME: "datetime",
    pb.SIMPLE_TYPE_DURATION: "timedelta",
    pb.SIMPLE_TYPE_STRUCT: "dict",
    pb.SIMPLE_TYPE_BYTES: "bytes",
    pb.SIMPLE_TYPE_DATE: "date",
    pb.SIMPLE_TYPE_JSON: "JSON",
}
_PRIMITIVES = {
    "integer": pb.SIMPLE_TYPE_INTEGER,
    "float_value": pb.SIMPLE_TYPE_FLOAT,
    "string_value": pb.SIMPLE_TYPE_STRING,
    "boolean": pb.SIMPLE_TYPE_BOOLEAN,
    "datetime": pb.SIMPLE_TYPE_DATETIME,
    "duration": pb.SIMPLE_TYPE_DURATION,
    "bytes_value": pb.SIMPLE_TYPE_BYTES,
    "date": pb.SIMPLE_TYPE_DATE,
}
_JSON_SIMPLE = (
    pb.SIMPLE_TYPE_NONE,
    pb.SIMPLE_TYPE_INTEGER,
    pb.SIMPLE_TYPE_FLOAT,
    pb.SIMPLE_TYPE_STRING,
    pb.SIMPLE_TYPE_BOOLEAN,
    pb.SIMPLE_TYPE_STRUCT,
    pb.SIMPLE_TYPE_JSON,
)
"""What data of any JSON-like shape may be made of."""


def describe(type_: pb.LiteralType) -> str:
    """A type as a Python author would write it ("list[int]", "float | None")."""
    kind = type_.WhichOneof("kind")
    if kind == "simple":
        return _SIMPLE_NAMES.get(type_.simple, "?")
    if kind == "blob":
        name = "Directory" if type_.blob.dimensionality == pb.BlobType.DIMENSIONALITY_MULTIPART else "File"
        return f"{name}[{type_.blob.format}]" if type_.blob.format else name
    if kind == "structured_dataset":
        names = [column.name for column in type_.structured_dataset.columns]
        return f"Dataset[{', '.join(names)}]" if names else "Dataset"
    if kind == "enum_type":
        return f"Enum[{', '.join(type_.enum_type.values)}]"
    if kind == "union_type":
        return " | ".join(describe(variant.type) for variant in type_.union_type.variants)
    if kind == "collection":
        return f"list[{describe(type_.collection)}]"
    if kind == "map_value":
        return f"dict[str, {describe(type_.map_value)}]"
    if kind == "record":
        return type_.record.name.rpartition(".")[2] or "record"
    return "?"


def assignable(given: pb.LiteralType, expected: pb.LiteralType) -> str | None:
    """Why a value of one type cannot be used where another is expected, or None when it can.

    An int is accepted where a float stands by itself, as in Python; not inside lists, dicts or records, whose
    elements a reader may write back.
    """
    if _is_simple(given, pb.SIMPLE_TYPE_INTEGER) and _is_simple(expected, pb.SIMPLE_TYPE_FLOAT):
        return None
    return _fits(given, expected)


def conforms(literal: Literal, type_: pb.LiteralType) -> str | None:
    """Why a literal is no value of a type, or None when it is.

    References (files, datasets, offloaded values) are judged by kind and format; their bytes are not read.
    """
    if _is_simple(type_, pb.SIMPLE_TYPE_FLOAT) and literal.primitive.WhichOneof("value") == "integer":
        return None
    return _conforms(literal, type_, "")


def optional(type_: pb.LiteralType) -> pb.LiteralType:
    """The type whose values are those of `type_` and none."""
    none = pb.LiteralType(simple=pb.SIMPLE_TYPE_NONE)
    if assignable(none, type_) is None:
        return type_
    given = type_.union_type.variants if type_.WhichOneof("kind") == "union_type" else None
    union = pb.UnionType()
    union.variants.extend(given or [pb.UnionType.Variant(tag=describe(type_), type=type_)])
    union.variants.add(tag=describe(none), type=none)
    return pb.LiteralType(union_type=union)


def choose_variant(literal: Literal, union: pb.UnionType) -> pb.UnionType.Variant | None:
    """The variant a literal belongs to: by its tag, else the first in declaration order that it conforms to.

    One that it is comes before one that merely takes it, as a str takes a name of an enum.
    """
    if literal.WhichOneof("value") == "union_value":
        tag = literal.union_value.tag
        return next((variant for variant in union.variants if variant.tag == tag), None)
    for exact in (True, False):
        for variant in union.variants:
            if _conforms(literal, variant.type, "", exact) is None:
                return variant
    return None


def _is_simple(type_: pb.LiteralType, simple: "pb.SimpleType.ValueType") -> bool:
    return type_.WhichOneof("kind") == "simple" and type_.simple == simple


def _mismatch(given: pb.LiteralType, expected: pb.LiteralType) -> str:
    return f"expected {describe(expected)}, got {describe(given)}"


def _fits(given: pb.LiteralType, expected: pb.LiteralType) -> str | None:
    given_kind, kind = given.WhichOneof("kind"), expected.WhichOneof("kind")
    if given_kind == "union_type":
        return _first(_fits(variant.type, expected) for variant in given.union_type.variants)
    if kind == "union_type":
        if any(assignable(given, variant.type) is None for variant in expected.union_type.variants):
            return None
        return _mismatch(given, expected)
    if _is_simple(expected, pb.SIMPLE_TYPE_JSON):
        return None if _is_json(given) else _mismatch(given, expected)
    if given_kind == "enum_type" and _is_simple(expected, pb.SIMPLE_TYPE_STRING):
        return None
    if given_kind != kind:
        return _mismatch(given, expected)
    if kind == "simple":
        return None if given.simple == expected.simple else _mismatch(given, expected)
    if kind == "collection":
        return _mismatch(given, expected) if _fits(given.collection, expected.collection) else None
    if kind == "map_value":
        return _mismatch(given, expected) if _fits(given.map_value, expected.map_value) else None
    if kind == "record":
        return _record_fits(given.record, expected.record)
    if kind == "enum_type":
        extra = [value for value in given.enum_type.values if value not in expected.enum_type.values]
        return f"{_mismatch(given, expected)}: '{extra[0]}' is not one of its values" if extra else None
    if kind == "blob":
        return _blob_fits(given, expected)
    if kind == "structured_dataset":
        return _columns_fit(given.structured_dataset, expected.structured_dataset)
    return "the type has no kind"


def _record_fits(given: pb.RecordType, expected: pb.RecordType) -> str | None:
    fields = {field.name: field for field in given.fields}
    for field in expected.fields:
        if field.name not in fields:
            if field.optional or field.HasField("default_value"):
                continue
            return f"expected {expected.name}, got {given.name} without its field '{field.name}'"
        given_field = fields.pop(field.name)
        if given_field.optional and not (field.optional or field.HasField("default_value")):
            return f"expected {expected.name}, got {given.name} whose field '{field.name}' may be missing"
        reason = _fits(given_field.type, field.type)
        if reason:
            return f"field '{field.name}' of {expected.name}: {reason}"
    if fields:
        return f"expected {expected.name}, got {given.name} with the further field '{next(iter(fields))}'"
    return None


def _is_json(type_: pb.LiteralType) -> bool:
    kind = type_.WhichOneof("kind")
    if kind in ("collection", "map_value"):
        return _is_json(getattr(type_, kind))
    return kind == "enum_type" or (kind == "simple" and type_.simple in _JSON_SIMPLE)


def _blob_fits(given: pb.LiteralType, expected: pb.LiteralType) -> str | None:
    if given.blob.dimensionality != expected.blob.dimensionality:
        return _mismatch(given, expected)
    formats = (given.blob.format, expected.blob.format)
    return None if not all(formats) or formats[0] == formats[1] else _mismatch(given, expected)


def _columns_fit(given: pb.StructuredDatasetType, expected: pb.StructuredDatasetType) -> str | None:
    if not given.columns:
        return None
    names = {column.name: column.type for column in given.columns}
    for column in expected.columns:
        if column.name not in names:
            return f"the dataset lacks the column '{column.name}'"
        reason = _fits(names[column.name], column.type)
        if reason:
            return f"column '{column.name}': {reason}"
    return None


def _first(reasons: Iterable[str | None]) -> str | None:
    return next((reason for reason in reasons if reason), None)


def _at(place: str, text: str) -> str:
    return f"{place.lstrip('.')}: {text}" if place else text


def _conforms(literal: Literal, type_: pb.LiteralType, place: str, exact: bool = False) -> str | None:
    value, kind = literal.WhichOneof("value"), type_.WhichOneof("kind")
    if value is None:
        return _at(place, "the value is missing")
    if value == "offloaded":
        return None
    if kind == "union_type":
        return _union_conforms(literal, type_, place, exact)
    if value == "union_value":
        return _conforms(literal.union_value.value, type_, place, exact)
    if kind == "simple":
        return _simple_conforms(literal, type_, place, exact)
    if kind != ("enum_type" if value == "enum_value" else value):
        return _at(place, f"expected {describe(type_)}, got {name_of(literal)}")
    if kind == "collection":
        items = enumerate(literal.collection.literals)
        return _first(_conforms(item, type_.collection, f"{place}[{i}]", exact) for i, item in items)
    if kind == "map_value":
        entries = sorted(literal.map_value.literals.items())
        return _first(_conforms(item, type_.map_value, f"{place}[{key!r}]", exact) for key, item in entries)
    if kind == "record":
        return _record_conforms(literal, type_.record, place, exact)
    if kind == "enum_type" and literal.enum_value not in type_.enum_type.values:
        return _at(place, f"'{literal.enum_value}' is not one of {', '.join(type_.enum_type.values)}")
    if kind == "blob":
        multipart = type_.blob.dimensionality == pb.BlobType.DIMENSIONALITY_MULTIPART
        if literal.blob.multipart != multipart:
            return _at(place, f"expected {describe(type_)}, got {name_of(literal)}")
    return None


def _union_conforms(literal: Literal, type_: pb.LiteralType, place: str, exact: bool) -> str | None:
    variant = choose_variant(literal, type_.union_type)
    if variant is None:
        got = f"a '{literal.union_value.tag}'" if literal.HasField("union_value") else name_of(literal)
        return _at(place, f"expected {describe(type_)}, got {got}")
    value = literal.union_value.value if literal.HasField("union_value") else literal
    return _conforms(value, variant.type, place, exact)


def _simple_conforms(literal: Literal, type_: pb.LiteralType, place: str, exact: bool) -> str | None:
    value = literal.WhichOneof("value")
    if type_.simple == pb.SIMPLE_TYPE_NONE:
        fits = value == "none"
    elif type_.simple == pb.SIMPLE_TYPE_STRUCT:
        fits = value == "struct_value"
    elif type_.simple == pb.SIMPLE_TYPE_JSON:
        fits = value == "struct_value" or (not exact and _is_json_value(literal))
    elif type_.simple == pb.SIMPLE_TYPE_STRING and value == "enum_value":
        fits = not exact
    else:
        primitive = literal.primitive.WhichOneof("value") if value == "primitive" else None
        fits = primitive is not None and _PRIMITIVES[primitive] == type_.simple
    return None if fits else _at(place, f"expected {describe(type_)}, got {name_of(literal)}")


def _record_conforms(literal: Literal, record: pb.RecordType, place: str, exact: bool) -> str | None:
    known = {field.name for field in record.fields}
    for name in sorted(literal.record.fields):
        if name not in known:
            return _at(place, f"{record.name} has no field '{name}'")
    for field in record.fields:
        if field.name in literal.record.fields:
            part = literal.record.fields[field.name]
            reason = _conforms(part, field.type, f"{place}.{field.name}", exact)
            if reason:
                return reason
        elif not field.optional and not field.HasField("default_value"):
            return _at(place, f"{record.name} needs its field '{field.name}'")
    return None


def _is_json_value(literal: Literal) -> bool:
    value = literal.WhichOneof("value")
    if value == "primitive":
        primitive = literal.primitive.WhichOneof("value")
        return primitive is not None and _PRIMITIVES[primitive] in _JSON_SIMPLE
    if value == "collection":
        return all(_is_json_value(item) for item in literal.collection.literals)
    if value == "map_value":
        return all(_is_json_value(item) for item in literal.map_value.literals.values())
    if value == "union_value":
        return _is_json_value(literal.union_value.value)
    return value in ("none", "struct_value", "enum_value")


def name_of(literal: Literal) -> str:
    """What a literal is, in an author's words ("int", "list", "File")."""
    value = literal.WhichOneof("value")
    if value == "primitive":
        primitive = literal.primitive.WhichOneof("value")
        return _SIMPLE_NAMES[_PRIMITIVES[primitive]] if primitive else "nothing"
    if value == "blob":
        return "Directory" if literal.blob.multipart else "File"
    names = {"none": "None", "structured_dataset": "Dataset", "struct_value": "dict", "enum_value": "Enum"}
    names |= {
        "collection": "list",
        "map_value": "dict[str, …]",
        "record": "record",
        "offloaded": "offloaded value",
    }
    if value == "union_value":
        return name_of(literal.union_value.value)
    return names.get(value or "", "nothing")
