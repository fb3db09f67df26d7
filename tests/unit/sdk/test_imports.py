"""What importing costs, as the modules it loads: figures are in bench/sdk."""

import json
import subprocess
import sys

import pytest

HEAVY = [
    "click",
    "rich",
    "grpc",
    "pandas",
    "pyarrow",
    "numpy",
    "pydantic",
    "dataclasses",
    "inspect",
    "asyncio",
    "limosa_store",
    "limosa_engine",
]
COMPILE = """
from limosa import task, workflow
@task
def f(x: int) -> int: return x
@workflow
def wf(x: int) -> int: return f(x=x)
assert wf.spec.nodes
from limosa_model.admission import validate_closure
"""
TYPES = """
import datetime as dt
from collections.abc import Iterator
from typing import Any, Literal, TypedDict, Optional
from limosa import Pickle, task
class Row(TypedDict):
    id: int
@task
def f(
    a: bytes, b: dt.date, c: list, d: dict[str, Any], e: Literal["x"], g: Row, h: Optional[Iterator[Row]], i: Pickle[Row]
) -> tuple[int, str]: ...
assert len(f.interface.inputs) == 8
"""


@pytest.mark.parametrize(
    ("source", "unwanted"),
    [
        ("import limosa", [*HEAVY, "typing_extensions", "google.protobuf", "limosa.tasks"]),
        (
            "from limosa import task, workflow",
            [*HEAVY, "google.protobuf", "limosa_idl", "limosa_model", "datetime"],
        ),
        (COMPILE, [*HEAVY, "json", "fractions", "difflib"]),
        (TYPES, [one for one in HEAVY if one != "inspect"]),
    ],
    ids=["package", "decorators", "compile", "types"],
)
def test_nothing_loads_before_it_is_needed(tmp_path, source, unwanted):
    (tmp_path / "flow.py").write_text(source)
    program = (
        "import sys; before = set(sys.modules); import flow; "
        "loaded = sorted(set(sys.modules) - before); import json; print(json.dumps(loaded))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(found.stdout))
    assert sorted(loaded & set(unwanted)) == []


def test_every_public_name_is_there():
    import limosa

    for name in limosa.__all__:
        assert getattr(limosa, name) is not None
    assert set(dir(limosa)) == set(limosa.__all__)
    with pytest.raises(AttributeError, match="module 'limosa' has no attribute 'Tasks'"):
        _ = limosa.Tasks
