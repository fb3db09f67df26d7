"""Eager tasks as an author meets them: compiled, run here, and what is said where they are wrong."""

import pytest

from limosa import CallFailed, LimosaError
from limosa.local import run
from limosa.testing import patch
from limosa_model.generated import MAX_DYNAMIC_DEPTH

FLOW = """\
import asyncio
from pathlib import Path
from typing import NamedTuple

from limosa import CallFailed, File, approve, conditional, eager, map_task, task, workflow

CALLS = []


class Both(NamedTuple):
    first: int
    second: int


@task
def square(x: int) -> int:
    CALLS.append(x)
    if x < 0:
        raise ValueError(f"{x} is negative")
    return x * x


@task
def halves(x: int) -> Both:
    return Both(x // 2, x - x // 2)


@task
def read(file: File) -> str:
    return file.open().read()


@workflow
def cube(x: int) -> int:
    return square(x=square(x=x))


async def chained(x: int) -> int:
    y = await square(x=x)
    await asyncio.sleep(0)
    return await square(x=y)


@eager
async def climb(x: int) -> int:
    while x < 100:
        x = await square(x=x)
    return x


@eager
async def wide(n: int) -> list[int]:
    found = await asyncio.gather(*[square(x=i) for i in range(n)])
    found += await asyncio.gather(chained(2), chained(3))
    both = await halves(x=5)
    mapped = await map_task(square)(x=[both.first, both.second])
    some = await map_task(square, min_successes=1)(x=[1, -1])
    return [*found, *mapped, await cube(x=2), await climb(x=3), some.count(None)]


@eager
async def caught(x: int) -> str:
    try:
        await square(x=-x)
    except CallFailed as error:
        return f"{error.called}/{error.code}/{error.kind}/{error.node}"
    return ""


@eager(retries=3)
async def uncaught(x: int) -> int:
    return await square(x=-x)


@eager
async def forgotten(x: int) -> int:
    square(x=x)
    square(x=-x)
    return x


@eager(retries=1)
async def tried(x: int) -> int:
    y = await square(x=x)
    if CALLS.count("again") == 0:
        CALLS.append("again")
        raise RuntimeError("not yet")
    return y


@eager
async def noted(text: str) -> str:
    Path("note.txt").write_text(text)
    return await read(file=File("note.txt"))


@eager
async def endless(x: int) -> int:
    return await endless(x=x)


@eager
async def unawaited(x: int) -> int:
    return await square(x=square(x=x))


@eager
async def added(x: int) -> int:
    return square(x=x) + 1


@eager
async def added_to(x: int) -> int:
    return 1 + square(x=x)


@eager
async def asked(x: int) -> int:
    return halves(x=x).first


@eager
async def looped(x: int) -> int:
    first, second = halves(x=x)
    return first


@eager
async def told(x: int) -> int:
    return len(f"{square(x=x)}")


@eager
async def compared(x: int) -> int:
    return 1 if square(x=x) > 3 else 2


@eager
async def judged(x: int) -> int:
    if square(x=x):
        return 1
    return 0


@eager
async def wrong(x: int) -> int:
    return await square(x=str(x))


@eager
async def branched(x: int) -> int:
    return conditional("big").if_(x > 10)


@eager
async def gated(x: int) -> int:
    await approve(x, name="ship")
    return x


@eager
async def threaded(x: int) -> int:
    return await asyncio.to_thread(square, x=x)


@task
def plainly(x: int) -> int:
    return climb(x=x) + 1


@workflow
def wf(n: int) -> int:
    return square(x=climb(x=n))
"""


@pytest.fixture
def flow(author):
    return author.load(FLOW, "flow.py").entities


def test_a_call_in_a_workflow_is_an_eager_node(author):
    compiled = author.compile(FLOW, "wf", "flow.py")
    first, second = compiled.closure.workflows[0].nodes
    assert (first.eager.task, first.display_name) == ("flow.climb", "climb")
    assert second.inputs[0].data.output.node == first.id
    names = {task.name: task.WhichOneof("target") for task in compiled.closure.tasks}
    assert names == {"flow.climb": "eager", "flow.square": "python"}


def test_an_eager_task_compiles_by_itself(author):
    compiled = author.compile(FLOW, "climb", "flow.py")
    assert compiled.kind == "task"
    assert compiled.closure.workflows[0].nodes[0].eager.task == "flow.climb"


def test_a_call_outside_of_a_run_gives_the_value(flow):
    assert flow["climb"](x=2) == 256
    assert flow["wf"](n=3) == 6561**2
    assert flow["wide"](n=3) == [0, 1, 4, 16, 81, 4, 9, 16, 6561, 1]
    assert flow["noted"](text="hello") == "hello"


def test_calls_are_nodes_whose_ids_follow_the_functions_steps(flow, tmp_path):
    seen = {}
    run(
        flow["wide"],
        {"n": 2},
        tmp_path,
        lambda change: seen.setdefault(change.path, change.node.display_name),
    )
    top = {path.partition("/")[2]: name for path, name in seen.items() if path.count("/") == 1}
    assert top == {
        **dict.fromkeys(["e0", "e1", "e2-0", "e2-1", "e3-0", "e3-1", "e5", "e6"], "square"),
        "e4": "halves",
        "e7": "cube",
        "e8": "climb",
    }
    assert {"n0/e7/n0", "n0/e7/n1", "n0/e8/e0"} <= seen.keys()


def test_a_failed_call_says_what_failed_and_can_be_caught(flow):
    assert flow["caught"](x=3) == "square/UserException/USER/n0/e0"


def test_a_failed_call_that_nobody_catches_fails_the_task_and_is_not_tried_again(flow, tmp_path):
    launches = []
    with pytest.raises(CallFailed, match=r"flow.py:\d+: square failed at n0/e0: ValueError: -3 is negative"):
        run(
            flow["uncaught"],
            {"x": 3},
            tmp_path,
            lambda change: launches.append((change.path, change.attempt)),
        )
    assert max(count for path, count in launches if path == "n0") == 1


def test_calls_that_are_not_awaited_are_waited_for_and_their_failures_count(flow):
    with pytest.raises(CallFailed, match="-5 is negative"):
        flow["forgotten"](x=5)


def test_a_further_attempt_gets_what_the_calls_of_the_one_before_gave(author):
    module = author.load(FLOW, "flow.py")
    assert module.entities["tried"](x=4) == 16
    calls = module.entities["square"].function.__globals__["CALLS"]
    assert calls == [4, "again"]


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("unawaited", "CallNotAwaited", "input 'x': the call before it was not awaited; write await before"),
        ("judged", "CallNotAwaited", "the call of square was not awaited"),
        ("added", "CallNotAwaited", "it was used with +; write await before it: await square(…)"),
        ("added_to", "CallNotAwaited", "it was used with +"),
        ("asked", "CallNotAwaited", "it was asked for .first"),
        ("looped", "CallNotAwaited", "it was unpacked or looped over"),
        ("told", "CallNotAwaited", "it was made text"),
        ("compared", "CallNotAwaited", "it was compared with >"),
        ("wrong", "ArgumentType", "expected int, got str"),
        ("branched", "BranchInEager", "use Python's own if"),
        ("gated", "GateInEager", "put it into a @workflow, and call that"),
        ("threaded", "CallOutside", "not in threads"),
    ],
)
def test_what_cannot_be_called_says_so(flow, name, code, says):
    with pytest.raises(LimosaError) as refused:
        flow[name](x=3)
    assert refused.value.code == code
    assert says in str(refused.value)
    assert ("flow.threaded" if name == "threaded" else "flow.py:") in str(refused.value)


def test_a_task_that_calls_an_eager_one_runs_it_in_place(flow):
    assert flow["plainly"](x=3) == 6562


def test_a_stand_in_gives_the_value(flow):
    with patch(flow["climb"]) as stand_in:
        stand_in.returns(5)
        assert flow["wf"](n=3) == 25
    with patch(flow["square"]) as stand_in:
        stand_in.returns(101)
        assert flow["climb"](x=3) == 101


def test_eager_tasks_within_each_other_have_an_end(flow):
    with pytest.raises(CallFailed, match=f"at most {MAX_DYNAMIC_DEPTH} are allowed"):
        flow["endless"](x=1)


@pytest.mark.parametrize(
    ("source", "code", "says"),
    [
        ("@eager\ndef f(x: int) -> int:\n    return x\n", "AsyncFunction", "write async def"),
        ("@eager(cache=True)\nasync def f(x: int) -> int:\n    return x\n", "TaskOption", "cache the tasks"),
        ("@task\nasync def f(x: int) -> int:\n    return x\n", "AsyncFunction", "async tasks"),
        ("@eager\nasync def f(x: int) -> int:\n    return x\n\nmap_task(f)\n", "MapTarget", "asyncio.gather"),
    ],
)
def test_what_cannot_be_an_eager_task_is_refused_where_it_is_decorated(author, source, code, says):
    with pytest.raises(LimosaError) as refused:
        author.load("from limosa import eager, map_task, task\n\n" + source, "bad.py")
    assert refused.value.code == code
    assert says in str(refused.value)


OVERRIDDEN = """
from limosa import eager, task, workflow
@task
def one() -> int:
    return 1
@eager
async def calls() -> int:
    return await one()
@workflow
def w() -> int:
    return calls.with_overrides({})()
"""


def test_overrides_concern_the_pod_of_the_function(author):
    compiled = author.compile(OVERRIDDEN.format("retries=2"), "w")
    assert compiled.closure.workflows[0].nodes[0].overrides.retry.retries == 2
    said = author.error(OVERRIDDEN.format("cache='v1'"), "w")
    assert "calls is an eager task and has no option 'cache'" in said
