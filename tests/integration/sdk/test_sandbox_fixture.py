"""The pytest fixture: an author's test against a platform of its own, in a project of its own."""

import subprocess
import sys

FLOW = """
from dataclasses import dataclass

from limosa import File, LaunchPlan, map_task, task, workflow


@dataclass
class Count:
    name: str
    lines: int


@task
def count(file: File, prefix: str) -> Count:
    with file.open() as lines:
        return Count(prefix + file.name, len(list(lines)))


@task
def total(counts: list[Count]) -> int:
    if not counts:
        raise ValueError("nothing to add")
    return sum(one.lines for one in counts)


@workflow
def lines(files: list[File], prefix: str = "") -> int:
    return total(counts=map_task(count)(file=files, prefix=prefix))


plan = LaunchPlan(lines, name="with-prefix", fixed_inputs={"prefix": "p-"})
"""

TEST = """
from pathlib import Path

import pytest
from flow import Count, count, lines, plan

from limosa import File, LimosaError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\\ntwo\\n")
    return File(path)


def test_a_workflow(limosa_sandbox, file):
    assert limosa_sandbox.run(lines, files=[file, file]) == 4


def test_a_task_and_a_launch_plan(limosa_sandbox, file):
    assert limosa_sandbox.run(count, file=file, prefix="x-") == Count("x-a.txt", 2)
    assert limosa_sandbox.run(plan, files=[file]) == 2


def test_a_failure(limosa_sandbox):
    with pytest.raises(LimosaError, match="nothing to add") as caught:
        limosa_sandbox.run(lines, files=[])
    assert 'raise ValueError("nothing to add")' in str(caught.value)


def test_a_wrong_name(limosa_sandbox):
    with pytest.raises(LimosaError, match="did you mean 'files'"):
        limosa_sandbox.run(lines, file=[])
"""


def test_an_author_s_tests_run_on_a_sandbox(tmp_path):
    (tmp_path / "limosa.toml").write_text("")
    (tmp_path / "flow.py").write_text(FLOW)
    (tmp_path / "test_flow.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_flow.py"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "4 passed" in found.stdout
