"""The SDK on every interpreter that is here, with the oldest protobuf it takes and with the newest.

Which interpreters are here is found out when the tests are collected; the one that runs them always is.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from limosa.compiler import CompileSettings, compile_entity, load_module

ROOT = Path(__file__).parents[3]
UV = Path(sys.executable).with_name("uv")
HELLO = ROOT / "examples" / "hello"
EXERCISE = Path(__file__).with_name("exercise.py")
VERSIONS = [(3, minor) for minor in range(10, 15)]
OLDEST = "4.25"
PROTOBUFS = {f"protobuf-{OLDEST}": f"protobuf=={OLDEST}.*", "protobuf-newest": "protobuf"}


def candidates(version: tuple[int, int]) -> Iterator[str]:
    if version == sys.version_info[:2]:
        yield sys.executable
    name = f"python{version[0]}.{version[1]}"
    on_path = shutil.which(name)
    if on_path:
        yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from map(str, sorted(pyenv.glob(f"versions/{version[0]}.{version[1]}.*/bin/{name}")))


def runs(python: str, version: tuple[int, int]) -> bool:
    """False for pyenv's shims too, which are there also for versions that they then refuse to run."""
    command = [python, "-c", "import sys; print(sys.version_info[:2])"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode == 0 and done.stdout.strip() == str(version)


def interpreters() -> dict[str, str]:
    """By version ("3.11"), an interpreter that runs."""
    found = {}
    for version in VERSIONS:
        python = next((python for python in candidates(version) if runs(python, version)), None)
        if python is not None:
            found[f"{version[0]}.{version[1]}"] = python
    return found


INTERPRETERS = interpreters()


def call(*command: object, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    call(UV, "build", "--wheel", "--out-dir", out, ROOT, cwd=out)
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def closure() -> str:
    """The example as this very environment compiles it."""
    hello = load_module(str(HELLO / "hello.py")).entities["hello"]
    return compile_entity(hello, CompileSettings(python_version="3.11")).closure_bytes.hex()


def test_the_interpreter_that_runs_the_tests_is_among_them() -> None:
    assert INTERPRETERS[f"{sys.version_info[0]}.{sys.version_info[1]}"] == sys.executable


@pytest.mark.slow
@pytest.mark.parametrize("protobuf", PROTOBUFS)
@pytest.mark.parametrize("version", INTERPRETERS)
def test_the_sdk_compiles_runs_here_and_runs_as_a_pod(
    version: str, protobuf: str, wheel: Path, closure: str, tmp_path: Path
) -> None:
    venv, project = tmp_path / "venv", tmp_path / "project"
    shutil.copytree(HELLO, project, ignore=shutil.ignore_patterns(".limosa", "__pycache__"))
    call(UV, "venv", "--python", INTERPRETERS[version], venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    call(UV, "pip", "install", "--python", python, wheel, PROTOBUFS[protobuf], cwd=tmp_path)
    environ = {
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "LIMOSA_CONFIG": str(tmp_path / "config.toml"),
    }
    flow = project / "hello.py"
    printed = call(python, EXERCISE, flow, tmp_path, cwd=tmp_path, env=environ)
    done = json.loads(printed.splitlines()[-1])
    assert done["installed"].startswith(str(venv))
    assert f"{done['python'][0]}.{done['python'][1]}" == version
    assert done["protobuf"].startswith(f"{OLDEST}.") == (protobuf == f"protobuf-{OLDEST}")
    assert done["closure"] == closure
    assert done["here"] == "Hello, here!"
    assert done["pod"] == "Hello, pod!"
    assert done["refusal"] == "use File or Directory: a path means nothing in another pod"
    printed = call(venv / "bin" / "limosa", "run", "hello.py", "--name", "shell", cwd=project, env=environ)
    assert printed.strip() == "Hello, shell!"
