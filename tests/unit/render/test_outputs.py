import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from limosa.render.outputs import render_data, render_outputs

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(DATA)
def test_scripts_read_back_what_was_printed(data):
    assert json.loads(render_data(data, "json")) == data
    assert yaml.safe_load(render_data(data, "yaml")) == data


def test_one_unnamed_output_is_bare_and_others_have_names():
    assert render_outputs({"o0": "Hello"}, "text") == "Hello\n"
    assert render_outputs({"score": 0.5, "model": {"uri": "s3://b/m", "kind": "file"}}, "text") == (
        "score: 0.5\nmodel: s3://b/m\n"
    )
    assert json.loads(render_outputs({"o0": 1}, "json")) == {"o0": 1}
