"""Eager nodes on the whole platform, as a person meets them at the command line."""

import json
import re
import time

import pytest

FLOW = """
import asyncio
import random
from typing import NamedTuple

from limosa import CallFailed, File, LaunchPlan, eager, map_task, task, workflow


@task
def square(x: int) -> int:
    if x < 0:
        raise ValueError(f"{x} is negative")
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


@task
def slow(x: int) -> int:
    import time

    print("begun", flush=True)
    time.sleep(600)
    return x


@workflow
def twice(x: int) -> int:
    return square(x=square(x=x))


plan = LaunchPlan(twice, name="twice-plan")


@eager
async def inner(x: int) -> int:
    return await square(x=x) + 1


async def chained(x: int) -> int:
    return await square(x=await square.with_overrides(retries=1)(x=x))


@eager
async def wide(n: int) -> int:
    squares = await asyncio.gather(*[square(x=i) for i in range(n)])
    mapped = await map_task(square)(x=squares)
    nested, sub, launched = await asyncio.gather(inner(x=2), twice(x=2), plan(x=1))
    both = await asyncio.gather(chained(1), chained(2))
    try:
        await square(x=-1)
    except CallFailed as error:
        nested += len(error.code)
    sum_ = await total(xs=mapped)
    while sum_ < 100:
        sum_ = await total(xs=[sum_, 60])
    return sum_ + nested + sub + launched + sum(both)


@eager
async def written(text: str) -> str:
    with open("note.txt", "w") as note:
        note.write(text)
    return await read(file=File("note.txt"))


class All(NamedTuple):
    number: int
    text: str


@workflow
def all_of_it(n: int) -> All:
    return All(wide(n=n), written(text="hello"))


@eager
async def uncaught(x: int) -> int:
    return await square(x=-x)


@eager
async def forgotten(x: int) -> int:
    square(x=-x)
    return 1


@eager(retries=1)
async def fickle(x: int) -> int:
    await square(x=random.randint(1, 10**9))
    raise RuntimeError("again")


@eager
async def refused(x: int) -> int:
    return await greedy(x=x)


@task
def later(x: int) -> int:
    raise KeyError("soon")


@eager
async def breaks(x: int) -> int:
    return await later(x=await square(x=x))


@eager
async def waits(x: int) -> int:
    return await slow(x=x)
"""


@pytest.fixture(scope="module")
def flow(shell):
    (shell.work / "limosa.toml").touch()
    (shell.work / "flow.py").write_text(FLOW)
    return shell


def run(shell, name: str, *arguments: str, remote: bool = True):
    where = ["--remote"] if remote else []
    return shell.limosa("run", *where, "-o", "json", "flow.py", name, *arguments)


@pytest.fixture(scope="module")
def finished(flow):
    """Outputs and name of a run of all that can be called."""
    remote = run(flow, "all_of_it", "--n", "3")
    assert remote.status == 0, remote.err
    return json.loads(remote.out), json.loads(flow.limosa("get", "runs", "-o", "json").out)[-1]["name"]


def test_a_run_on_the_platform_gives_what_a_local_one_does(flow, finished) -> None:
    local = run(flow, "all_of_it", "--n", "3", remote=False)
    assert local.status == 0, local.err
    assert finished[0] == json.loads(local.out)


def test_what_was_called_is_shown_below_the_eager_node(flow, finished) -> None:
    _, name = finished
    tree = flow.limosa("get", "run", name).out
    assert re.search(r"✓ n0 wide .*\n +✓ e0 square", tree), tree
    assert re.search(r"e5 twice.*\n +✓ n0 square", tree), tree
    assert "3/3 items" in tree
    assert re.search(r"✗ e\d+ square", tree), tree
    outputs = json.loads(flow.limosa("outputs", name, "n0/e2", "-o", "json").out)
    assert outputs["o0"] == 4
    inputs = json.loads(flow.limosa("inputs", name, "n0/e5/n0", "-o", "json").out)
    assert inputs["x"] == 2


@pytest.mark.parametrize("entity", ["uncaught", "forgotten"])
def test_a_failure_that_nobody_catches_fails_the_eager_node(flow, entity: str) -> None:
    ended = flow.limosa("run", "--remote", "flow.py", entity, "--x", "3")
    assert ended.status == 1
    assert "ValueError: -3 is negative\n  in flow.square, node n0/e0" in ended.err
    assert "  Passed on by node n0" in ended.err
    assert re.search(r"^  limosa replay \S+ n0/e0$", ended.err, re.MULTILINE)
    name = re.search(r"limosa replay (\S+)", ended.err)[1]
    told = flow.limosa("get", "run", name, "-o", "json").out
    assert re.search(r"CallFailed.*flow.py:\d+: square failed at n0/e0", told, re.DOTALL)


def test_an_attempt_that_makes_another_call_is_told_which_and_where(flow) -> None:
    ended = flow.limosa("run", "--remote", "flow.py", "fickle", "--x", "1")
    assert ended.status == 1
    said = " ".join((ended.out + ended.err).split())
    assert "CallMismatch" in said
    line = FLOW[: FLOW.index("await square(x=random")].count("\n") + 1
    assert f"flow.py:{line}: call e0 of square: an earlier attempt called square (flow.py:{line})" in said, (
        said
    )
    assert "with other inputs" in said


def test_a_call_that_may_not_run_fails_where_it_is_made(flow) -> None:
    ended = flow.limosa("run", "--remote", "flow.py", "refused", "--x", "1")
    assert ended.status == 1
    said = ended.out + ended.err
    assert "hostNetwork" in said
    assert re.search(r"flow.py:\d+: greedy failed", said), said


def test_a_resumed_run_takes_what_was_called_before(flow):
    name = json.loads(run(flow, "breaks", "--x", "3").out)["name"]
    source = flow.work / "flow.py"
    source.write_text(source.read_text().replace('raise KeyError("soon")', "return x + 1"))
    resumed = flow.limosa("resume", name, "flow.py")
    assert resumed.status == 0, resumed.err
    said = resumed.out + resumed.err
    assert re.search(rf"n0/e0 square succeeded .*reused, from {name}", said), said
    assert "n0/e1 later succeeded" in said


def test_an_abort_reaches_what_was_called(flow) -> None:
    started = flow.limosa("run", "--remote", "--detach", "-o", "json", "flow.py", "waits", "--x", "1")
    name = json.loads(started.out)["name"]
    ends = time.monotonic() + 60
    while "begun" not in flow.limosa("logs", name, "n0/e0").out:
        assert time.monotonic() < ends
        time.sleep(0.3)
    assert flow.limosa("abort", name).status == 0
    while (tree := flow.limosa("get", "run", name).out).count("aborted") < 1 or "running" in tree:
        assert time.monotonic() < ends, tree
        time.sleep(0.3)
    assert "e0 slow" in tree
