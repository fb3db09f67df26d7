import datetime as dt
import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_model import values
from limosa_model.plain import parse_duration

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def wire(literal: Literal) -> Literal:
    return Literal.FromString(literal.SerializeToString())


@given(JSON.filter(lambda value: isinstance(value, dict)))
def test_struct_keeps_every_value_and_its_type(value):
    back = values.to_plain(wire(values.struct(value)))
    assert back == value
    assert json.dumps(back, sort_keys=True) == json.dumps(value, sort_keys=True)


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_stay_integers(value):
    back = values.to_python_primitive(wire(values.integer(value)))
    assert back == value
    assert type(back) is int


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_integers_beyond_64_bits_are_refused_with_a_way_out(value):
    with pytest.raises(ValueError, match="64-bit integer; pass it as str"):
        values.integer(value)


def test_nan_and_infinities_survive():
    assert math.isnan(values.to_python_primitive(wire(values.float_(math.nan))))
    assert values.to_python_primitive(wire(values.float_(-math.inf))) == -math.inf


OFFSETS = st.none() | st.integers(-1439, 1439).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))


@given(st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29), timezones=OFFSETS))
def test_datetimes_keep_instant_and_offset(value):
    back = values.to_python_primitive(wire(values.datetime_(value)))
    assert back == value
    assert back.utcoffset() == value.utcoffset()


def test_the_second_of_two_equal_hours_stays_the_second():
    value = dt.datetime(2026, 10, 25, 2, 30, fold=1)
    assert values.to_python_primitive(wire(values.datetime_(value))).fold == 1
    assert not values.datetime_(value.replace(fold=0)).primitive.datetime.fold


@given(st.timedeltas(dt.timedelta(days=-3_000_000), dt.timedelta(days=3_000_000)))
def test_durations_are_exact_to_the_microsecond(value):
    assert values.to_python_primitive(wire(values.duration(value))) == value


def test_struct_names_the_place_of_what_is_not_json():
    with pytest.raises(ValueError, match=r"\$\.rows\[1\]: set is not JSON-like data"):
        values.struct({"rows": [1, {2}]})
    with pytest.raises(ValueError, match=r"\$: key 1 is int; keys must be str"):
        values.struct({1: "x"})


def test_summaries_fit_their_width():
    text = values.summarize(values.string("word " * 100), width=30)
    assert len(text) == 30
    assert text.endswith("…")


@given(st.permutations(["zebra", "ant", "mole", "bee"]))
def test_keys_keep_their_order_on_the_wire(keys):
    typed = values.literal_map({key: values.integer(number) for number, key in enumerate(keys)})
    untyped = values.struct({"outer": {key: number for number, key in enumerate(keys)}})
    fields = values.record({key: values.integer(number) for number, key in enumerate(keys)})
    assert list(values.to_plain(wire(typed))) == keys
    assert list(values.to_plain(wire(untyped))["outer"]) == keys
    assert list(values.to_plain(wire(fields))) == keys


def test_an_order_that_is_not_the_keys_is_not_believed():
    literal = values.literal_map({"b": values.integer(1), "a": values.integer(2)})
    literal.map_value.order.append("c")
    assert list(values.to_plain(literal)) == ["a", "b"]


@given(st.timedeltas(dt.timedelta(days=-3_000_000), dt.timedelta(days=3_000_000)))
@example(dt.timedelta(minutes=5))
@example(dt.timedelta(hours=-1, minutes=-30))
@example(dt.timedelta(microseconds=1))
@example(dt.timedelta(0))
def test_a_duration_is_shown_as_it_may_be_written(value):
    literal = values.duration(value)
    assert parse_duration(values.summarize(literal)) == value


def test_words_of_durations_are_short():
    words = [values.summarize(values.duration(dt.timedelta(seconds=s))) for s in (300, 5400, 0, -0.5)]
    assert words == ["5m", "1h30m", "0s", "-0.5s"]
