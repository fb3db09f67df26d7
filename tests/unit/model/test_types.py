import pytest

from limosa_idl.core.v1alpha1 import literal_pb2, types_pb2
from limosa_model import types, values
from limosa_model.plain import PlainError, from_plain


def simple(name):
    return types_pb2.LiteralType(simple=getattr(types_pb2, f"SIMPLE_TYPE_{name}"))


INT, FLOAT, STR, BOOL, NONE = (simple(n) for n in ("INTEGER", "FLOAT", "STRING", "BOOLEAN", "NONE"))


def list_of(inner):
    return types_pb2.LiteralType(collection=inner)


def union(**variants):
    items = [types_pb2.UnionType.Variant(tag=tag, type=type_) for tag, type_ in variants.items()]
    return types_pb2.LiteralType(union_type=types_pb2.UnionType(variants=items))


def record(name, **fields):
    items = [types_pb2.RecordType.Field(name=key, type=type_) for key, type_ in fields.items()]
    return types_pb2.LiteralType(record=types_pb2.RecordType(name=name, fields=items))


def enum(*names):
    return types_pb2.LiteralType(enum_type=types_pb2.EnumType(values=names))


def file(format_=""):
    single = types_pb2.BlobType.DIMENSIONALITY_SINGLE
    return types_pb2.LiteralType(blob=types_pb2.BlobType(format=format_, dimensionality=single))


OPTIONAL_INT = union(int=INT, none=NONE)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (INT, "int"),
        (list_of(STR), "list[str]"),
        (types_pb2.LiteralType(map_value=FLOAT), "dict[str, float]"),
        (OPTIONAL_INT, "int | None"),
        (record("house.Config", rate=FLOAT), "Config"),
        (enum("red", "blue"), "Enum[red, blue]"),
        (file("csv"), "File[csv]"),
    ],
)
def test_types_are_described_as_an_author_writes_them(type_, text):
    assert types.describe(type_) == text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (INT, INT),
        (INT, FLOAT),
        (INT, OPTIONAL_INT),
        (NONE, OPTIONAL_INT),
        (union(none=NONE, int=INT), OPTIONAL_INT),
        (enum("red"), enum("red", "blue")),
        (file("csv"), file()),
        (file(), file("csv")),
        (record("a.A", x=INT), record("b.B", x=INT)),
    ],
)
def test_what_fits(given, expected):
    assert types.assignable(given, expected) is None


@pytest.mark.parametrize(
    ("given", "expected", "reason"),
    [
        (FLOAT, INT, "expected int, got float"),
        (BOOL, INT, "expected int, got bool"),
        (list_of(INT), list_of(FLOAT), "expected list[float], got list[int]"),
        (OPTIONAL_INT, INT, "expected int, got None"),
        (STR, OPTIONAL_INT, "expected int | None, got str"),
        (enum("red", "green"), enum("red"), "'green' is not one of its values"),
        (file("csv"), file("parquet"), "expected File[parquet], got File[csv]"),
        (record("a.A"), record("b.B", x=INT), "without its field 'x'"),
        (record("a.A", x=INT, y=INT), record("b.B", x=INT), "with the further field 'y'"),
        (record("a.A", x=STR), record("b.B", x=INT), "field 'x' of b.B: expected int, got str"),
    ],
)
def test_what_does_not_fit_and_why(given, expected, reason):
    assert reason in types.assignable(given, expected)


@pytest.mark.parametrize(
    ("literal", "type_", "reason"),
    [
        (values.integer(1), FLOAT, None),
        (values.integer(1), STR, "expected str, got int"),
        (
            values.collection([values.integer(1), values.string("x")]),
            list_of(INT),
            "[1]: expected int, got str",
        ),
        (values.integer(3), OPTIONAL_INT, None),
        (values.none(), OPTIONAL_INT, None),
        (values.string("x"), OPTIONAL_INT, "expected int | None, got str"),
        (literal_pb2.Literal(enum_value="green"), enum("red"), "'green' is not one of red"),
        (literal_pb2.Literal(record=literal_pb2.Record()), record("b.B", x=INT), "b.B needs its field 'x'"),
        (literal_pb2.Literal(), INT, "the value is missing"),
    ],
)
def test_conforms(literal, type_, reason):
    assert types.conforms(literal, type_) == reason


@pytest.mark.parametrize(
    ("data", "type_", "message"),
    [
        ("x", INT, "expected int, got str 'x'"),
        (True, INT, "expected int, got bool True"),
        ([1, "a"], list_of(INT), "[1]: expected int, got str 'a'"),
        ({"x": 1, "z": 2}, record("b.B", x=INT), "b.B has no field 'z'; it has x"),
        ({}, record("b.B", x=INT), "b.B needs its field 'x' (int)"),
        ("houses.csv", file("csv"), "expected the URI of a File[csv], got 'houses.csv'"),
        ("purple", enum("red", "blue"), "'purple' is not one of red, blue"),
        ("soon", simple("DATETIME"), "expected datetime, such as 2024-05-01T10:00:00Z; got 'soon'"),
    ],
)
def test_plain_data_that_does_not_fit_is_named_with_its_place(data, type_, message):
    with pytest.raises(PlainError) as caught:
        from_plain(data, type_)
    assert message in str(caught.value)


def test_a_large_wrong_value_is_shown_in_part():
    with pytest.raises(PlainError) as caught:
        from_plain(list(range(5000)), INT)
    message = str(caught.value)
    assert message.startswith("expected int, got list [0, 1, 2, 3,")
    assert message.endswith("…")
    assert len(message) < 120


@pytest.mark.parametrize(
    ("data", "type_"),
    [
        (3, INT),
        ([[1], []], list_of(list_of(INT))),
        ({"x": 2}, record("b.B", x=INT)),
        (None, OPTIONAL_INT),
        ("2026-01-02T03:04:05+02:00", simple("DATETIME")),
        ("red", enum("red")),
    ],
)
def test_plain_data_comes_back(data, type_):
    literal = from_plain(data, type_)
    assert types.conforms(literal, type_) is None
    assert values.to_plain(literal) == data


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("-2d", -172800), ("1.5", 1.5)])
def test_durations_are_read_as_people_write_them(text, seconds):
    assert values.to_plain(from_plain(text, simple("DURATION"))) == seconds
