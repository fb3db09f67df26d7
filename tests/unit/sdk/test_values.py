# ruff: noqa: UP007, UP045 - both spellings of a union must work
"""Values survive the way to literals, to bytes and back; what does not fit says so."""

import dataclasses
import datetime as dt
import enum
import math
from pathlib import Path
from typing import Optional, Union

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa.errors import LimosaError
from limosa.types import literal_type, to_literal, to_python
from limosa.types.transfer import NoTransfer
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_model.digests import serialize
from limosa_model.types import conforms

NOWHERE = NoTransfer("the value", "")


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

TYPED = st.one_of(
    st.tuples(st.just(int), INT64),
    st.tuples(st.just(float), FLOAT),
    st.tuples(st.just(str), TEXT),
    st.tuples(st.just(bool), st.booleans()),
    st.tuples(st.just(None), st.none()),
    st.tuples(st.just(dt.datetime), st.datetimes() | st.datetimes(timezones=OFFSETS)),
    st.tuples(st.just(dt.timedelta), st.timedeltas()),
    st.tuples(st.just(Color), st.sampled_from(Color)),
    st.tuples(st.just(Level), st.sampled_from(Level)),
    st.tuples(st.just(Size), st.sampled_from(Size)),
    st.tuples(st.just(dict), st.dictionaries(TEXT, JSON, max_size=4)),
    st.tuples(st.just(list[int]), st.lists(INT64, max_size=5)),
    st.tuples(st.just(list[list[str]]), st.lists(st.lists(TEXT, max_size=2), max_size=3)),
    st.tuples(st.just(dict[str, float]), st.dictionaries(TEXT, FLOAT, max_size=4)),
    st.tuples(st.just(Optional[int]), st.none() | INT64),
    st.tuples(st.just(int | None), st.none() | INT64),
    st.tuples(st.just(Union[int, str, None]), st.none() | INT64 | TEXT),
    st.tuples(st.just(Union[int, float, bool]), INT64 | FLOAT | st.booleans()),
    st.tuples(
        st.just(Union[list[int], list[str]]),
        st.lists(INT64, min_size=1, max_size=3) | st.lists(TEXT, min_size=1, max_size=3),
    ),
    st.tuples(st.just(Point), POINTS),
    st.tuples(
        st.just(Shape),
        st.builds(
            Shape,
            TEXT,
            st.lists(POINTS, max_size=3),
            st.none() | st.sampled_from(Color),
            st.dictionaries(TEXT, TEXT, max_size=2),
            st.datetimes(),
        ),
    ),
)


@given(TYPED)
def test_there_and_back(case):
    python_type, value = case
    literal = to_literal(value, python_type, NOWHERE)
    assert conforms(literal, literal_type(python_type)) is None
    again = to_python(Literal.FromString(serialize(literal)), python_type, NOWHERE)
    assert again == value
    assert type(again) is type(value)
    assert serialize(to_literal(again, python_type, NOWHERE)) == serialize(literal)


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


def test_an_int_becomes_a_float_where_one_is_declared_at_any_depth():
    literal = to_literal([1, 2.5], list[float], NOWHERE)
    assert to_python(literal, list[float], NOWHERE) == [1.0, 2.5]
    assert isinstance(to_python(literal, list[float], NOWHERE)[0], float)


def test_the_exact_variant_of_a_union_is_chosen():
    for value, tag in ((1, "int"), (1.0, "float"), (True, "bool"), (None, "None")):
        literal = to_literal(value, Union[float, bool, int, None], NOWHERE)
        assert literal.union_value.tag == tag


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
    "bool for int": (int, True, "expected int, got bool True"),
    "float for int": (int, 1.0, "expected int, got float 1.0"),
    "none for int": (int, None, "expected int, got None"),
    "bool for float": (float, True, "expected float, got bool True"),
    "text for float": (float, "1", "expected float, got str '1'"),
    "huge int for float": (float, 10**400, "an int of 1329 bits is beyond the range of float"),
    "inexact int for float": (
        float,
        2**53 + 1,
        "9007199254740993 is no exact float; write float(…) if the nearest one is meant",
    ),
    "int for bool": (bool, 1, "expected bool, got int 1"),
    "int for text": (str, 1, "expected str, got int 1"),
    "half a surrogate": (str, "\ud800", "the text cannot be encoded as UTF-8"),
    "date for datetime": (
        dt.datetime,
        dt.date(2020, 1, 1),
        "expected datetime, got date datetime.date(2020, 1, 1)",
    ),
    "seconds for timedelta": (dt.timedelta, 3, "expected timedelta, got int 3"),
    "tuple for list": (list[int], (1,), "expected list[int], got tuple (1,)"),
    "element": (list[int], [1, "b"], "[1]: expected int, got str 'b'"),
    "nested element": (list[list[int]], [[1], ["b"]], "[1][0]: expected int, got str 'b'"),
    "value": (dict[str, int], {"a": 1, "b": None}, "['b']: expected int, got None"),
    "key": (dict[str, int], {1: 1}, "key 1 is int; keys must be str"),
    "struct": (dict, {"a": {"b": {1, 2}}}, "$.a.b: set is not JSON-like data"),
    "struct key": (dict, {"a": {2: 1}}, "$.a: key 2 is int; keys must be str"),
    "union": (Union[int, str], 1.5, "expected int | str, got float 1.5"),
    "enum": (Color, "green", "expected Color (red, light blue), got str 'green'"),
    "other enum": (Color, Level.LOW, "expected Color (red, light blue), got Level <Level.LOW: 1>"),
    "another class": (Point, {"x": 1}, "expected Point, got dict {'x': 1}"),
    "field": (Shape, Shape("a", [Point("1")]), "corners[0].x: expected int, got str '1'"),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_says_what_was_expected_and_given(case):
    python_type, value, expected = BAD_VALUES[case]
    with pytest.raises((LimosaError, ValueError)) as caught:
        to_literal(value, python_type, NOWHERE)
    assert str(caught.value).startswith(expected)


BAD_LITERALS = [
    (int, to_literal("a", str, NOWHERE), "expected int, got str"),
    (str, to_literal([1], list[int], NOWHERE), "expected str, got list"),
    (list[int], to_literal(["a"], list[str], NOWHERE), "[0]: expected int, got str"),
    (dict[str, int], to_literal({"k": "a"}, dict[str, str], NOWHERE), "['k']: expected int, got str"),
    (Color, Literal(enum_value="green"), "'green' is not one of Color's values: red, light blue"),
    (Point, Literal(record={"fields": {}}), "the record lacks the field 'x' of Point"),
    (Point, to_literal(3, int, NOWHERE), "expected Point, got int"),
    (Optional[int], to_literal("a", str, NOWHERE), "expected int | None, got str"),
]


@pytest.mark.parametrize(("python_type", "literal", "expected"), BAD_LITERALS)
def test_says_what_a_stored_value_is(python_type, literal, expected):
    with pytest.raises(LimosaError) as caught:
        to_python(literal, python_type, NOWHERE)
    assert str(caught.value) == expected


@dataclasses.dataclass
class Tree:
    children: "list[Tree]"


@dataclasses.dataclass
class Holder:
    path: Path


class Plain:
    pass


BAD_TYPES = [
    (tuple, "the type tuple is not supported; use list[T], or a NamedTuple for several outputs"),
    (frozenset[int], "the type frozenset[int] is not supported; use list[T]"),
    (Path, "the type Path is not supported; use File or Directory: a path means nothing in another pod"),
    (dt.date, "the type date is not supported; use datetime"),
    (Plain, "the type Plain is not supported; use a dataclass with typed fields"),
    (list[bytes], "the type bytes is not supported; write the bytes to a File"),
    (dict[int, str], "dict[int, str] has int keys; use str keys"),
    (
        Tree,
        "field Tree.children: the dataclass Tree contains itself; give the parts as list[dict], or flatten it",
    ),
    (
        Holder,
        "field Holder.path: the type Path is not supported; "
        "use File or Directory: a path means nothing in another pod",
    ),
    ("int", "'int' is not a type; annotate with a type"),
]


@pytest.mark.parametrize(("python_type", "expected"), BAD_TYPES)
def test_says_what_to_use_instead(python_type, expected):
    with pytest.raises(LimosaError) as caught:
        literal_type(python_type)
    assert str(caught.value) == expected


def test_a_number_of_another_library_says_how_to_convert_it():
    with pytest.raises(LimosaError) as caught:
        to_literal(np.int64(3), int, NOWHERE)
    assert str(caught.value) == "expected int, got numpy.int64; write int(…)"
