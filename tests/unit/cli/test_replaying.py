"""The debugger around a task that is run again; the integration tests replay real runs."""

import io
import re

import pytest

from limosa import ShellTask, eager, task
from limosa.cli.debugging import LeftDebugger, debugged, look_at
from limosa.cli.replaying import not_limited
from limosa.errors import LimosaError
from limosa.runtime.exceptions import exception_details
from limosa_idl.admin.v1alpha1.admin_pb2 import RunDetail
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import failures
from limosa_model.failures import Code


@task
def double(x: int) -> int:
    return 2 * x


@task
def broken(x: int) -> int:
    raise ValueError(f"no {x}")


@eager
async def climb(x: int) -> int:
    higher = await double(x=x)
    return await double(x=higher)


@eager
async def falls(x: int) -> int:
    higher = await double(x=x)
    return (await broken(x=higher)) + 1


shout = ShellTask("shout", "echo {{ .inputs.x }} > {{ .outputs.y }}", inputs={"x": str}, outputs={"y": str})


@pytest.fixture
def typed(monkeypatch):
    """What a person types into the debugger."""

    def type_in(text):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    return type_in


def stops(said):
    """The functions in which the debugger stood, in order."""
    return re.findall(r"> .*\(\d+\)(\w+)\(\)", said)


def test_who_quits_the_debugger_has_left_it(typed):
    typed("q\n")
    with pytest.raises(LeftDebugger):
        debugged(double, {"x": 2})
    typed("c\n")
    assert debugged(double, {"x": 2}) == 4


def test_the_debugger_is_no_part_of_the_traceback(typed, tmp_path):
    typed("c\n")
    with pytest.raises(ValueError, match="no 2") as caught:
        debugged(broken, {"x": 2})
    caught.value.__traceback__ = caught.value.__traceback__.tb_next  # this test's own line
    assert [frame.function for frame in exception_details(caught.value, tmp_path).frames] == ["broken"]


def test_an_eager_task_stops_at_the_first_line_of_its_function(typed, capsys):
    typed("n\np higher + 37\nc\n")
    assert debugged(climb, {"x": 1}) == 4
    said = capsys.readouterr().out
    assert stops(said) == ["climb", "climb"]
    assert "higher = await double(x=x)" in said
    assert "39" in said
    typed("s\ns\nc\n")
    assert debugged(climb, {"x": 1}) == 4
    assert stops(capsys.readouterr().out) == ["climb", "double", "double"]
    typed("q\n")
    with pytest.raises(LeftDebugger):
        debugged(climb, {"x": 1})


def test_where_an_eager_task_raises_the_debugger_stands_in_the_author_s_code(typed, capsys):
    typed("c\n")
    with pytest.raises(Exception, match="no 2") as caught:
        debugged(falls, {"x": 1})
    typed("p higher + 37\nq\n")
    capsys.readouterr()
    look_at(caught.value)
    said = capsys.readouterr().out
    assert said.startswith(f"> {__file__}(")
    assert "falls()" in said
    assert "39" in said


def test_a_script_is_not_debugged_and_says_what_helps():
    with pytest.raises(LimosaError, match="pdb debugs Python") as refused:
        debugged(shout, {"x": "a"})
    assert "set -x" in refused.value.remedy


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (
            failures.user(Code.OOM_KILLED, "n0[1] used more memory than its limit of 128Mi and was killed"),
            "memory is not limited here; there: n0[1] used more memory than its limit of 128Mi and was killed",
        ),
        (failures.user(Code.TIMEOUT, "n0[1] took longer than 5s"), "time is not limited here; there: n0[1] took longer than 5s"),
        (failures.user(Code.USER_EXCEPTION, "ValueError"), ""),
    ],
)  # fmt: skip
def test_a_limit_that_ended_it_there_and_does_not_hold_here_is_told(failure, told):
    other = run_pb2.LaunchState(phase=run_pb2.LAUNCH_PHASE_SUCCEEDED)
    failed = run_pb2.LaunchState(phase=run_pb2.LAUNCH_PHASE_FAILED, failure=failure)
    detail = RunDetail()
    for index, ordinal, launch in ((0, 0, other), (1, 0, failed), (1, 1, other)):
        key = run_pb2.SnapshotKey(node_path="n0", index=index, launch=ordinal)
        detail.snapshots.add(key=key, launch=launch)
    assert not_limited(detail, "n0", 1) == told
    assert not_limited(detail, "n0", 0) == not_limited(detail, "n1", 1) == ""
