"""Launches that do not come to their own end, on the whole platform: whose fault it is and what its author reads."""

from pathlib import Path

import pytest
from platform_rig import runs
from platform_rig.sandbox import Sandbox

from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_USER

ENDS = """
import ctypes, os, signal, subprocess, sys, time
from limosa import Resources, task, workflow

@task(resources=Resources(cpu="100m", mem="200Mi"))
def modest() -> int:
    held = bytearray(120 << 20)
    time.sleep(1)
    return len(held)

@task(resources=Resources(cpu="100m", mem="200Mi"))
def greedy() -> int:
    print("before")
    held = bytearray(500 << 20)
    time.sleep(60)
    return len(held)

@task(resources=Resources(cpu="100m", mem="200Mi"))
def greedy_child() -> int:
    subprocess.run([sys.executable, "-c", "import time; held = bytearray(500 << 20); time.sleep(60)"])
    time.sleep(60)
    return 0

@task
def exits() -> int:
    print("before")
    os._exit(3)

@task
def crashes() -> int:
    print("before")
    return ctypes.string_at(0)[0]

@task(timeout=2)
def slow() -> int:
    print("before")
    time.sleep(60)
    return 0

@workflow
def wf_modest() -> int:
    return modest()

@workflow
def wf_greedy() -> int:
    return greedy()

@workflow
def wf_greedy_child() -> int:
    return greedy_child()

@workflow
def wf_exits() -> int:
    return exits()

@workflow
def wf_crashes() -> int:
    return crashes()

@workflow
def wf_slow() -> int:
    return slow()
"""


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ends")
    (folder / "limosa.toml").touch()
    file = folder / "ends.py"
    file.write_text(ENDS)
    return file


@pytest.mark.parametrize(
    ("name", "code", "printed"),
    [
        ("greedy", "OOMKilled", "before\n"),
        ("greedy_child", "OOMKilled", ""),
        ("exits", "Exited", "before\nlimosa: Exited: the process ended with exit status 3"),
        ("crashes", "Crashed", "before\nFatal Python error: Segmentation fault"),
        ("slow", "Timeout", "before\nlimosa: the pod was asked to end (SIGTERM)"),
    ],
)
def test_the_author_s_own_ends_are_told_apart(
    sandbox: Sandbox, ends: Path, name: str, code: str, printed: str
) -> None:
    ended = runs.run(sandbox, ends, f"wf_{name}")
    assert ended.phase == "FAILED"
    assert (ended.failure.kind, ended.failure.code) == (FAILURE_KIND_USER, code), ended.failure
    with sandbox.client() as client:
        said = "".join(chunk.text for chunk in client.logs(ended.name))
    assert said.startswith(printed), said


def test_a_launch_within_its_memory_is_left_alone(sandbox: Sandbox, ends: Path) -> None:
    ended = runs.run(sandbox, ends, "wf_modest")
    assert ended.phase == "SUCCEEDED", ended.failure
