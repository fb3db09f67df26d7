"""Values on their way through tasks: what parts of them other tasks take, and what a task does that yields."""

import dataclasses
import datetime as dt
import importlib
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
import pandas as pd
import pydantic
import pytest

from limosa import Directory, File, LimosaError, Pickle, task, workflow
from limosa.local import LocalTransfer
from limosa.runtime.call import outputs_of
from limosa.runtime.outcome import LaunchFailed
from limosa.types import to_literal, to_python
from limosa_model.failures import Code


class Fit(pydantic.BaseModel, arbitrary_types_allowed=True):
    rate: float
    names: list[str]
    log: File
    folder: Directory
    frame: pd.DataFrame


@dataclasses.dataclass
class Report:
    fit: Fit
    files: list[File]
    parts: list[dict]
    second: Fit | None = None
    on: dt.date = dt.date(2020, 1, 1)


class Row(TypedDict):
    id: int
    weight: np.float32


class Parts(NamedTuple):
    name: str
    text: str
    read: str
    number: int
    rows: int
    rate: float
    weekday: int


@task
def report(n: int) -> Report:
    Path("a.txt").write_text("hello")
    Path("d").mkdir()
    Path("d/b.txt").write_text("there")
    fit = Fit(
        rate=0.5,
        names=["p", "q"],
        log=File("a.txt"),
        folder=Directory("d"),
        frame=pd.DataFrame({"x": range(n)}),
    )
    return Report(fit, [File("a.txt")], [{"k": {"z": n}}], fit)


@task
def parts(name: str, f: File, d: Directory, z: int, frame: pd.DataFrame, rate: float, on: dt.date) -> Parts:
    return Parts(name, f.open().read(), Path(d, "b.txt").read_text(), z, len(frame), rate, on.weekday())


@workflow
def takes_parts(n: int) -> Parts:
    made = report(n=n)
    found = parts(
        name=made.fit.names[1],
        f=made.files[0],
        d=made.fit.folder,
        z=made.parts[0]["k"]["z"],
        frame=made.fit.frame,
        rate=made.second.rate,
        on=made.on,
    )
    return Parts(*found)


def test_parts_of_a_value_go_to_other_tasks():
    assert takes_parts(n=3) == Parts("q", "hello", "there", 3, 3, 0.5, 2)


@task
def rows(n: int) -> Iterator[Row]:
    for i in range(n):
        yield {"id": i, "weight": np.float32(i / 2)}


@task
def twice(rows: Iterable[Row]) -> tuple[int, float]:
    return sum(row["id"] for row in rows), float(sum(row["weight"] for row in rows))


@task
def text_of(lines: File) -> str:
    return lines.open().read()


class Read(NamedTuple):
    ids: int
    weights: float
    text: str


@workflow
def yields(n: int) -> Read:
    made = rows(n=n)
    ids, weights = twice(rows=made)
    return Read(ids, weights, text_of(lines=made))


def test_what_a_task_yields_is_read_item_by_item_and_as_the_file_it_is():
    assert yields(n=3) == (
        3,
        1.5,
        '{"id": 0, "weight": 0.0}\n{"id": 1, "weight": 0.5}\n{"id": 2, "weight": 1.0}\n',
    )


def test_a_call_gives_an_iterator_as_a_function_does():
    given = rows(n=2)
    assert next(given)["id"] == 0
    assert [row["id"] for row in given] == [1]


def test_neither_who_writes_nor_who_reads_holds_all_items(tmp_path):
    transfer = LocalTransfer(tmp_path / "data", tmp_path / "scratch")
    size, count = 100_000, 300
    tracemalloc.start()
    try:
        literal = to_literal((f"{i:0{size}}" for i in range(count)), Iterator[str], transfer)
        assert sum(int(item[-9:]) for item in to_python(literal, Iterator[str], transfer)) == sum(
            range(count)
        )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert literal.blob.size > size * count
    assert peak < size * count / 3


def test_items_are_read_as_they_are_asked_for(tmp_path):
    transfer = LocalTransfer(tmp_path / "data", tmp_path / "scratch")
    (tmp_path / "items.jsonl").write_text('1\n2\n\n"x"\n')
    items = to_python(to_literal(File(tmp_path / "items.jsonl"), File, transfer), Iterator[int], transfer)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(LimosaError, match=r"items.jsonl, line 4: expected int, got str 'x'") as caught:
        next(items)
    assert caught.value.remedy == "write one int as JSON a line"


@task
def breaks(n: int) -> Iterator[int]:
    yield n
    raise ValueError("no more")


@task
def wrong_item(n: int) -> Iterator[int]:
    yield n
    yield "a"  # type: ignore[misc]


def test_an_exception_of_a_generator_is_its_author_s_own(tmp_path):
    with pytest.raises(ValueError, match="no more"):
        breaks(n=1)
    transfer = LocalTransfer(tmp_path / "data", tmp_path / "scratch")
    with pytest.raises(LaunchFailed) as caught:
        outputs_of(breaks, breaks.run_function({"n": 1}), transfer, tmp_path)
    assert caught.value.failure.code == Code.USER_EXCEPTION
    assert caught.value.failure.message == "ValueError: no more"
    assert caught.value.failure.retryable


def test_a_wrong_item_is_named():
    with pytest.raises(LimosaError, match=r"the result: \[1\]: expected int, got str 'a'"):
        wrong_item(n=1)


@task
def pickled(n: int) -> Pickle[Fraction]:
    return Fraction(1, n)


@task
def unpickled(value: Pickle[Fraction], mode: Literal["up", "down"] = "up") -> str:
    return f"{value} {mode}"


@task
def says(text: str) -> str:
    return text


@task
def chooses(up: bool) -> Literal["up", "down"]:
    return "up" if up else "down"


@workflow
def opaque(n: int) -> str:
    return says(text=unpickled(value=pickled(n=n), mode=chooses(up=False)))


def test_what_is_pickled_by_name_comes_back():
    assert opaque(n=3) == "1/3 down"


@workflow
def spoken(up: bool) -> str:
    return says(text=chooses(up=up))


def test_a_choice_of_texts_is_a_text():
    assert spoken(up=True) == "up"


@task
def of_any(xs: list) -> list:
    return [len(xs), *xs]


@task
def squares(n: int) -> list[int]:
    return [i * i for i in range(n)]


@task
def text(n: int) -> str:
    return "a" * n


class Lists(NamedTuple):
    mixed: list
    typed: list
    item: int


@task
def double(x: int) -> int:
    return x * 2


@workflow
def lists(n: int) -> Lists:
    mixed = of_any(xs=[n, text(n=n), None, {"a": 1.0}])
    return Lists(mixed, of_any(xs=squares(n=n)), double(x=mixed[4]["a"]))


def test_a_list_without_its_type_holds_json():
    with pytest.raises(LimosaError, match="input 'x': expected int, got float"):
        lists(n=2)


@workflow
def whole(n: int) -> Lists:
    mixed = of_any(xs=[n, text(n=n), None, {"a": 1}])
    return Lists(mixed, of_any(xs=squares(n=n)), double(x=mixed[4]["a"]))


def test_ints_stay_ints_in_a_list_without_its_type():
    assert whole(n=2) == ([4, 2, "aa", None, {"a": 1}], [2, 0, 1], 2)
    assert repr(whole(n=2).mixed[4]) == "{'a': 1}"


def test_several_outputs_need_no_names():
    @task
    def several(n: int) -> tuple[int, np.ndarray]:
        return n, np.arange(n)

    @workflow
    def unpacks(n: int) -> tuple[int, np.ndarray]:
        number, array = several(n=n)
        return number, array

    number, array = unpacks(n=2)
    assert (number, array.tolist()) == (2, [0, 1])
    array[0] = 9
    assert several(n=2).o1.tolist() == [0, 1]


@task
def wrong_first(n: int) -> tuple[int, str]:
    return "a" * n, ""  # type: ignore[return-value]


@task
def wrong_second(n: int) -> tuple[int, np.ndarray]:
    return n, [n]  # type: ignore[return-value]


def test_the_output_of_several_that_is_wrong_is_named():
    with pytest.raises(LimosaError, match=r"output 'o0': expected int, got str 'a'"):
        wrong_first(n=1)
    with pytest.raises(LimosaError, match=r"output 'o1': expected numpy.ndarray, got list \[1\]"):
        wrong_second(n=1)


def test_a_result_of_another_type_is_refused():
    @task
    def rounded(x: float) -> int:
        return x  # type: ignore[return-value]

    with pytest.raises(LimosaError, match=r"the result: expected int, got float 2.5") as caught:
        rounded(x=2.5)
    assert caught.value.remedy == "write round(…) or int(…)"


GRIDS = """
from limosa.types import literal_type, to_literal, to_python
class Grid:
    def __init__(self, side): self.side = side
class Converter:
    def literal_type(self, python_type): return literal_type(int)
    def to_literal(self, value, python_type, transfer): return to_literal(value.side, int, transfer)
    def to_python(self, literal, python_type, transfer): return Grid(to_python(literal, int, transfer))
CONVERTER = Converter()
"""


def test_a_package_adds_its_types_by_an_entry_point(tmp_path, monkeypatch):
    (tmp_path / "grids.py").write_text(GRIDS)
    made = tmp_path / "grids-1.dist-info"
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: grids\nVersion: 1\n")
    (made / "entry_points.txt").write_text("[limosa.types]\ngrids.Grid = grids:CONVERTER\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "grids", None)
    monkeypatch.delitem(sys.modules, "grids")
    grid_class: Any = importlib.import_module("grids").Grid

    @task
    def grow(grid: grid_class) -> grid_class:  # type: ignore[valid-type]
        return grid_class(grid.side + 1)

    assert grow(grid=grid_class(2)).side == 3
