"""Makes what other folders of tests share importable here: a driver's stage, an operator's rig, the engine's stories."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [
    str(folder) for folder in (Path(__file__).parent, TESTS / "unit" / "propeller", TESTS / "unit" / "engine")
]

if "propeller_rig" not in sys.modules:
    _spec = importlib.util.spec_from_file_location(
        "propeller_rig", TESTS / "integration" / "propeller" / "rig.py"
    )
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["propeller_rig"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["propeller_rig"])

import propeller_rig as rig  # noqa: E402
from driver_stage import Stage  # noqa: E402


@pytest.fixture
async def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def still_cluster(tmp_path: Path) -> Iterator[rig.Cluster]:
    """An API server without a node: pods stay pending unless a test says otherwise."""
    with rig.running_cluster(tmp_path / "cluster") as found:
        yield found
