"""The debugger around a task that is run again; the integration tests replay real runs."""

import io

import pytest

from limosa import task
from limosa.cli import replaying
from limosa.runtime.exceptions import exception_details


@task
def double(x: int) -> int:
    return 2 * x


@task
def broken(x: int) -> int:
    raise ValueError(f"no {x}")


def test_who_quits_the_debugger_has_left_it(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    with pytest.raises(replaying._Left):
        replaying._debugged(double, {"x": 2})
    monkeypatch.setattr("sys.stdin", io.StringIO("c\n"))
    assert replaying._debugged(double, {"x": 2}) == 4


def test_the_debugger_is_no_part_of_the_traceback(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", io.StringIO("c\n"))
    with pytest.raises(ValueError, match="no 2") as caught:
        replaying._debugged(broken, {"x": 2})
    caught.value.__traceback__ = caught.value.__traceback__.tb_next  # this test's own line
    assert [frame.function for frame in exception_details(caught.value, tmp_path).frames] == ["broken"]
