"""What specs say of packages, and whose they are."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limosa import LimosaError
from limosa.compiler import CompileSettings, LoadedModule, compile_entity, load_module, packages_declared
from limosa_model.targets import python_part

FLOW = """
from limosa import LaunchPlan, Packages, dynamic, eager, map_task, task, workflow


@task(packages=["a"])
def one(x: int) -> int:
    return x


@task(packages=Packages(["b"], python="3.9"))
def two(x: int) -> int:
    return x


@task
def plain(x: int) -> int:
    return x


@dynamic
def by_dynamic(x: int) -> int:
    return two(x=x)


@eager
async def by_eager(x: int) -> int:
    return await inner.aio(x=x) if False else 1


@workflow
def inner(x: int) -> int:
    return one(x=plain(x=x))


@workflow
def outer(xs: list[int]) -> int:
    return inner(x=by_dynamic(x=1))


plan = LaunchPlan(inner, name="plan")
"""


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[LoadedModule]:
    (tmp_path / "limosa.toml").write_text("")
    (tmp_path / "packaged_flow.py").write_text(FLOW)
    yield load_module(str(tmp_path / "packaged_flow.py"))
    sys.path.remove(str(tmp_path))
    del sys.modules["packaged_flow"]


def compiled(flow: LoadedModule, name: str, locks: dict[str, str] | None) -> dict[str, Any]:
    closure = compile_entity(flow.entities[name], CompileSettings(package_locks=locks)).closure
    return {task.name.rpartition(".")[2]: python_part(task) for task in closure.tasks}


@pytest.mark.parametrize(
    ("entity", "tasks"),
    [
        ("plain", []),
        ("one", ["one"]),
        ("inner", ["one"]),
        ("plan", ["one"]),
        ("by_dynamic", ["two"]),
        ("by_eager", ["one"]),
        ("outer", ["one", "two"]),
    ],
)
def test_whatever_an_entity_runs_is_resolved(flow: LoadedModule, entity: str, tasks: list[str]) -> None:
    found = packages_declared([flow.entities[entity]])
    assert [one.task for one in found] == [f"packaged_flow.{name}" for name in tasks]


def test_specs_name_the_locks(flow: LoadedModule) -> None:
    declared = packages_declared([flow.entities["outer"]])
    locks = {one.key: digest * 32 for one, digest in zip(declared, ("ab", "cd"), strict=True)}
    specs = compiled(flow, "outer", locks)
    assert {name: code.packages for name, code in specs.items()} == {
        "one": "ab" * 32,
        "plain": "",
        "by_dynamic": "",
    }
    assert dict(specs["by_dynamic"].package_locks) == locks
    assert not specs["plain"].package_locks
    assert compiled(flow, "two", locks)["two"].python_version == "3.9"


def test_a_pod_resolves_nothing(flow: LoadedModule) -> None:
    with pytest.raises(
        LimosaError, match="they were not resolved when the run's code was registered"
    ) as raised:
        compiled(flow, "inner", {})
    assert raised.value.code == "PackagesUnresolved"
    assert compiled(flow, "inner", None)["one"].packages == ""
