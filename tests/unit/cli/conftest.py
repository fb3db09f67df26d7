import dataclasses
import os
import sys
from pathlib import Path

import pytest

# Admin's double lies beside the tests of the client, runs to show beside those of the screens; pytest's importlib mode puts
# no folder on the path.
sys.path.insert(0, str(Path(__file__).parents[1] / "remote"))
sys.path.insert(0, str(Path(__file__).parents[1] / "render"))

from fake_admin import FakeAdmin, serving

from limosa.cli.main import run

GOLDEN = Path(__file__).parent / "golden"
FLOW = '''
from dataclasses import dataclass
from enum import Enum
from typing import Optional

from limosa import Directory, File, LaunchPlan, task, workflow


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Options:
    rate: float
    depth: int = 3


@task
def train(rows: int, learning_rate: float = 0.1, verbose: bool = False) -> float:
    """Trains on some rows.

    Args:
        rows: How many to read.
    """
    return rows * learning_rate


@task
def everything(
    numbers: list[int],
    table: dict[str, float],
    options: Options,
    color: Color,
    source: File,
    folder: Directory,
    note: Optional[str] = None,
    flag: Optional[bool] = None,
) -> int:
    return 1


@workflow
def flow(rows: int = 2) -> float:
    """Trains once."""
    return train(rows=rows)


nightly = LaunchPlan(flow, name="nightly", fixed_inputs={"rows": 5})
'''


@dataclasses.dataclass
class Result:
    status: int
    out: str
    err: str


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty project as working directory, and no configuration of this machine."""
    for name in ("LIMOSA_CONTEXT", "LIMOSA_ENDPOINT", "LIMOSA_TOKEN", "LIMOSA_PROJECT", "LIMOSA_DOMAIN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LIMOSA_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("LIMOSA_HOME", str(tmp_path / "home"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "limosa.toml").write_text("")
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield project
    for name in set(sys.modules) - known:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def flow(place):
    """A file with one of everything."""
    (place / "flow.py").write_text(FLOW)
    return place / "flow.py"


@pytest.fixture
def limosa(place, capsys):
    """Runs the command in this process."""

    def call(*arguments):
        status = run(arguments)
        captured = capsys.readouterr()
        return Result(status, captured.out, captured.err)

    return call


@pytest.fixture
def admin(place, monkeypatch):
    """A server whose answers the test scripts, as the configured target."""
    made = FakeAdmin()
    with serving(made) as port:
        monkeypatch.setenv("LIMOSA_ENDPOINT", f"http://127.0.0.1:{port}")
        yield made


@pytest.fixture
def golden():
    """Compares with a kept text; LIMOSA_WRITE_GOLDEN=1 writes it instead."""

    def compare(name, text):
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("LIMOSA_WRITE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert text == path.read_text()

    return compare
