"""A launch whose task has packages: where they are unpacked, and what finds them."""

import hashlib
import platform
import sys
from pathlib import Path

import pytest
from launch_rig import Pod

from limosa.packages.lock import PackageLock, Wheel
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM
from limosa_model import layout
from limosa_model.values import to_plain

SOURCE = """
import json
import subprocess

@task
def f() -> dict[str, str]:
    import started
    import words
    from importlib.metadata import version

    program = "import words; print(words.__file__)"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {
        "file": words.__file__,
        "other": other.stdout.strip(),
        "version": version("words"),
        "click": __import__("click").__version__,
        "json": json.__file__,
        "started": started.by,
        "environ": os.environ["TMPDIR"],
    }
"""


def with_packages(pod: Pod, wheels: list[Path], **changes: str) -> Pod:
    """The pod with a lock of wheels, which lie in its store."""
    listed = []
    for path in wheels:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        pod.store.put(layout.wheel_key("demo", "development", digest), path)
        listed.append(Wheel(*path.name.split("-")[:2], path.name, digest))
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    lock = PackageLock(here, f"{platform.machine()}-manylinux_2_28", tuple(listed))
    lock = lock._replace(**changes)
    pod.store.put(layout.package_lock_key("demo", "development", lock.digest), lock.text())
    pod.environment = pod.environment._replace(packages=lock.digest)
    return pod


@pytest.fixture
def pod(tmp_path: Path, make_wheel) -> Pod:
    words = make_wheel(tmp_path / "wheels", "words", "7.0", "")
    # A version of what the environment has too, a name of the standard library's, and a file that Python heeds at its start.
    click = make_wheel(tmp_path / "wheels", "click", "99.0", "__version__ = '99.0'")
    json = make_wheel(tmp_path / "wheels", "json", "1.0", "raise RuntimeError")
    pth = {"started.pth": "import started; started.by = 'its .pth file'\n", "started.py": ""}
    started = make_wheel(tmp_path / "wheels", "start", "1.0", "", more=pth)
    return with_packages(Pod(tmp_path, SOURCE), [words, click, json, started])


@pytest.mark.parametrize("shared", [True, False])
def test_what_a_task_finds(pod: Pod, tmp_path: Path, shared: bool) -> None:
    directory = tmp_path / "node" if shared else tmp_path / "limosa-packages"
    assert pod.run(packages_directory=str(directory) if shared else "") == 0, pod.output
    folder = directory / pod.environment.packages
    found = to_plain(pod.commit.inline.literals["o0"])
    assert found["file"] == found["other"] == str(folder / "words" / "__init__.py")
    assert (found["version"], found["click"]) == ("7.0", "99.0")
    assert not found["json"].startswith(str(tmp_path))
    assert found["started"] == "its .pth file"


def test_nothing_is_asked_of_the_store_where_they_are_there(pod: Pod, tmp_path: Path) -> None:
    assert pod.run(packages_directory=str(tmp_path / "node")) == 0, pod.output
    pod.store.delete_prefix("demo/development/code/wheels/")
    pod.store.delete_prefix("demo/development/code/packages/")
    again = {"packages_directory": str(tmp_path / "node"), "launch_id": "launchbbbb", "node_path": "n1"}
    assert pod.run(**again) == 0, pod.output


def test_a_folder_that_cannot_be_written_is_the_platforms_fault(pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert pod.run(packages_directory=str(tmp_path / "file" / "node")) != 0
    assert (pod.failure.kind, pod.failure.code) == (FAILURE_KIND_SYSTEM, "PackagesUnusable")
    assert f"into {tmp_path}/file/node: Not a directory" in pod.failure.message


def test_packages_for_another_machine_are_the_authors_fault(tmp_path: Path, make_wheel) -> None:
    words = make_wheel(tmp_path / "wheels", "words", "7.0", "")
    pod = with_packages(Pod(tmp_path, SOURCE), [words], platform="s390x-manylinux_2_28")
    assert pod.run() == 1
    assert pod.failure.code == "PackagesUnusable"
    assert "flow.f: the packages are for s390x-manylinux_2_28, this is Linux on" in pod.failure.message
    assert "Packages(…, platform=" in pod.failure.remedy
