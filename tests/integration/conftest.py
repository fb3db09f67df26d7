import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# What several folders of tests use lies beside them; pytest's importlib mode puts no folder on the path.
sys.path.insert(0, str(Path(__file__).parent / "rigs"))

from platform_rig.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One platform for all tests of a session that need one and leave it whole."""
    found = Sandbox(tmp_path_factory.mktemp("platform"))
    try:
        found.start()
        yield found
    finally:
        found.stop()
    assert found.processes() == []
