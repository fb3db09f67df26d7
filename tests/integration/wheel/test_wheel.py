"""Installed without a checkout: wheel, empty environment, another folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UV = Path(sys.executable).with_name("uv")


def call(*command, cwd, env=None, timeout=300):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    call(UV, "build", "--wheel", "--out-dir", out, ROOT, cwd=out)
    [built] = out.glob("*.whl")
    return built


def test_the_wheel_has_what_is_no_python(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "limosa_propeller/crd/workflowrun.yaml",
        "limosa_sandbox/cluster/builtin_schemas.json",
        "limosa_sandbox/cluster/builtin_fields.json",
        "limosa_admin/migrations/env.py",
        "limosa_admin/web/static/limosa.css",
        "limosa/py.typed",
        "limosa/examples/house_prices/house_prices.py",
        "limosa/examples/house_prices/data/windsor.csv",
    ):
        assert needed in names
    assert any(name.startswith("limosa_admin/migrations/versions/") for name in names)


@pytest.mark.slow
def test_init_demo_and_run_from_a_wheel_in_an_empty_environment(wheel, tmp_path):
    venv = tmp_path / "venv"
    call(UV, "venv", "--python", sys.executable, venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    lock = ROOT / "requirements" / "dev.lock"
    call(
        UV,
        "pip",
        "install",
        "--python",
        python,
        "-c",
        lock,
        f"limosa[sandbox] @ {wheel.as_uri()}",
        cwd=tmp_path,
    )
    env = {
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path / "home"),
        "LIMOSA_HOME": str(tmp_path / "state"),
        "LIMOSA_CONFIG": str(tmp_path / "config.toml"),
        "LANG": "C.UTF-8",
        **{name: os.environ[name] for name in ("TMPDIR",) if name in os.environ},
    }
    limosa = venv / "bin" / "limosa"
    call(limosa, "init", "project", cwd=tmp_path, env=env)
    project = tmp_path / "project"
    [flow] = [
        path for path in project.rglob("*.py") if "test" not in path.name and path.name != "__init__.py"
    ]
    try:
        call(limosa, "demo", "start", cwd=project, env=env)
        printed = call(limosa, "run", "--remote", flow, cwd=project, env=env)
        assert printed.strip()
    finally:
        call(limosa, "demo", "stop", cwd=project, env=env)
    listing = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False)
    assert listing.stdout == ""
