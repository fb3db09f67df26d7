"""What an author reads of mistakes that have an obvious remedy: thing, place, remedy."""

import datetime as dt
import sys
import traceback

import pytest

from limosa import ContainerTask, ShellTask, task, workflow
from limosa.errors import LimosaError, ScriptFailed
from limosa.local import KeptRuns, run
from limosa.render.explanation import explain_node
from limosa.render.failure import failure_block
from limosa.render.terminal import NeutralConsole
from limosa.tasks import Task
from limosa.workflows import Workflow

FLOW = """
from dataclasses import dataclass
from limosa import *


@dataclass
class Options:
    rate: float


@task
def make() -> str:
    return "x"


@task
def twice(x: int) -> int:
    return 2 * x


lines = ShellTask("lines", "echo 3 > {{{{ .outputs.n }}}}", outputs={{"n": int}})


@workflow
def wf(n: int = 1) -> {gives}:
    return {body}
"""


@pytest.mark.parametrize(
    ("body", "gives", "told"),
    [
        ("lines().n", "int", "'.n' on output 'n' of lines(): it is that output already; leave out .n: use the call itself"),
        ("lines()['n']", "int", "'['n']' on output 'n' of lines(): it is that output already; leave out ['n']: use the call itself"),
        ("twice(x=n)['k']", "int", "['k'] on the result of twice(): a value of type int has no parts; leave out ['k']"),
        ("twice(x=make())", "int", "twice(): input 'x': expected int, got str; the value is the result of make(); correct one of the two annotations, or convert it in a task"),
        ("map_task(twice, x=[1, 2])", "list[int]", "map_task(twice) got its inputs too early; give them to what it returns: map_task(twice)(x=[…])"),
        ("map_task(twice, [1, 2])", "list[int]", "map_task(twice) got its inputs too early; give them to what it returns: map_task(twice)(x=[…])"),
    ],
)  # fmt: skip
def test_misuse_of_a_call_is_told_with_the_remedy(author, body, gives, told):
    source = FLOW.format(body=body, gives=gives).lstrip("\n")
    line = next(number for number, text in enumerate(source.splitlines(), 1) if f"return {body}" in text)
    assert author.error(source) == f"flow.py:{line}: {told}"


@task
def wrong_in_the_middle(n: int) -> int:
    if n:
        n += 1

    def inner() -> int:
        return 1

    return (
        "a"  # type: ignore[return-value]
        + "b"
    )


@task
def two_returns(n: int) -> int:
    if n:
        return "a"  # type: ignore[return-value]
    return "b"  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("wrong", "told", "line"),
    [
        (wrong_in_the_middle, "the result: expected int, got str 'ab'", "return ("),
        (two_returns, "the result: expected int, got str 'a'", "def two_returns(n: int) -> int:"),
    ],
)
def test_a_result_of_the_wrong_type_points_at_the_return_where_there_is_one(tmp_path, wrong, told, line):
    with pytest.raises(LimosaError, match=told):
        run(wrong, {"n": 1}, tmp_path)
    (kept,) = KeptRuns(tmp_path).runs()
    failure = kept.state.failure
    (frame,) = failure.exception.frames
    assert frame.source[frame.line - frame.source_start].strip() == line
    assert failure.message.endswith(told)
    assert failure.remedy == "return a value of that type, or correct the annotation"


def screen_of(failed, tmp_path):
    """What the screen says of the only failed run."""
    with pytest.raises((LimosaError, ScriptFailed)):
        run(failed, {}, tmp_path)
    (kept,) = KeptRuns(tmp_path).runs()
    console = NeutralConsole(width=400)
    with console.capture() as captured:
        console.print(failure_block(kept.state.failure))
    return captured.get()


@task
def leaves() -> None:
    sys.exit(3)


silent = ShellTask("silent", "true", outputs={"n": int})
wordy = ShellTask("wordy", "echo three > {{ .outputs.n }}", outputs={"n": int})
convert = ContainerTask("convert", image="team/tool:1", outputs={"n": int})


@pytest.mark.parametrize(
    ("failed", "remedy"),
    [
        (leaves, "→ return a result, or raise an exception"),
        (silent, "→ write it: … > {{ .outputs.n }}"),
        (wordy, "→ write nothing else there than a whole number"),
        (
            convert,
            "→ run it on a cluster (limosa config use CONTEXT, then limosa run --remote); in tests here, "
            "with limosa.testing.patch(convert) as stand_in: stand_in.returns(…)",
        ),
    ],
)
def test_a_failure_has_its_own_remedy_and_no_other(tmp_path, failed, remedy):
    shown = screen_of(failed, tmp_path)
    (kept,) = KeptRuns(tmp_path).runs()
    detail = KeptRuns(tmp_path).get_run(kept.name)
    assert f"\n  {remedy}" in explain_node(detail, "n0", None, dt.datetime.now(dt.timezone.utc))
    assert [line.strip() for line in shown.splitlines() if "→" in line] == [remedy]
    assert "look at its log" not in shown
    assert "Leave container_image out" not in shown


@task
def twice(x: int) -> int:
    return 2 * x


@task
def breaks(x: int) -> int:
    return 1 // x


@task
def lies(x: int) -> int:
    return "a"  # type: ignore[return-value]


@workflow
def every(x: int = 0) -> int:
    return breaks(x=x)


@pytest.mark.parametrize(
    ("call", "last"),
    [
        (lambda: twice(x="a"), "_call"),
        (lambda: every(x="a"), "_call"),
        (lambda: lies(x=1), "_call"),
        (breaks, "breaks"),
        (every, "breaks"),
    ],
)
def test_a_failure_in_plain_python_is_one_short_traceback(call, last):
    with pytest.raises((LimosaError, ZeroDivisionError)) as caught:
        call(x=0) if isinstance(call, (Task, Workflow)) else call()
    text = "".join(traceback.format_exception(caught.value))
    assert text.count("Traceback") == 1
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert (frames[-1].name, len(frames) <= 6) == (last, True), text
