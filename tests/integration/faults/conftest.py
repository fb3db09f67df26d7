import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from platform_rig.sandbox import Sandbox

# pytest's importlib mode puts no folder on the path.
sys.path.insert(0, str(Path(__file__).parent))

from double_interpreter import make_double
from flows import write_flows
from referee import Referee
from undisturbed import Undisturbed, run_undisturbed


@pytest.fixture(scope="session")
def referee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Referee]:
    with Referee(tmp_path_factory.mktemp("referee") / "record.jsonl").serving() as found:
        yield found


@pytest.fixture(scope="session")
def double(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_double(tmp_path_factory.mktemp("double"))


@pytest.fixture(scope="session")
def judged_sandbox(sandbox: Sandbox, double: Path) -> Sandbox:
    """The session's platform, for authors whose runtime reports to the referee."""
    return sandbox.for_author(double)


@pytest.fixture(scope="session")
def hurt(tmp_path_factory: pytest.TempPathFactory, double: Path) -> Iterator[Sandbox]:
    """A platform for tests that hurt it, so that no other test is met by it."""
    found = Sandbox(tmp_path_factory.mktemp("hurt")).for_author(double)
    try:
        found.start()
        yield found
    finally:
        found.stop()
    assert found.processes() == []


@pytest.fixture(scope="session")
def flows(tmp_path_factory: pytest.TempPathFactory, referee: Referee) -> Path:
    """The workflows, for tests that need no variant of them."""
    return write_flows(tmp_path_factory.mktemp("flows"), referee.address)


@pytest.fixture(scope="session")
def undisturbed(hurt: Sandbox, flows: Path, referee: Referee) -> Undisturbed:
    return run_undisturbed(hurt, flows, referee)
