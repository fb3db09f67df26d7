"""docs/howto/add-a-node-kind.md, done: a kind with an output is one file and one row, and runs on all sides."""

import re
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from driver_stage import Stage, phases, settle

from limosa import nodes, task, workflow
from limosa.compiler import Compiled, compile_entity
from limosa.errors import LimosaError
from limosa.local import run as run_here
from limosa_engine.phases import RunPhase
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit
from limosa_model import values
from limosa_model.admission import validate_closure
from limosa_model.computed import KINDS
from limosa_model.layout import commit_key, run_prefix
from limosa_model.pod_contract import PodEnvironment

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "add-a-node-kind.md"
LARGEST = """
from limosa_model.computed.kind import ComputedKind, Unfit


def _compute(inputs):
    if not inputs["of"].collection.literals:
        raise Unfit("an empty list has no largest element")
    return max(inputs["of"].collection.literals, key=lambda one: one.primitive.integer)


LARGEST = ComputedKind(takes=("of",), gives=lambda types: types["of"].collection, compute=_compute)
"""
"""The file of a kind that the platform does not have, and that may refuse its inputs in the run."""
Add = Callable[[str, str, str], None]


@pytest.fixture
def add(monkeypatch: pytest.MonkeyPatch) -> Add:
    """Puts in a kind: the text of its file, its module's name, and its row. No other file knows of it."""
    for name in list(KINDS):
        monkeypatch.delitem(KINDS, name)
        monkeypatch.delattr(nodes, name, raising=False)

    def put(text: str, module: str, row: str) -> None:
        made = types.ModuleType(module)
        exec(text, made.__dict__)
        for name, kind in eval(f"{{{row}}}", {module: made}).items():
            monkeypatch.setitem(KINDS, name, kind)

    return put


def shown(file: str) -> str:
    """What the how-to shows of a file."""
    found = re.search(
        rf"^`{re.escape(file)}`\n```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found is not None, file
    return found[1]


def add_length(add: Add) -> None:
    file = "core/limosa_model/computed/length.py"
    add(shown(file), "length", shown("core/limosa_model/computed/__init__.py"))


@task
def double(x: int) -> int:
    return 2 * x


def compiled(kind: str) -> tuple[Any, Compiled]:
    """A workflow whose task takes what a node of the kind gives."""
    word = getattr(nodes, kind)

    def measured(xs: list[int]) -> int:
        result: int = double(x=word(xs))
        return result

    measured.__qualname__ = "measured"
    entity = workflow(measured)
    return entity, compile_entity(entity)


def numbers(*given: int) -> LiteralMap:
    return LiteralMap(literals={"xs": values.collection([values.integer(one) for one in given])})


async def run(folder: Path, made: Compiled, inputs: LiteralMap) -> Stage:
    stage = Stage(folder, made.closure, inputs)
    await stage.start()
    return stage


async def test_the_howtos_kind_runs_on_all_sides(tmp_path: Path, add: Add) -> None:
    with pytest.raises(AttributeError, match=r"limosa\.nodes has no 'length'"):
        nodes.length  # noqa: B018 - its row is not there yet
    add_length(add)
    measured, made = compiled("length")

    assert validate_closure(made.closure) == []
    assert run_here(measured, {"xs": [4, 5, 6]}, tmp_path / "here").outputs["o0"] == 6

    stage = await run(tmp_path, made, numbers(4, 5, 6))
    store = stage.services.store._store  # type: ignore[attr-defined]
    key = commit_key(run_prefix("demo", "development", "calm-heron", "run-uid"), "n0", None)
    assert Commit.FromString(store.get(key)).inline.literals["o0"] == values.integer(3)
    (pod,) = stage.pending()
    env = {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0]["env"]}
    inputs = PodEnvironment.from_environ(env).inputs
    assert inputs is not None
    assert inputs.literals["x"] == values.integer(3)
    await stage.end_pod()
    await settle()
    assert phases(stage)[-1] == RunPhase.SUCCEEDED


async def test_a_kind_that_nobody_else_knows_and_that_refuses_its_inputs(tmp_path: Path, add: Add) -> None:
    add(LARGEST, "largest", '"largest": largest.LARGEST,')
    largest, made = compiled("largest")
    assert run_here(largest, {"xs": [4, 9, 6]}, tmp_path / "here").outputs["o0"] == 18
    with pytest.raises(LimosaError, match="an empty list has no largest element") as refused:
        run_here(largest, {"xs": []}, tmp_path / "here")
    assert refused.value.code == "Computation"

    stage = await run(tmp_path, made, numbers())
    (ended,) = [
        one.run for one in stage.snapshots if one.WhichOneof("state") == "run" and one.run.failure.code
    ]
    assert (ended.failure.code, ended.failure.origin.node_path) == ("Computation", "n0")
    assert re.fullmatch(
        r"largest at .*test_added_kind\.py:\d+: an empty list has no largest element", ended.failure.message
    )
    assert stage.pending() == []


def test_a_platform_without_the_row_refuses_the_spec(add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    add_length(add)
    _, made = compiled("length")
    monkeypatch.delitem(KINDS, "length")
    (problem,) = validate_closure(made.closure)
    assert problem.code == "ComputedKind"
    assert "there is no kind of node 'length'" in str(problem)


def test_an_interface_that_is_not_the_kinds_is_refused(add: Add) -> None:
    add_length(add)
    _, made = compiled("length")
    node = made.closure.workflows[0].nodes[0]
    node.computed.interface.outputs[0].type.CopyFrom(node.computed.interface.inputs[0].type)
    assert next(one.code for one in validate_closure(made.closure)) == "ComputedInterface"
