import importlib.util
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from platform_rig.sandbox import Sandbox

HERE = Path(__file__).parent


def _load(name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


_load("referee")
_load("flows")

from referee import Referee


@pytest.fixture(scope="session")
def referee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Referee]:
    with Referee(tmp_path_factory.mktemp("referee") / "record.jsonl").serving() as found:
        yield found


@pytest.fixture(scope="session")
def double(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with this one's packages, whose runtime reports to the referee."""
    folder = tmp_path_factory.mktemp("double")
    venv.EnvBuilder(symlinks=True).create(folder)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    lines = [
        f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})",
        str(HERE / "double"),
        "import referee_double",
    ]
    (packages / "double.pth").write_text("\n".join(lines) + "\n")
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def judged_sandbox(sandbox: Sandbox, double: Path) -> Sandbox:
    """The session's platform, for authors whose runtime reports to the referee."""
    return sandbox.for_author(double)
