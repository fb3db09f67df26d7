import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# pytest's importlib mode does not put this folder on the path.
_spec = importlib.util.spec_from_file_location("propeller_rig", Path(__file__).parent / "rig.py")
assert _spec is not None
assert _spec.loader is not None
rig = importlib.util.module_from_spec(_spec)
sys.modules["propeller_rig"] = rig
_spec.loader.exec_module(rig)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator["rig.Cluster"]:
    """An API server whose pods end at once."""
    with rig.running_cluster(tmp_path_factory.mktemp("cluster"), "--instant-pods") as found:
        yield found


@pytest.fixture(scope="module")
def operator(cluster: "rig.Cluster", tmp_path_factory: pytest.TempPathFactory) -> Iterator["rig.Operator"]:
    """An operator that works on it."""
    with rig.running_operator(cluster, tmp_path_factory.mktemp("operator")) as found:
        yield found


@pytest.fixture
def still_cluster(tmp_path: Path) -> Iterator["rig.Cluster"]:
    """An API server without a node: pods stay pending."""
    with rig.running_cluster(tmp_path / "cluster") as found:
        yield found
