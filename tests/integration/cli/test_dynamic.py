"""Dynamic nodes on the whole platform, as a person meets them at the command line."""

import json
import re

import pytest

FLOW = """
import random
from pathlib import Path

from limosa import File, conditional, dynamic, map_task, task, workflow


@task
def square(x: int) -> int:
    print(f"squaring {x}", flush=True)
    return x * x


@task
def total(xs: list[int]) -> int:
    return sum(xs)


@task
def read(file: File) -> str:
    return file.open().read()


@task(pod_template={"spec": {"hostNetwork": True}})
def greedy(x: int) -> int:
    return x


@task(pod_template={"spec": {"serviceAccountName": "admin"}})
def other_account(x: int) -> int:
    return x


@workflow
def cube(x: int) -> int:
    a = square(x=x)
    return conditional("positive").if_(a > 0).then(square(x=a)).else_().then(square(x=0))


@dynamic
def fan(n: int) -> int:
    parts = [square(x=i) for i in range(n)]
    mapped = map_task(square)(x=list(range(n)))
    return total(xs=[total(xs=parts), total(xs=mapped), cube(x=n)])


@dynamic
def nested(n: int) -> int:
    return total(xs=[fan(n=n), n])


@dynamic
def written(text: str) -> str:
    Path("note.txt").write_text(text)
    return read(file=File("note.txt"))


@dynamic
def asks_for_too_much(n: int) -> int:
    good = square(x=n)
    if n > 1:
        return greedy(x=good)
    return other_account(x=good)


@dynamic
def mistaken(n: int) -> int:
    return square(x=str(n))


@dynamic
def endless(n: int) -> int:
    return endless(n=n + 1)


@dynamic
def breaking(n: int) -> int:
    return divide(x=n)


@task
def divide(x: int) -> int:
    return 1 // x


@workflow
def wf(n: int) -> int:
    return square(x=nested(n=n))


@workflow
def notes(text: str) -> str:
    return written(text=text)


@workflow
def refused(n: int) -> int:
    return asks_for_too_much(n=n)


@workflow
def wrong(n: int) -> int:
    return mistaken(n=n)


@workflow
def forever(n: int) -> int:
    return endless(n=n)


@workflow
def failing(n: int) -> int:
    return breaking(n=n)
"""


@pytest.fixture(scope="module")
def flow(shell):
    (shell.work / "limosa.toml").write_text("")
    (shell.work / "dynamic_flow.py").write_text(FLOW)
    return shell


def line_of(text):
    return FLOW[: FLOW.index(text)].count("\n") + 1


def remote(flow, entity, **inputs):
    given = [part for name, value in inputs.items() for part in (f"--{name}", str(value))]
    result = flow.limosa("run", "--remote", "dynamic_flow.py", entity, *given)
    return result, re.search(r"^run (\S+)", result.err, re.MULTILINE).group(1)


def test_a_fan_out_decided_in_the_run_within_another(flow):
    here = flow.limosa("run", "-o", "json", "dynamic_flow.py", "wf", "--n", "3")
    result, name = remote(flow, "wf", n=3)
    assert result.status == 0, result.err
    outputs = json.loads(flow.limosa("outputs", name, "-o", "json").out)
    assert outputs == json.loads(here.out) == {"o0": 94 * 94}
    tree = flow.limosa("get", "run", name)
    assert tree.status == 0, tree.err
    lines = [re.sub(r"\s+", " ", line).strip() for line in tree.out.splitlines()]
    for part in ("n0 nested", "n0 fan", "n2 square", "n3 square", "n6 cube", "n7 total", "n1 total"):
        assert any(part in line for line in lines), tree.out
    assert json.loads(flow.limosa("outputs", name, "n0/n0/n3", "-o", "json").out) == {"o0": [0, 1, 4]}
    assert json.loads(flow.limosa("inputs", name, "n0/n0/n2", "-o", "json").out) == {"x": 2}
    assert json.loads(flow.limosa("outputs", name, "n0/n0", "-o", "json").out) == {"o0": 91}
    assert "succeeded" in flow.limosa("explain", name, "n0/n0/n6").out
    assert "squaring 2" in flow.limosa("logs", name, "n0/n0/n2").out


def test_a_file_made_by_the_function_reaches_the_task(flow):
    result, name = remote(flow, "notes", text="hello")
    assert result.status == 0, result.err
    assert json.loads(flow.limosa("outputs", name, "-o", "json").out) == {"o0": "hello"}


@pytest.mark.parametrize(
    ("n", "call", "field"),
    [(2, "greedy(x=good)", "spec.hostNetwork"), (1, "other_account(x=good)", "spec.serviceAccountName")],
)
def test_a_graph_that_asks_for_what_no_pod_may_have_names_the_line_and_runs_nothing(flow, n, call, field):
    result, name = remote(flow, "refused", n=n)
    assert result.status == 1
    assert f"dynamic_flow.py:{line_of('return ' + call)}: {call.partition('(')[0]}" in result.err, result.err
    assert field in result.err
    assert not flow.limosa("logs", name, "square").out


def test_a_mistake_in_the_function_names_its_line(flow):
    result, _ = remote(flow, "wrong", n=1)
    assert result.status == 1
    assert f"dynamic_flow.py:{line_of('square(x=str(n))')}" in result.err, result.err
    assert "square(): input 'x': expected int" in result.err
    assert "return square(x=str(n))" in result.err


def test_a_recursion_without_end_is_ended(flow):
    result, _ = remote(flow, "forever", n=1)
    assert result.status == 1
    assert "lies in 6 dynamic or eager nodes, at most 5 are allowed" in re.sub(r"\s+", " ", result.err), (
        result.err
    )


def test_a_failure_below_is_shown_as_any_other(flow):
    result, name = remote(flow, "failing", n=0)
    assert result.status == 1
    assert "ZeroDivisionError" in result.err
    assert "return 1 // x" in result.err
    assert f"limosa logs {name} n0/n0" in result.err
