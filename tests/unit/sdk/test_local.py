"""Tasks and workflows as plain Python: the same values, order and choices as in pods."""

import functools
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import pytest

from limosa import (
    Directory,
    File,
    LaunchPlan,
    LimosaError,
    chain,
    conditional,
    map_task,
    task,
    workflow,
)
from limosa.local import KEPT_RUNS, run, unenforced
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import (
    Commit,
    ErrorRecord,
    NodePhase,
)

CALLS = []


@pytest.fixture(autouse=True)
def no_calls():
    CALLS.clear()


@dataclass
class Config:
    rate: float
    names: list[str]


class Kind(Enum):
    ODD = "odd"
    EVEN = "even"


class Split(NamedTuple):
    low: int
    high: int


@task
def double(x: int) -> int:
    CALLS.append(("double", x))
    return 2 * x


@task
def add(a: int, b: int = 10) -> int:
    CALLS.append(("add", a, b))
    return a + b


@task
def halves(x: int) -> Split:
    return Split(x // 2, x - x // 2)


@task
def kind(x: int) -> Kind:
    return Kind.ODD if x % 2 else Kind.EVEN


@task
def make_config(rate: float) -> Config:
    return Config(rate, ["a", "b"])


@task
def name_of(name: str, rate: float) -> str:
    return f"{name}@{rate}"


@task
def note(text: str) -> None:
    CALLS.append(("note", text))


@task(retries=2)
def flaky(needed: int) -> int:
    CALLS.append("flaky")
    if len(CALLS) < needed:
        raise ConnectionError("not yet")
    return len(CALLS)


@task
def write(text: str) -> File:
    path = Path("made.txt")
    path.write_text(text)
    return File(path)


@task
def write_many(count: int) -> Directory:
    folder = Path("many")
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.txt").write_text("x" * number)
    return Directory(folder)


@task
def read(file: File) -> str:
    with file.open() as stream:
        first = stream.read()
    # A private copy: writing to it changes nobody else's file.
    Path(file.path).write_text("changed")
    return first


@task
def sizes(folder: Directory) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in Path(folder.path).iterdir()}


@task
def nested(x: int) -> int:
    return double(x=x) + 1


@workflow
def inner(x: int, by: int = 1) -> int:
    return add(a=double(x=x), b=by)


def test_a_task_is_called_with_defaults_and_by_position():
    assert add(1) == 11
    assert add(a=1, b=2) == 3


def test_a_task_calls_another_as_a_plain_function():
    assert nested(x=2) == 5


def test_values_are_checked_as_in_a_pod():
    @task
    def lies(x: int) -> int:
        return str(x)

    with pytest.raises(LimosaError, match=r"the result: expected int, got str '1'"):
        lies(x=1)
    with pytest.raises(LimosaError, match=r"input 'x': expected int, got str 'a'; pass a value of type int"):
        double(x="a")


@task
def forgetful(x: int) -> int:
    x + 1


def test_a_forgotten_return_is_named_with_its_function(tmp_path):
    text = (
        r"test_local\.py:\d+\): the function returned None, not int: it has no return, or one without a value"
    )
    with pytest.raises(LimosaError, match=text):
        run(forgetful, {"x": 1}, tmp_path)
    (path,) = tmp_path.rglob("error.pb")
    (frame,) = ErrorRecord.FromString(path.read_bytes()).failure.exception.frames
    assert (frame.function, frame.source[frame.line - frame.source_start]) == (
        "forgetful",
        "def forgetful(x: int) -> int:",
    )


@task(timeout=5)
def bounded(x: int) -> int:
    return x


def test_says_which_limits_do_not_hold_here():
    @workflow
    def wf(x: int) -> int:
        return bounded(x=double(x=x))

    assert unenforced(wf) == "timeouts and resources are not enforced in a local run: bounded"
    assert unenforced(double) == ""


def test_arguments_are_copies():
    @task
    def grow(xs: list[int]) -> list[int]:
        xs.append(1)
        return xs

    given = [0]
    assert grow(xs=given) == [0, 1]
    assert given == [0]


def test_a_workflow_with_constants_promises_and_a_sub_workflow():
    @workflow
    def wf(x: int) -> int:
        return add(a=inner(x=x), b=inner(x=double(x=1), by=0))

    assert wf(x=5) == (10 + 1) + 4


def test_named_outputs_keep_their_class():
    @workflow
    def wf(x: int) -> Split:
        parts = halves(x=x)
        low, high = halves(x=parts.high)
        return Split(low, add(a=high, b=parts.low))

    assert wf(x=9) == Split(low=2, high=7)
    assert isinstance(wf(x=9), Split)


def test_parts_of_records_lists_and_dicts():
    @workflow
    def wf(rate: float) -> list[str]:
        config = make_config(rate=rate)
        return [name_of(name=config.names[0], rate=config.rate), name_of(name=config.names[-1], rate=1)]

    assert wf(rate=0.5) == ["a@0.5", "b@1.0"]


def test_lists_and_dicts_of_promises():
    @task
    def total(xs: list[int], by: dict[str, int]) -> int:
        return sum(xs) + sum(by.values())

    @workflow
    def wf() -> int:
        return total(xs=[double(x=1), 3], by={"a": double(x=2), "b": 1})

    assert wf() == 10


def test_a_map_keeps_the_order_and_takes_constants():
    @workflow
    def wf(xs: list[int], b: int) -> list[int]:
        return map_task(add)(a=xs, b=b)

    assert wf(xs=[3, 1, 2], b=100) == [103, 101, 102]
    assert wf(xs=[], b=1) == []
    assert map_task(add)(a=[1, 2]) == [11, 12]


def test_a_map_over_lists_of_different_lengths():
    @workflow
    def wf() -> list[int]:
        return map_task(add)(a=[1, 2], b=[1])

    with pytest.raises(
        LimosaError, match=r"got lists of different lengths: a has 2, b has 1; pass lists of one length"
    ):
        wf()


def test_a_map_of_named_outputs_gives_columns():
    @workflow
    def wf(xs: list[int]) -> list[int]:
        return map_task(halves)(x=xs).high

    assert wf(xs=[2, 5]) == [1, 3]


@task
def picky(x: int, least: int = 0) -> int:
    if x < least:
        raise ValueError(f"{x} is below {least}")
    return x


def test_a_map_bears_as_many_failures_as_it_is_told():
    @workflow
    def wf(xs: list[int], least: int) -> list[int | None]:
        return map_task(picky, min_successes=2)(x=xs, least=least)

    assert wf(xs=[5, 1, 7], least=3) == [5, None, 7]
    with pytest.raises(ValueError, match="1 is below 3"):
        wf(xs=[2, 1, 7], least=3)
    assert map_task(picky, min_success_ratio=0.5)(x=[5, 1, 7, 2], least=3) == [5, None, 7, None]
    with pytest.raises(ValueError, match="2 is below 3"):
        map_task(picky, min_success_ratio=0.6)(x=[5, 1, 7, 2], least=3)


def test_a_partial_binds_what_is_not_mapped():
    @workflow
    def wf(xs: list[int]) -> list[int]:
        return map_task(functools.partial(add, b=100))(a=xs)

    assert wf(xs=[1, 2]) == [101, 102]


def test_only_the_case_that_is_taken_runs():
    @workflow
    def wf(x: int) -> int:
        return (
            conditional("size")
            .if_((x > 10) | (x == 7))
            .then(double(x=x))
            .elif_(kind(x=x) == Kind.EVEN)
            .then(add(a=x))
            .else_()
            .fail("too small and odd")
        )

    assert wf(x=20) == 40
    assert wf(x=7) == 14
    assert wf(x=4) == 14
    assert [call[0] for call in CALLS] == ["double", "double", "add"]
    with pytest.raises(LimosaError, match="too small and odd"):
        wf(x=3)


def test_a_case_may_be_a_conditional_or_a_sub_workflow():
    @workflow
    def wf(x: int) -> int:
        return (
            conditional("outer")
            .if_(x > 0)
            .then(conditional("inner").if_(x > 10).then(inner(x=x)).else_().then(double(x=x)))
            .else_()
            .then(add(a=x))
        )

    assert [wf(x=20), wf(x=2), wf(x=-1)] == [41, 4, 9]


def test_conditions_on_booleans_and_none():
    @task
    def maybe(x: int) -> int | None:
        return x or None

    @task
    def flag(x: int) -> bool:
        return x > 1

    @workflow
    def wf(x: int) -> int:
        found = maybe(x=x)
        return (
            conditional("c")
            .if_(found.is_none())
            .then(add(a=-1))
            .elif_(~flag(x=x))
            .then(add(a=1))
            .else_()
            .then(add(a=2))
        )

    assert [wf(x=0), wf(x=1), wf(x=2)] == [9, 11, 12]


def test_calls_are_ordered_without_values():
    @workflow
    def wf() -> None:
        second = note(text="second")
        first = note(text="first")
        first >> second

    wf()
    assert CALLS == [("note", "first"), ("note", "second")]


def test_a_chain_orders_calls_and_their_results():
    @workflow
    def wf() -> int:
        last = double(x=3)
        pair = halves(x=2)
        chain(note(text="first"), pair, last)
        return last

    assert wf() == 6
    assert CALLS == [("note", "first"), ("double", 3)]


def test_retries_are_spent_and_then_the_exception_passes():
    assert flaky(needed=3) == 3
    CALLS.clear()
    with pytest.raises(ConnectionError, match="not yet") as caught:
        flaky(needed=4)
    assert len(CALLS) == 3
    assert caught.value.__notes__ == [f"in task {flaky.name}, node n0, attempt 3"]


def test_overrides_change_one_call():
    @workflow
    def wf() -> int:
        return flaky.with_overrides(retries=0)(needed=2)

    with pytest.raises(ConnectionError):
        wf()
    assert CALLS == ["flaky"]


def test_files_and_directories_travel(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    @workflow
    def wf(text: str) -> File:
        file = write(text=text)
        return write(text=name_of(name=read(file=file), rate=0.5)) if read(file=file) is None else file

    result = wf(text="hello")
    assert not Path("made.txt").exists()
    assert Path(result.path).read_text() == "hello"
    assert read(file=result) == "hello"
    assert Path(result.path).read_text() == "hello"
    assert sizes(folder=write_many(count=3)) == {"0.txt": 0, "1.txt": 1, "2.txt": 2}


def test_a_launch_plan_gives_inputs_in_advance():
    plan = LaunchPlan(inner, name="plan", default_inputs={"x": 2}, fixed_inputs={"by": 5})
    assert plan() == 9
    assert plan(x=1) == 7
    with pytest.raises(LimosaError, match="launch plan plan fixes input 'by'"):
        plan(by=1)


def test_a_run_leaves_what_a_pod_would(tmp_path):
    seen = []

    @workflow
    def wf(x: int) -> int:
        return add(a=map_task(double)(x=[x, 2])[1], b=inner(x=x))

    result = run(wf, {"x": 3}, tmp_path, lambda event: seen.append((event.path, event.index, event.phase)))
    assert result.outputs == {"o0": 4 + 7}
    kept = result.directory
    assert kept.is_relative_to(tmp_path)
    assert LiteralMap.FromString((kept / "inputs.pb").read_bytes()).literals["x"].primitive.integer == 3
    assert LiteralMap.FromString((kept / "outputs.pb").read_bytes()) == result.literals
    commits = sorted(
        str(path.relative_to(kept / "commits")) for path in (kept / "commits").rglob("*") if path.is_file()
    )
    assert commits == ["n0/0.pb", "n0/1.pb", "n1/n0.pb", "n1/n1.pb", "n2.pb"]
    commit = Commit.FromString((kept / "commits/n0/1.pb").read_bytes())
    assert commit.inline.literals["o0"].primitive.integer == 4
    phases = [(path, index, NodePhase.Name(phase)[11:]) for path, index, phase in seen]
    assert phases[:4] == [
        ("n0", None, "RUNNING"),
        ("n0", 0, "RUNNING"),
        ("n0", 0, "SUCCEEDED"),
        ("n0", 1, "RUNNING"),
    ]
    assert phases[-1] == ("n2", None, "SUCCEEDED")


def test_a_failed_run_leaves_its_errors(tmp_path):
    with pytest.raises(ConnectionError):
        run(flaky, {"needed": 10}, tmp_path)
    records = [ErrorRecord.FromString(path.read_bytes()) for path in tmp_path.rglob("error.pb")]
    assert sorted(record.failure.origin.launch for record in records) == [0, 1, 2]
    assert records[0].failure.exception.type == "ConnectionError"
    assert records[0].failure.exception.frames[0].function == "flaky"


def test_what_is_kept_of_runs_is_not_for_git(tmp_path):
    ignored = tmp_path / ".limosa" / ".gitignore"
    run(double, {"x": 1}, tmp_path / ".limosa" / "runs")
    assert ignored.read_text() == "*\n"
    ignored.write_text("!locks\n")
    run(double, {"x": 1}, tmp_path / ".limosa" / "runs")
    assert ignored.read_text() == "!locks\n"
    assert not (tmp_path / ".gitignore").exists()


def test_only_the_last_runs_are_kept(tmp_path):
    names = [run(double, {"x": 1}, tmp_path).name for _ in range(KEPT_RUNS + 3)]
    kept = {path.name.partition(".")[0] for path in (tmp_path / "local/local/runs").iterdir()}
    assert kept == set(names[3:])


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, "input 'x': this input is required; give a value of type int"),
        ({"x": "a"}, "input 'x': expected int, got str 'a'; pass a value of type int"),
        ({"x": 1, "z": 2}, "input 'z': there is no such input; it has x, by"),
    ],
)
def test_a_run_refuses_inputs_that_do_not_fit(tmp_path, inputs, expected):
    with pytest.raises(LimosaError) as caught:
        run(inner, inputs, tmp_path)
    assert str(caught.value) == f"{inner.name}: {expected}"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(LimosaError, match=r"input 'file': the file /nowhere/x\.csv does not exist"):
        run(read, {"file": File("/nowhere/x.csv")}, tmp_path)


@workflow
def by_plan(x: int) -> int:
    return add(a=nested_plan(x=x))


nested_plan = LaunchPlan(inner, name="nested", fixed_inputs={"by": 5})


def test_a_launch_plan_in_a_workflow_runs_in_place(tmp_path):
    assert by_plan(x=2) == 10 + inner(x=2, by=5)
    kept = run(by_plan, {"x": 2}, tmp_path)
    assert kept.outputs["o0"] == 10 + inner(x=2, by=5)


@task
def less(x: int) -> int:
    return x - 1


@workflow
def down(x: int) -> int:
    return conditional("end").if_(x > 0).then(deeper(x=x)).else_().then(less(x=x))


@workflow
def one_down(x: int) -> int:
    return again(x=less(x=x))


again = LaunchPlan(down, name="again")
deeper = LaunchPlan(one_down, name="deeper")


def test_launch_plans_may_call_each_other_to_a_depth():
    assert down(x=2) == -1
    with pytest.raises(LimosaError, match="nested deeper than 5") as caught:
        down(x=3)
    assert caught.value.code == "TooDeep"
