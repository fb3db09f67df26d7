# ruff: noqa: UP007, UP045 - both spellings of a union must work
"""Values survive the way to literals, to bytes and back; what does not fit says so."""

import dataclasses
import datetime as dt
import enum
import json
import math
import uuid
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, Union, get_origin

import numpy as np
import numpy.typing as npt
import pydantic
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limosa import Pickle
from limosa.errors import LimosaError
from limosa.local import LocalTransfer
from limosa.types import literal_type, to_literal, to_python
from limosa.types.transfer import NoTransfer
from limosa_idl.core.v1alpha1.literal_pb2 import Literal as LiteralMessage
from limosa_model import values
from limosa_model.digests import serialize
from limosa_model.plain import from_plain
from limosa_model.types import conforms
from limosa_model.values import to_plain

NOWHERE = NoTransfer("the value", "")


@pytest.fixture(scope="module")
def transfer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("values")
    return LocalTransfer(folder / "data", folder / "scratch")


class Color(enum.Enum):
    RED = "red"
    BLUE = "light blue"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


class Size(enum.IntEnum):
    SMALL = 1


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.5


@dataclasses.dataclass
class Shape:
    name: str
    corners: list[Point]
    color: Optional[Color] = None
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    made: dt.datetime = dt.datetime(2020, 1, 1)
    serial: int = dataclasses.field(init=False, default=0)


class Optionals(TypedDict, total=False):
    note: str


class Row(Optionals):
    id: int
    point: Point


class Node(pydantic.BaseModel):
    """Holds what only pydantic knows: sets, UUIDs, itself."""

    id: uuid.UUID
    tags: set[str] = set()
    children: "list[Node]" = []


class Options(pydantic.BaseModel):
    rate: float = pydantic.Field(0.1, ge=0)
    level: Level = Level.LOW
    points: list[Point] = []
    mode: Literal["fast", "slow"] = pydantic.Field("fast", alias="MODE")
    tree: Node | None = None
    made: dt.datetime = pydantic.Field(default_factory=lambda: dt.datetime(2020, 1, 1))


class Points(pydantic.RootModel[list[Point]]):
    pass


@dataclasses.dataclass(frozen=True)
class Solid(Point):
    z: int = 0


class Loose(pydantic.BaseModel, extra="allow"):
    a: int


class Secretive(pydantic.BaseModel):
    key: pydantic.SecretStr


@dataclasses.dataclass
class Mixed:
    options: Options
    row: Row
    anything: list
    raw: Annotated[bytes, "a note"]


UserId = NewType("UserId", int)
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FLOAT = st.floats(allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | INT64 | FLOAT | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
OFFSETS = st.integers(-86_399, 86_399).map(lambda s: dt.timezone(dt.timedelta(seconds=s)))
POINTS = st.builds(Point, INT64, FLOAT)
NODES = st.recursive(
    st.builds(Node, id=st.uuids(), tags=st.sets(TEXT, max_size=2)),
    lambda inner: st.builds(Node, id=st.uuids(), children=st.lists(inner, max_size=2)),
    max_leaves=3,
)
OPTIONS = st.builds(
    Options,
    rate=st.floats(0, 1e300),
    level=st.sampled_from(Level),
    points=st.lists(POINTS, max_size=2),
    MODE=st.sampled_from(["fast", "slow"]),
    tree=st.none() | NODES,
    made=st.datetimes(),
)
ROWS = st.fixed_dictionaries({"id": INT64, "point": POINTS}, optional={"note": TEXT})
ARRAYS = hnp.arrays(
    hnp.scalar_dtypes() | hnp.array_dtypes() | hnp.byte_string_dtypes() | hnp.unicode_string_dtypes(),
    hnp.array_shapes(min_dims=0, min_side=0, max_dims=3),
)

TYPES = {
    "int": (int, INT64),
    "float": (float, FLOAT),
    "str": (str, TEXT),
    "bool": (bool, st.booleans()),
    "None": (None, st.none()),
    "bytes": (bytes, st.binary()),
    "date": (dt.date, st.dates()),
    "datetime": (dt.datetime, st.datetimes() | st.datetimes(timezones=OFFSETS)),
    "timedelta": (dt.timedelta, st.timedeltas()),
    "enum by value": (Color, st.sampled_from(Color)),
    "enum by name": (Level, st.sampled_from(Level)),
    "IntEnum": (Size, st.sampled_from(Size)),
    "Literal of str": (Literal["a", "b"], st.sampled_from(["a", "b"])),
    "Literal of int": (Literal[1, 2], st.sampled_from([1, 2])),
    "Literal of several": (Literal[1, "1", True, None, b"1"], st.sampled_from([1, "1", True, None, b"1"])),
    "Literal of an enum": (Literal[Color.RED], st.just(Color.RED)),
    "dict": (dict, st.dictionaries(TEXT, JSON, max_size=4)),
    "dict[str, Any]": (dict[str, Any], st.dictionaries(TEXT, JSON, max_size=4)),
    "list": (list, st.lists(JSON, max_size=4)),
    "list[Any]": (list[Any], st.lists(JSON, max_size=4)),
    "list[int]": (list[int], st.lists(INT64, max_size=5)),
    "list[list[str]]": (list[list[str]], st.lists(st.lists(TEXT, max_size=2), max_size=3)),
    "dict[str, float]": (dict[str, float], st.dictionaries(TEXT, FLOAT, max_size=4)),
    "Optional[int]": (Optional[int], st.none() | INT64),
    "int | None": (int | None, st.none() | INT64),
    "Optional[list]": (Optional[list], st.none() | st.lists(JSON, max_size=2)),
    "Union with None": (Union[int, str, None], st.none() | INT64 | TEXT),
    "Union of numbers": (Union[int, float, bool], INT64 | FLOAT | st.booleans()),
    "Union of lists": (
        Union[list[float], list[int], list[str]],
        st.lists(INT64) | st.lists(FLOAT, min_size=1) | st.lists(TEXT, min_size=1),
    ),
    "Union of str and a Literal": (Union[Literal["a"], str, Color], TEXT | st.sampled_from(["a", Color.RED])),
    "Union of dict and records": (
        Union[Row, dict, Point, Options],
        ROWS | st.dictionaries(TEXT, JSON, max_size=2) | POINTS | OPTIONS,
    ),
    "dataclass": (Point, POINTS),
    "dataclass of dataclasses": (
        Shape,
        st.builds(
            Shape,
            TEXT,
            st.lists(POINTS, max_size=3),
            st.none() | st.sampled_from(Color),
            st.dictionaries(TEXT, TEXT, max_size=2),
            st.datetimes(),
        ),
    ),
    "dataclass of all": (Mixed, st.builds(Mixed, OPTIONS, ROWS, st.lists(JSON, max_size=2), st.binary())),
    "TypedDict": (Row, ROWS),
    "pydantic": (Options, OPTIONS),
    "pydantic's RootModel": (Points, st.lists(POINTS, max_size=3).map(Points)),
    "pydantic in itself": (Node, NODES),
    "protobuf": (
        Duration,
        st.builds(Duration, seconds=st.integers(0, 10**11), nanos=st.integers(0, 10**9 - 1)),
    ),
    "protobuf with a map": (
        Struct,
        st.dictionaries(TEXT, FLOAT.filter(math.isfinite)).map(lambda d: _struct(d)),
    ),
    "Annotated": (Annotated[int, []], INT64),
    "NewType": (UserId, INT64),
    "numpy.bool_": (np.bool_, st.booleans().map(np.bool_)),
    "numpy.uint8": (np.uint8, st.integers(0, 255).map(np.uint8)),
    "numpy.int64": (np.int64, INT64.map(np.int64)),
    "numpy.float16": (np.float16, st.floats(width=16, allow_nan=False).map(np.float16)),
    "numpy.float32": (np.float32, st.floats(width=32, allow_nan=False).map(np.float32)),
    "numpy.float64": (np.float64, FLOAT.map(np.float64)),
    "numpy.str_": (np.str_, TEXT.map(np.str_) | st.just(np.str_("a\0"))),
    "numpy.ndarray": (np.ndarray, ARRAYS),
    "NDArray[float32]": (npt.NDArray[np.float32], hnp.arrays(np.float32, 3)),
    "Pickle": (Pickle[Fraction], st.fractions()),
    "Iterator[int]": (Iterator[int], st.lists(INT64)),
    "Iterator[dict]": (Iterator[dict], st.lists(st.dictionaries(TEXT, JSON, max_size=2), max_size=3)),
    "Iterator of dataclasses": (
        Iterator[Shape],
        st.lists(st.builds(Shape, TEXT, st.lists(POINTS, max_size=2))),
    ),
    "Generator": (Generator[Optional[bytes], None, None], st.lists(st.none() | st.binary())),
    "Iterable": (Iterable[dt.date], st.lists(st.dates())),
}
"""Every converter: a type, and values of it. A new converter has a row here, and its bad values below."""


def _struct(data):
    made = Struct()
    made.update(data)
    return made


def _known(value):
    """What can be compared: arrays and iterators cannot."""
    if isinstance(value, np.ndarray):
        return (value.dtype, value.shape, value.tobytes())
    return list(value) if isinstance(value, Iterator) else value


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=20)
@given(st.data())
def test_there_and_back(transfer, name, data):
    python_type, strategy = TYPES[name]
    value = data.draw(strategy)
    literal = to_literal(value, python_type, transfer)
    assert conforms(literal, literal_type(python_type)) is None
    read = LiteralMessage.FromString(serialize(literal))
    again = to_python(read, python_type, transfer)
    one_by_one = get_origin(python_type) in (Iterator, Generator, Iterable)
    assert one_by_one or type(again) is type(value)
    assert _known(iter(again) if one_by_one else again) == _known(value)
    # What it is to a cache does not change on the way.
    written = to_literal(to_python(read, python_type, transfer), python_type, transfer)
    assert written.digest == literal.digest
    assert literal.digest or serialize(written) == serialize(literal)


# Seconds as a double, which is how JSON has them, are exact to the microsecond for 272 years.
CENTURIES = dt.timedelta(days=270 * 365)
IN_JSON = TYPES | {"timedelta": (dt.timedelta, st.timedeltas(-CENTURIES, CENTURIES))}


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=10)
@given(st.data())
def test_json_of_a_value_says_it_all_where_it_travels_by_itself(transfer, name, data):
    python_type, strategy = IN_JSON[name]
    type_ = literal_type(python_type)
    value = data.draw(strategy)
    literal = to_literal(value, python_type, transfer)
    if literal.digest or type_.WhichOneof("kind") == "union_type":
        return
    told = json.loads(json.dumps(to_plain(literal)))
    assert to_python(from_plain(told, type_), python_type, transfer) == value


@given(st.floats())
def test_every_double_keeps_its_bits(value):
    again = to_python(to_literal(value, float, NOWHERE), float, NOWHERE)
    assert (
        math.isnan(again)
        if math.isnan(value)
        else (again == value and math.copysign(1, again) == math.copysign(1, value))
    )


@given(st.datetimes(timezones=OFFSETS))
def test_a_datetime_keeps_its_offset(value):
    again = to_python(to_literal(value, dt.datetime, NOWHERE), dt.datetime, NOWHERE)
    assert again.utcoffset() == value.utcoffset()


def test_an_int_becomes_a_float_by_itself_and_nowhere_else():
    assert type(to_python(to_literal(1, float, NOWHERE), float, NOWHERE)) is float
    assert type(to_python(to_literal(Point(1, 2), Point, NOWHERE), Point, NOWHERE).y) is float


def test_the_exact_variant_of_a_union_is_chosen():
    for value, tag in ((1, "int"), (1.0, "float"), (True, "bool"), (None, "None")):
        literal = to_literal(value, Union[float, bool, int, None], NOWHERE)
        assert literal.union_value.tag == tag


def test_unions_of_another_order_are_other_types():
    for one, other in ((Union[int, str], Union[str, int]), (list[int | str], list[str | int])):
        assert literal_type(one) != literal_type(other)
    assert literal_type(Literal["a", "b"]) != literal_type(Literal["b", "a"])


def test_what_has_no_tag_is_what_it_is_before_what_takes_it():
    red = to_literal(Color.RED, Color, NOWHERE)
    assert to_python(red, Union[str, Color, None], NOWHERE) is Color.RED
    assert to_python(values.collection([red]), Union[list[str], list[Color]], NOWHERE) == [Color.RED]
    assert to_python(red, Union[str, None], NOWHERE) == "red"


def test_notes_leave_no_trace_in_tags():
    noted = literal_type(Optional[Annotated[UserId, "a note"]])
    assert [variant.tag for variant in noted.union_type.variants] == ["int", "None"]


def test_a_record_written_before_a_field_existed_gets_its_default():
    literal = to_literal(Point(1), Point, NOWHERE)
    del literal.record.fields["y"]
    assert to_python(literal, Point, NOWHERE) == Point(1, 0.5)


def test_defaults_of_fields_are_part_of_the_type():
    fields = {field.name: field for field in literal_type(Shape).record.fields}
    assert list(fields) == ["name", "corners", "color", "tags", "made"]
    assert not fields["name"].HasField("default_value")
    assert fields["color"].default_value.union_value.tag == "None"


BAD_VALUES = {
    "text for int": (int, "a", "expected int, got str 'a'"),
    "bool for int": (int, True, "expected int, got bool True; write int(…)"),
    "float for int": (int, 1.0, "expected int, got float 1.0; write round(…) or int(…)"),
    "none for int": (int, None, "expected int, got None"),
    "bool for float": (float, True, "expected float, got bool True; write float(…)"),
    "text for float": (float, "1", "expected float, got str '1'"),
    "huge int for float": (float, 10**400, "an int of 1329 bits is beyond the range of float"),
    "inexact int for float": (
        float,
        2**53 + 1,
        "9007199254740993 is no exact float; write float(…) if the nearest one is meant",
    ),
    "int for bool": (bool, 1, "expected bool, got int 1; compare it, such as … != 0"),
    "int for text": (str, 1, "expected str, got int 1; write str(…)"),
    "int among floats": (list[float], [1.5, 1], "[1]: expected float, got int 1; write float(…)"),
    "int among optional floats": (
        dict[str, Optional[float]],
        {"a": 1},
        "['a']: expected float, got int 1; write float(…)",
    ),
    "text for bytes": (bytes, "a", "expected bytes, got str 'a'; write ….encode()"),
    "bytes for text": (str, b"a", "expected str, got bytes b'a'; write ….decode()"),
    "bytearray": (bytes, bytearray(b"a"), "expected bytes, got bytearray bytearray(b'a'); write bytes(…)"),
    "datetime for date": (
        dt.date,
        dt.datetime(2020, 1, 1),
        "expected date, got datetime datetime.datetime(2020, 1, 1, 0, 0); write ….date()",
    ),
    "no choice": (
        Literal["a", "b"],
        "c",
        "expected Literal['a', 'b'], got str 'c'; give one of these values",
    ),
    "equal, but no choice": (
        Literal[1],
        True,
        "expected Literal[1], got bool True; give one of these values",
    ),
    "no JSON": (
        list,
        [{1}],
        "[0]: set is not JSON-like data; use a dataclass, or convert it to str, int, float, list or dict",
    ),
    "unknown key": (
        Row,
        {"id": 1, "point": Point(1), "nam": ""},
        "Row has no key 'nam'; it has note, id, point; leave it out, or annotate with dict",
    ),
    "missing key": (Row, {"id": 1}, "the key 'point' of Row is missing; add it"),
    "key of another type": (Row, {"id": "1", "point": Point(1)}, "id: expected int, got str '1'"),
    "model": (Options, {"rate": 1.0}, "expected Options, got dict {'rate': 1.0}; write Options(**…)"),
    "field of a model": (
        Options,
        Options.model_construct(rate="x", level=Level.LOW, points=[]),
        "rate: expected float, got str 'x'",
    ),
    "undeclared field of a model": (
        Loose,
        Loose(a=1, b=2),
        "Loose does not declare the field 'b'; declare it, or keep such data in a field of type dict",
    ),
    "secret of a model": (
        Secretive,
        Secretive(key="x"),
        "key: pydantic's JSON of the SecretStr does not give the same value again; "
        "give Secretive.key a type such as str",
    ),
    "another message": (Duration, Struct(), "expected Duration, got Struct "),
    "float for numpy.float64": (
        np.float64,
        1.0,
        "expected numpy.float64, got float 1.0; write numpy.float64(…)",
    ),
    "beyond 64 bits": (
        np.uint64,
        np.uint64(2**64 - 1),
        "18446744073709551615 does not fit a signed 64-bit integer; pass it as str",
    ),
    "list for array": (np.ndarray, [1], "expected numpy.ndarray, got list [1]; write numpy.asarray(…)"),
    "masked array": (
        np.ndarray,
        np.ma.array([1], mask=[True]),
        "expected numpy.ndarray, got MaskedArray masked_array(data=[--], mask=[ True], fill_value=999999, dtype=int64); "
        "write numpy.asarray(…)",
    ),
    "array of another type": (
        npt.NDArray[np.float64],
        np.arange(3),
        "expected an array of float64, got one of int64; write array.astype(numpy.float64)",
    ),
    "array of objects": (
        np.ndarray,
        np.array([{}]),
        "the array holds Python objects; convert it: array.astype(float), astype(str), …",
    ),
    "array for list": (
        list[int],
        np.arange(2),
        "expected list[int], got ndarray array([0, 1]); write ….tolist()",
    ),
    "another class than is pickled": (Pickle[Fraction], 3, "expected Fraction, got int 3"),
    "what no pickle holds": (
        Pickle[object],
        (one for one in ()),
        "the generator cannot be pickled: cannot pickle 'generator' object; "
        "define its class and functions at the top of a module",
    ),
    "text for iterator": (Iterator[str], "abc", "expected Iterator[str], got str 'abc'"),
    "item": (Iterator[int], [1, "a"], "[1]: expected int, got str 'a'"),
    "date for datetime": (
        dt.datetime,
        dt.date(2020, 1, 1),
        "expected datetime, got date datetime.date(2020, 1, 1)",
    ),
    "seconds for timedelta": (dt.timedelta, 3, "expected timedelta, got int 3; write timedelta(seconds=…)"),
    "tuple for list": (list[int], (1,), "expected list[int], got tuple (1,); write list(…)"),
    "element": (list[int], [1, "b"], "[1]: expected int, got str 'b'"),
    "nested element": (list[list[int]], [[1], ["b"]], "[1][0]: expected int, got str 'b'"),
    "value": (dict[str, int], {"a": 1, "b": None}, "['b']: expected int, got None"),
    "key": (dict[str, int], {1: 1}, "key 1 is int; keys must be str"),
    "struct": (
        dict,
        {"a": {"b": {1, 2}}},
        "$.a.b: set is not JSON-like data; use a dataclass, or convert it to str, int, float, list or dict",
    ),
    "struct key": (dict, {"a": {2: 1}}, "$.a: key 2 is int; keys must be str"),
    "union": (Union[int, str], 1.5, "expected int | str, got float 1.5"),
    "enum": (Color, "green", "expected Color (red, light blue), got str 'green'"),
    "other enum": (Color, Level.LOW, "expected Color (red, light blue), got Level <Level.LOW: 1>"),
    "another class": (Point, {"x": 1}, "expected Point, got dict {'x': 1}; write Point(**…)"),
    "field of one of several": (
        Optional[Shape],
        Shape("a", [Point("1")]),
        "corners[0].x: expected int, got str '1'",
    ),
    "element of one of several": (list[int] | int, [1, "a"], "[1]: expected int, got str 'a'"),
    "subclass with more fields": (
        Point,
        Solid(1),
        "expected Point, got Solid, whose field 'z' would be lost; annotate it as Solid",
    ),
    "field": (Shape, Shape("a", [Point("1")]), "corners[0].x: expected int, got str '1'"),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_says_what_was_expected_and_given(transfer, case):
    python_type, value, expected = BAD_VALUES[case]
    with pytest.raises((LimosaError, ValueError)) as caught:
        to_literal(value, python_type, transfer)
    assert str(caught.value) == expected


BAD_LITERALS = [
    (int, to_literal("a", str, NOWHERE), "expected int, got str"),
    (str, to_literal([1], list[int], NOWHERE), "expected str, got list"),
    (list[int], to_literal(["a"], list[str], NOWHERE), "[0]: expected int, got str"),
    (dict[str, int], to_literal({"k": "a"}, dict[str, str], NOWHERE), "['k']: expected int, got str"),
    (Color, LiteralMessage(enum_value="green"), "'green' is not one of Color's values: red, light blue"),
    (Point, LiteralMessage(record={"fields": {}}), "the record lacks the field 'x' of Point"),
    (Point, to_literal(3, int, NOWHERE), "expected Point, got int"),
    (
        Options,
        from_plain({"rate": -1.0}, literal_type(Options)),
        "rate: Options refuses -1.0: Input should be greater than or equal to 0; give a value that it accepts",
    ),
    (
        Node,
        from_plain({"id": str(uuid.UUID(int=1)), "tags": ["a", 3]}, literal_type(Node)),
        "tags[1]: Node.tags refuses 3: Input should be a valid string; give a value that it accepts",
    ),
    (Literal["a", "b"], LiteralMessage(enum_value="c"), "expected Literal['a', 'b'], got Enum"),
    (np.uint8, to_literal(300, int, NOWHERE), "300 does not fit numpy.uint8; use a wider type"),
    (Pickle[int], to_literal(3, int, NOWHERE), "expected Pickle[int], got int"),
    (Duration, to_literal(3, int, NOWHERE), "expected Duration, got int"),
    (Optional[int], to_literal("a", str, NOWHERE), "expected int | None, got str"),
]


@pytest.mark.parametrize(("python_type", "literal", "expected"), BAD_LITERALS)
def test_says_what_a_stored_value_is(python_type, literal, expected):
    with pytest.raises(LimosaError) as caught:
        to_python(literal, python_type, NOWHERE)
    assert str(caught.value) == expected


def test_a_number_of_another_library_says_how_to_convert_it():
    with pytest.raises(LimosaError) as caught:
        to_literal(np.int64(3), int, NOWHERE)
    assert str(caught.value) == "expected int, got numpy.int64; write int(…)"
