"""Packages on the whole platform: no environment has them, no index is asked."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from platform_rig import runs
from platform_rig.sandbox import Sandbox

FLOW = """
import subprocess
import sys
from typing import NamedTuple

from limosa import Packages, dynamic, eager, map_task, task, workflow

GREETING = Packages(["greeting==1.0"], find_links="wheels")


@task(packages=GREETING)
def greet(name: str) -> str:
    import greeting

    return greeting.greet(name)


@task(packages=GREETING)
def elsewhere(name: str) -> str:
    program = f"import greeting; print(greeting.greet({name!r}))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


@task(packages=Packages("requirements.txt", find_links="wheels"))
def politely(name: str) -> str:
    import greeting

    return greeting.greet(name)


@task
def without() -> str:
    try:
        import greeting
    except ModuleNotFoundError:
        return "none here"
    return "from nowhere"


@dynamic
def some(names: list[str]) -> list[str]:
    return [greet(name=name) for name in names]


@eager
async def one(name: str) -> str:
    return await greet.aio(name=name)


class Each(NamedTuple):
    greeted: list[str]
    elsewhere: str
    politely: str
    without: str


@workflow
def each(names: list[str]) -> Each:
    return Each(map_task(greet)(name=names), elsewhere(name="c"), politely(name="d"), without())


class Made(NamedTuple):
    by_dynamic: list[str]
    by_eager: str


@workflow
def made(name: str) -> Made:
    return Made(some(names=[name]), one(name=name))
"""
GREETING = "from manners import bow\n\n\ndef greet(name):\n    return bow('{word} ' + name)\n"


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory, make_wheel: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    for version, word in (("1.0", "hello"), ("2.0", "good day,")):
        source = GREETING.format(word=word)
        make_wheel(folder / "wheels", "greeting", version, source, requires=["manners>=3"])
    make_wheel(folder / "wheels", "manners", "3.1", "def bow(text):\n    return text + '!'\n")
    (folder / "requirements.txt").write_text("greeting>=1\n")
    (folder / "uv.toml").write_text("no-index = true\n")
    (folder / "flow.py").write_text(FLOW)
    return folder / "flow.py"


def test_tasks_get_what_no_environment_has(sandbox: Sandbox, flow: Path) -> None:
    ended = runs.run(sandbox, flow, "each", {"names": ["a", "b"]})
    assert ended.phase == "SUCCEEDED", ended.failure
    found = runs.outputs(sandbox, ended.name)
    assert found == {
        "greeted": ["hello a!", "hello b!"],
        "elsewhere": "hello c!",
        "politely": "good day, d!",
        "without": "none here",
    }


def test_what_runs_of_a_run_make_has_them_too(sandbox: Sandbox, flow: Path) -> None:
    ended = runs.run(sandbox, flow, "made", {"name": "a"})
    assert ended.phase == "SUCCEEDED", ended.failure
    assert runs.outputs(sandbox, ended.name) == {"by_dynamic": ["hello a!"], "by_eager": "hello a!"}


def test_a_second_run_fetches_and_unpacks_nothing(sandbox: Sandbox, flow: Path) -> None:
    assert runs.run(sandbox, flow, "greet", {"name": "a"}).phase == "SUCCEEDED"
    delete_stored(sandbox)
    launched = runs.limosa(sandbox, "launch", "--wait", "-o", "json", "flow.greet", "--name", "b")
    assert json.loads(launched) == {"o0": "hello b!"}


def test_what_is_gone_is_named_and_registering_again_brings_it_back(sandbox: Sandbox, flow: Path) -> None:
    assert runs.run(sandbox, flow, "greet", {"name": "a"}).phase == "SUCCEEDED"
    delete_stored(sandbox)
    shutil.rmtree(sandbox.home / "packages")
    lost = runs.try_limosa(sandbox, "launch", "--wait", "flow.greet", "--name", "b")
    assert lost.returncode == 1
    assert "flow.greet: its packages are gone from the store" in lost.stderr
    assert "register the workflow again" in lost.stderr
    assert runs.run(sandbox, flow, "greet", {"name": "b"}).phase == "SUCCEEDED"


def test_a_replay_has_them_too(sandbox: Sandbox, flow: Path) -> None:
    ended = runs.run(sandbox, flow, "greet", {"name": "a"})
    assert json.loads(runs.limosa(sandbox, "replay", "-o", "json", ended.name, "n0")) == {"o0": "hello a!"}


def test_here_they_are_asked_for_before_anything_runs(sandbox: Sandbox, flow: Path) -> None:
    refused = runs.try_limosa(sandbox, "run", str(flow), "each", "--names", '["a"]')
    assert refused.returncode == 2
    assert "greeting==1.0 is not installed here" in refused.stderr
    assert "pip install 'greeting==1.0'" in refused.stderr
    assert "flow.py:11" in refused.stderr


def delete_stored(sandbox: Sandbox) -> None:
    store, code = sandbox.store(), "demo/development/code"
    stored = [info.key for part in ("packages", "wheels") for info in store.list(f"{code}/{part}/")]
    assert stored
    for key in stored:
        store.delete(key)
