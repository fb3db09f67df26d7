"""Inputs as a person writes them."""

import dataclasses
import datetime as dt
import json
import math
import os
import re
from typing import Literal, TypedDict

import click
import pytest

from limosa.cli.typed_command import read_arguments
from limosa.errors import LimosaError
from limosa.render.outputs import json_text, render_data
from limosa.types import Stored, literal_type
from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_model.values import to_plain


class Uploads:
    """Takes uploads for a store that is nowhere."""

    def __init__(self):
        self.names = []

    def upload_file(self, path, name):
        self.names.append(name)
        return Stored(f"s3://b/{name}", path.stat().st_size, "sha256:x")

    def upload_directory(self, path, name):
        self.names.append(name + "/")
        return Stored(f"s3://b/{name}", 1, "sha256:x")

    def scratch(self, name):
        import tempfile
        from pathlib import Path

        return Path(tempfile.mkdtemp()) / name


def interface(**types):
    made = Interface()
    for name, type_ in types.items():
        made.inputs.append(Variable(name=name, type=literal_type(type_)))
    return made


def read(wanted, *arguments, uploads=None):
    given = read_arguments(wanted, arguments, name="f", description="", usage="limosa run f.py f")
    literals = given.literals(uploads or Uploads())
    return {name: to_plain(literal) for name, literal in literals.literals.items()}


class Row(TypedDict, total=False):
    id: int
    note: str


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (int, "-3", -3),
        (float, "1e-3", 0.001),
        (float, "2", 2.0),
        (str, "@not-a-file", "@not-a-file"),
        (str, "", ""),
        (list[int], "[1, 2]", [1, 2]),
        (dict[str, float], '{"a": 1.5}', {"a": 1.5}),
        (dict, '{"a": [1, null]}', {"a": [1, None]}),
        (int | None, "4", 4),
        (int | None, "null", None),
        (int | str, "4", 4),
        (int | str, "four", "four"),
        (bool | int, "1", 1),
        (bool | int, "0", 0),
        (bool | int, "true", True),
        (bool | int | str, "false", False),
        (bool | int | str, "yes", "yes"),
        (bool | float, "1", 1.0),
        (bool | str, "1", "1"),
        (str | None, "text", "text"),
        (bytes, "aGVsbG8=", "aGVsbG8="),
        (bytes | None, "null", None),
        (dt.date, "2024-05-01", "2024-05-01"),
        (list, '[1, {"a": null}]', [1, {"a": None}]),
        (Literal["fast", "slow"], "slow", "slow"),
        (Literal[1, 2], "2", 2),
        (Row, '{"id": 1}', {"id": 1}),
    ],
)
def test_values_by_type(type_, text, value):
    result = read(interface(x=type_), f"--x={text}")["x"]
    assert result == value
    assert type(result) is type(value)


@dataclasses.dataclass
class Fit:
    rate: float
    bounds: list[float]


NOT_FINITE = [
    (float, math.nan),
    (list[float], [math.nan, 1.0, -math.inf]),
    (dict[str, list[float]], {"a": [math.inf]}),
    (Fit, {"rate": math.nan, "bounds": [-math.inf, 0.5]}),
    (float | None, math.inf),
    (list[float | None], [None, math.nan]),
]


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize(("type_", "value"), NOT_FINITE)
def test_numbers_that_are_not_finite_go_in_as_they_come_out(tmp_path, form, type_, value):
    file = tmp_path / f"out.{form}"
    file.write_text(render_data({"x": value}, form))
    assert repr(read(interface(x=type_), "--inputs-file", str(file))["x"]) == repr(value)


@pytest.mark.parametrize(("type_", "value"), NOT_FINITE)
def test_numbers_that_are_not_finite_go_in_as_options(type_, value):
    texts = [json_text(value), json.dumps(value)]  # as JSON has them, and as Python's JSON does
    for text in [texts[1]] if isinstance(value, float) else texts:
        assert repr(read(interface(x=type_), f"--x={text.strip()}")["x"]) == repr(value)


@pytest.mark.parametrize("text", ["nan", "infinity", "+Infinity", "1.5", ""])
def test_other_texts_are_no_floats_within_json(text):
    with pytest.raises(LimosaError, match=re.escape(f"[0]: expected float, got str {text!r}")):
        read(interface(x=list[float]), "--x", json.dumps([text]))


def test_datetimes_and_durations():
    import datetime as dt

    wanted = interface(when=dt.datetime, span=dt.timedelta)
    assert read(wanted, "--when", "2024-05-01T10:00:00+02:00", "--span", "1h30m") == {
        "when": "2024-05-01T10:00:00+02:00",
        "span": 5400.0,
    }


def test_kebab_is_snake_and_booleans_have_two_forms():
    wanted = interface(learning_rate=float, use_gpu=bool, deep=bool | None)
    assert read(wanted, "--learning-rate", "1", "--use-gpu", "--no-deep") == {
        "learning_rate": 1.0,
        "use_gpu": True,
        "deep": False,
    }
    assert read(wanted, "--learning_rate=2", "--no-use_gpu", "--deep")["use_gpu"] is False


@pytest.mark.parametrize(
    ("type_", "text", "message"),
    [
        (int, "three", "input --x of f: expected int, got 'three'"),
        (float, "x", "expected float, got 'x'"),
        (list[int], "1,2", "expected list[int] as JSON, such as '[1, 2]', or @file; got '1,2'"),
        (list[int], '[1, "b"]', "[1]: expected int, got str 'b'"),
        (dict[str, int], "[1]", "expected dict[str, int]"),
        (int, "9223372036854775808", "does not fit a signed 64-bit integer"),
    ],
)
def test_bad_values_name_input_and_types(type_, text, message):
    with pytest.raises(LimosaError) as caught:
        read(interface(x=type_), "--x", text)
    assert message in str(caught.value)


def test_json_from_a_file(tmp_path):
    (tmp_path / "xs.json").write_text("[3, 4]")
    assert read(interface(x=list[int]), "--x", f"@{tmp_path / 'xs.json'}") == {"x": [3, 4]}
    with pytest.raises(LimosaError, match="cannot read it"):
        read(interface(x=list[int]), "--x", f"@{tmp_path / 'gone.json'}")


def test_all_missing_inputs_are_named_at_once():
    with pytest.raises(LimosaError) as caught:
        read(interface(a=int, b_c=list[str], d=str), "--d", "x")
    assert "--a: this input is required" in caught.value.message
    assert "--b-c: this input is required" in caught.value.message
    assert caught.value.remedy == "add --a int --b-c list[str]"


def test_an_unknown_input_suggests_the_nearest():
    with pytest.raises(click.NoSuchOption) as caught:
        read(interface(learning_rate=float), "--learning-rte", "1")
    assert "--learning-rate" in caught.value.format_message()


@pytest.mark.parametrize("option", ["--remote", "--detach", "-o"])
def test_our_options_among_the_inputs_are_explained(option):
    with pytest.raises(click.UsageError, match="stand before the file or name"):
        read(interface(a=int), "--a", "1", option)


def test_inputs_file_is_overridden_by_options(tmp_path):
    file = tmp_path / "in.json"
    file.write_text(json.dumps({"learning-rate": 0.5, "rows": 1}))
    wanted = interface(learning_rate=float, rows=int)
    assert read(wanted, "--inputs-file", str(file), "--rows", "2") == {"learning_rate": 0.5, "rows": 2}


@pytest.mark.parametrize(
    ("suffix", "text"), [("toml", "rows = 3\n"), ("yaml", "rows: 3\n"), ("json", '{"rows": 3}')]
)
def test_inputs_file_forms(tmp_path, suffix, text):
    file = tmp_path / f"in.{suffix}"
    file.write_text(text)
    assert read(interface(rows=int), "--inputs-file", str(file)) == {"rows": 3}


def test_inputs_from_standard_input(monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO('{"rows": 9}'))
    assert read(interface(rows=int), "--inputs-file", "-") == {"rows": 9}


TWICE = {
    "a value": ("in.json", '{"table": {"a": 1, "a": 2}}', "'a' is given twice"),
    "an input": ("in.json", '{"table": {}, "table": {}}', "'table' is given twice"),
    "yaml": ("in.yaml", "table:\n  a: 1\n  a: 2\n", "'a' is given twice"),
}


@pytest.mark.parametrize("where", TWICE)
def test_a_name_given_twice_is_refused(tmp_path, where):
    name, text, message = TWICE[where]
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(LimosaError, match=message) as caught:
        read(interface(table=dict[str, int]), "--inputs-file", str(file))
    assert str(file) in str(caught.value)


def test_a_name_given_twice_in_an_option_is_refused():
    with pytest.raises(LimosaError, match="'a' is given twice"):
        read(interface(table=dict[str, int]), "--table", '{"a": 1, "a": 2}')


def test_a_bad_inputs_file_is_placed(tmp_path):
    file = tmp_path / "in.json"
    for text, message in (
        ("[1]", "must be an object"),
        ("{", "not JSON"),
        ('{"rowz": 1}', "did you mean 'rows'"),
    ):
        file.write_text(text)
        with pytest.raises(LimosaError, match=message) as caught:
            read(interface(rows=int), "--inputs-file", str(file))
        assert str(file) in str(caught.value)
    file.write_text('{"rows": "many"}')
    with pytest.raises(LimosaError, match="input 'rows' of f: expected int"):
        read(interface(rows=int), "--inputs-file", str(file))


def test_an_input_may_be_called_inputs_file():
    assert read(interface(inputs_file=str), "--inputs-file", "x") == {"inputs_file": "x"}


def test_paths_are_uploaded_and_uris_are_not(tmp_path):
    from limosa import Directory, File

    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "d").mkdir()
    uploads = Uploads()
    wanted = interface(one=File, many=list[File], folder=Directory, far=File)
    values = read(
        wanted,
        "--one",
        str(tmp_path / "a.csv"),
        "--many",
        json.dumps([str(tmp_path / "a.csv"), "s3://b/far.csv"]),
        "--folder",
        str(tmp_path / "d"),
        "--far",
        "s3://b/k",
        uploads=uploads,
    )
    assert uploads.names == ["a.csv", "a.csv", "d/"]
    assert values["one"] == {"uri": "s3://b/a.csv", "kind": "file", "format": "csv", "size": 1}
    assert [one["uri"] for one in values["many"]] == ["s3://b/a.csv", "s3://b/far.csv"]
    assert values["folder"]["kind"] == "directory"


@pytest.mark.parametrize(
    ("name", "type_name", "message"),
    [
        ("gone", "File", "there is no file"),
        ("d", "File", "is a directory"),
        ("f", "Directory", "is a file"),
        ("pipe", "File", "is a device, pipe or socket: write a file of it first"),
    ],
)
def test_paths_of_the_wrong_kind(tmp_path, name, type_name, message):
    import limosa

    (tmp_path / "f").write_text("")
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LimosaError, match=message):
        read(interface(x=getattr(limosa, type_name)), "--x", str(tmp_path / name))


def test_an_address_with_a_slip_says_how_one_begins():
    import limosa

    with pytest.raises(LimosaError, match="there is no file s3:/b/k; an address begins with s3://"):
        read(interface(x=limosa.File), "--x", "s3:/b/k")


def test_a_frame_comes_from_csv_or_parquet(tmp_path):
    import pandas as pd

    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y\n")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "t.parquet")
    csv = read(interface(x=pd.DataFrame), "--x", str(tmp_path / "t.csv"))["x"]
    assert (csv["rows"], csv["columns"]) == (2, ["a", "b"])
    parquet = read(interface(x=pd.DataFrame), "--x", str(tmp_path / "t.parquet"))["x"]
    assert parquet["rows"] == 1
    (tmp_path / "bad.parquet").write_text("nonsense")
    (tmp_path / "x.txt").write_text("a")
    with pytest.raises(LimosaError, match=r"x\.txt: a frame is read from \.parquet, \.pq, \.csv or \.tsv"):
        read(interface(x=pd.DataFrame), "--x", str(tmp_path / "x.txt"))
    with pytest.raises(LimosaError, match="not a readable Parquet or CSV"):
        read(interface(x=pd.DataFrame), "--x", str(tmp_path / "bad.parquet"))


def test_files_within_records(tmp_path):
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType, RecordType

    (tmp_path / "a.csv").write_text("x")
    record = RecordType(name="m.Job")
    record.fields.add(name="source", type=literal_type(__import__("limosa").File))
    record.fields.add(name="rows", type=literal_type(int))
    wanted = Interface(inputs=[Variable(name="job", type=LiteralType(record=record))])
    text = json.dumps({"source": str(tmp_path / "a.csv"), "rows": 2})
    assert read(wanted, "--job", text)["job"]["source"]["uri"] == "s3://b/a.csv"
    with pytest.raises(LimosaError, match="needs its field 'rows'"):
        read(wanted, "--job", json.dumps({"source": str(tmp_path / "a.csv")}))


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
@pytest.mark.parametrize("type_", [list[int], dict])
def test_nesting_without_end_is_refused(tmp_path, suffix, type_):
    deep = "[" * 5000 + "]" * 5000
    (tmp_path / f"deep{suffix}").write_text(deep)
    wanted = interface(rows=type_)
    # From Python 3.13 on, json reads any depth, so the value is refused where it meets its type.
    refusal = r"nested too deeply|expected (int|dict), got list|must be an object"
    for text in (f"@{tmp_path / f'deep{suffix}'}", deep):
        with pytest.raises(LimosaError, match=refusal) as caught:
            read(wanted, "--rows", text)
        assert len(str(caught.value)) < 300
    with pytest.raises(LimosaError, match=refusal):
        read(wanted, "--inputs-file", str(tmp_path / f"deep{suffix}"))


@dataclasses.dataclass
class Job:
    name: str
    pause: dt.timedelta


@pytest.mark.parametrize(
    ("type_", "texts", "message"),
    [
        (dt.timedelta, ["banana"], "such as 10m, 90s, 1h30m, or seconds; got 'banana'"),
        (
            list[dt.timedelta],
            ['["1h", "banana"]'],
            r"input --rows of f: \[1\]: expected timedelta, such as 10m, 90s, 1h30m, or seconds; got 'banana'",
        ),
        (
            dict[str, dt.timedelta],
            ['{"a": true}'],
            r"\['a'\]: expected timedelta, such as .*; got True",
        ),
        (
            list[dt.timedelta],
            ['["99999999999d"]'],
            r"\[0\]: expected timedelta, such as .*; got '99999999999d'",
        ),
        (list[dt.timedelta], ["[NaN]"], r"\[0\]: expected timedelta, such as .*; got nan"),
        (
            Job,
            ['{"name": "x", "pause": "soon"}'],
            r"input --rows of f: pause: expected timedelta, such as .*; got 'soon'",
        ),
        (
            list[dt.datetime],
            ['["tomorrow"]'],
            r"\[0\]: expected datetime, such as 2024-05-01T10:00:00Z; got 'tomorrow'",
        ),
        (dt.datetime, ["tomorrow"], "expected datetime, such as 2024-05-01T10:00:00Z; got 'tomorrow'"),
        (list[int], ["1", "2"], r"all in one value, such as '\[1, 2\]'; got '2'"),
    ],
)
def test_what_does_not_fit_says_what_would(type_, texts, message):
    words = [word for text in texts for word in ("--rows", text)]
    with pytest.raises(LimosaError, match=message):
        read(interface(rows=type_), *words)


DATACLASS = """
from dataclasses import dataclass

from limosa import task


@dataclass
class Options:
    rate: float


@task
def train(options: Options, rows: list[Options] = [], n: int = 1) -> int:
    return n
"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--options", '{"rate": "x"}'], ["rate: expected float", "--options of train (Options, flow.py:6)"]),
        (["--options", '{"rate": 1}', "--rows", "[{}]"], ["--rows of train (Options, flow.py:6)"]),
        (["--options", "@gone.json"], ["gone.json: cannot read it", "at input --options of train"]),
        (["--n", "x"], ["at input --n of train\n"]),
        (["--options", "{}", "4"], ["got '4' without a name; inputs are named: --rows 4"]),
        (["--options", "{}", "[]", "4"], ["inputs are named: --rows [] --n 4"]),
        (["--options", "{}", "--rows", "[]", "--n", "3", "4"], ["there is no input left for it"]),
    ],
)
def test_a_value_that_does_not_fit_names_option_class_and_line(limosa, place, words, told):
    (place / "flow.py").write_text(DATACLASS.lstrip("\n"))
    result = limosa("run", "flow.py", "train", *words)
    assert result.status == 2
    assert [one for one in told if one not in result.err] == [], result.err


@pytest.mark.parametrize(
    ("type_", "text", "message"),
    [
        (bytes, "hello", "expected bytes, such as aGVsbG8=, which is base64; got 'hello'"),
        (bytes, "@nowhere.bin", "nowhere.bin: cannot read it: No such file or directory"),
        (dt.date, "2024-13-01", "expected date, such as 2024-05-01; got '2024-13-01'"),
        (Literal["fast", "slow"], "quick", "'quick' is not one of fast, slow"),
    ],
)
def test_what_is_no_value_of_a_type_says_how_one_is_written(type_, text, message):
    with pytest.raises(LimosaError) as caught:
        read(interface(x=type_), f"--x={text}")
    assert caught.value.message == message


def test_bytes_come_from_a_file(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\x00\xff")
    assert read(interface(x=bytes), f"--x=@{tmp_path}/x.bin")["x"] == "AP8="
