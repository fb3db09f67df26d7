import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from limosa.render.outputs import render_data, render_outputs, shortened_outputs

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(DATA)
def test_scripts_read_back_what_was_printed(data):
    assert json.loads(render_data(data, "json")) == data
    assert yaml.safe_load(render_data(data, "yaml")) == data


@pytest.mark.parametrize("value", [1e-05, 1e16, 1.5e300, 0.1, -2.0, float("inf"), float("-inf")])
def test_floats_stay_floats_in_yaml(value):
    assert yaml.safe_load(render_data({"x": value}, "yaml")) == {"x": value}


def test_a_long_list_has_a_line_for_each_element():
    rows = [{"word": "godwit", "count": number} for number in range(5)]
    assert [json.loads(line) for line in render_data(rows, "text").splitlines()] == rows
    assert render_data([1, 2], "text") == "[1, 2]\n"


def test_for_a_person_much_is_shortened_and_the_command_for_all_of_it_is_told():
    whole = "limosa outputs calm-heron-4f2a"
    lines = shortened_outputs({"o0": list(range(3000))}, whole).splitlines()
    assert lines == [*map(str, range(20)), f"… 2,980 more; all of it: {whole}"]
    named = shortened_outputs({"a": "x" * 5000, "b": list(range(3000)), "c": 1}, whole).splitlines()
    assert named == [
        "a: " + "x" * 1000 + " …",
        "b: [" + ", ".join(map(str, range(20))) + ", … 2,980 more]",
        "c: 1",
        f"all of it: {whole}",
    ]
    for small in (
        {"o0": list(range(40))},
        {"o0": "x" * 1000},
        {"a": 1, "b": [{"uri": "s3://b/m", "kind": "file"}]},
    ):
        assert shortened_outputs(small, whole) == render_outputs(small, "text")


def test_one_unnamed_output_is_bare_and_others_have_names():
    assert render_outputs({"o0": "Hello"}, "text") == "Hello\n"
    assert render_outputs({"score": 0.5, "model": {"uri": "s3://b/m", "kind": "file"}}, "text") == (
        "score: 0.5\nmodel: s3://b/m\n"
    )
    assert json.loads(render_outputs({"o0": 1}, "json")) == {"o0": 1}


def test_json_has_no_bare_words_for_numbers_that_are_not_finite():
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    data = {"a": [float("nan"), 1.5], "b": {"c": float("inf"), "d": -float("inf")}}
    read = json.loads(render_data(data, "json"), parse_constant=refuse)
    assert read == {"a": ["NaN", 1.5], "b": {"c": "Infinity", "d": "-Infinity"}}
