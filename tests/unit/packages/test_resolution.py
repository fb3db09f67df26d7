"""From declarations to locks, by uv, with wheels of a folder: no index is asked."""

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import pytest

from limosa import LimosaError, Packages, task
from limosa.packages import resolution, uv
from limosa.packages.declaration import Declared, declared_packages
from limosa.packages.environment import check_environment
from limosa.packages.lock import PackageLock
from limosa.packages.resolution import resolve

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclasses.dataclass
class Project:
    """A source root with a folder of wheels."""

    root: Path

    def declare(self, requirements, **options) -> Declared:
        @task(packages=Packages(requirements, find_links="wheels", **options))
        def train() -> None: ...

        found = declared_packages(train)
        assert found is not None
        origin = found.origin._replace(file=str(self.root / "flow.py"), line=7)
        return found._replace(task="flow.train", origin=origin, root=str(self.root))

    def lock(self, requirements, **options) -> PackageLock:
        (one,) = resolve([self.declare(requirements, **options)]).values()
        return one.lock


@pytest.fixture
def project(tmp_path: Path, make_wheel, monkeypatch: pytest.MonkeyPatch) -> Project:
    wheels = tmp_path / "wheels"
    make_wheel(wheels, "greeting", "1.0", "word = 'hello'", requires=["manners>=3"])
    make_wheel(wheels, "greeting", "2.0", "word = 'good day'", requires=["manners>=3"])
    make_wheel(wheels, "manners", "3.1", "bows = 1")
    for tag in ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_17_aarch64"):
        make_wheel(wheels, "native", "1.0", f"built_for = {tag!r}", tag=f"cp312-abi3-{tag}")
    make_wheel(wheels, "native", "1.0", "built_for = 'closest'", tag="cp312-cp312-manylinux_2_5_x86_64")
    make_wheel(wheels, "elsewhere", "1.0", "", tag="py3-none-win_amd64")
    (tmp_path / "uv.toml").write_text("no-index = true\noffline = true\n")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return Project(tmp_path)


def test_exact_wheels_with_their_digests(project: Project) -> None:
    lock = project.lock(["greeting<2"])
    assert [(wheel.name, wheel.version) for wheel in lock.wheels] == [("greeting", "1.0"), ("manners", "3.1")]
    for wheel in lock.wheels:
        content = (project.root / "wheels" / wheel.file).read_bytes()
        assert wheel.sha256 == hashlib.sha256(content).hexdigest()
    assert lock.python == HERE
    assert PackageLock.parse(lock.text()) == lock
    assert lock.digest == hashlib.sha256(lock.text()).hexdigest()


def test_the_wheel_that_fits_the_pods_best(project: Project) -> None:
    def chosen(python: str, platform: str) -> str:
        return project.lock(["native"], python=python, platform=platform).wheels[0].file

    assert chosen("3.13", "x86_64-manylinux_2_28") == "native-1.0-cp312-abi3-manylinux_2_28_x86_64.whl"
    assert chosen("3.13", "x86_64-manylinux_2_17") == "native-1.0-cp312-abi3-manylinux2014_x86_64.whl"
    assert chosen("3.13", "aarch64-manylinux_2_28") == "native-1.0-cp312-abi3-manylinux_2_17_aarch64.whl"
    assert chosen("3.12", "x86_64-manylinux_2_28") == "native-1.0-cp312-cp312-manylinux_2_5_x86_64.whl"


def test_a_wheel_by_its_path(project: Project, make_wheel) -> None:
    made = make_wheel(project.root / "dist", "own", "1.0", "built = 1", requires=["manners"])
    (one,) = resolve([project.declare(["./dist/own-1.0-py3-none-any.whl"])]).values()
    assert [(wheel.name, wheel.version) for wheel in one.lock.wheels] == [("manners", "3.1"), ("own", "1.0")]
    assert one.sources[hashlib.sha256(made.read_bytes()).hexdigest()] == made.as_uri()
    make_wheel(project.root / "dist", "own", "1.0", "built = 22", requires=["manners"])
    assert project.lock(["./dist/own-1.0-py3-none-any.whl"]).digest != one.lock.digest


def test_a_uv_that_is_too_old_is_to_be_renewed(project: Project, tmp_path: Path, monkeypatch) -> None:
    old = tmp_path / "uv-of-old"
    old.write_text("#!/bin/sh\necho \"error: unexpected argument '--format' found\" >&2\nexit 2\n")
    old.chmod(0o755)
    monkeypatch.setattr(uv, "_find_uv", lambda _: str(old))
    with pytest.raises(LimosaError) as raised:
        project.lock(["greeting"])
    assert (raised.value.code, raised.value.remedy) == ("UvTooOld", "pip install -U uv")


def test_a_requirements_file_and_what_it_includes(project: Project) -> None:
    (project.root / "requirements.txt").write_text("# ours\n-r more.txt\n-c limits.txt\n")
    (project.root / "more.txt").write_text("greeting\n")
    (project.root / "limits.txt").write_text("greeting<2\n")
    assert project.lock("requirements.txt").wheels[0].version == "1.0"
    (project.root / "limits.txt").write_text("")
    assert project.lock("requirements.txt").wheels[0].version == "2.0"


def test_hashes_in_a_requirements_file_bind(project: Project) -> None:
    wheel = project.lock(["manners"]).wheels[0]
    file = project.root / "requirements.txt"
    file.write_text(f"manners==3.1 --hash=sha256:{wheel.sha256}\n")
    assert project.lock("requirements.txt").wheels == (wheel,)
    file.write_text(f"manners==3.1 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(LimosaError) as raised:
        project.lock("requirements.txt")
    assert raised.value.code == "PackageHash"


def test_a_uv_lock_gives_its_versions_without_the_groups_for_developers(project: Project) -> None:
    (project.root / "uv.toml").write_text('find-links = ["wheels"]\nno-index = true\n')
    (project.root / "pyproject.toml").write_text(
        f'[project]\nname = "p"\nversion = "0"\nrequires-python = ">={HERE}"\ndependencies = ["greeting<2"]\n'
        '[dependency-groups]\ndev = ["native"]\n'
    )
    uv.run_uv(project.declare(["x"]), ["lock", "--quiet"], str(project.root))
    declared = project.declare("uv.lock")
    (one,) = resolve([declared]).values()
    assert [(wheel.name, wheel.version) for wheel in one.lock.wheels] == [
        ("greeting", "1.0"),
        ("manners", "3.1"),
    ]
    with pytest.raises(LimosaError, match=r"greeting==1\.0 is not installed here"):
        check_environment([declared])


def test_the_same_declaration_stays_the_same_packages(project: Project, make_wheel, monkeypatch) -> None:
    first = project.lock(["greeting"])

    def refuse(*_) -> str:
        raise AssertionError("uv was asked again")

    with monkeypatch.context() as patched:
        patched.setattr(resolution, "run_uv", refuse)
        assert project.lock(["greeting"]) == first
    make_wheel(project.root / "wheels", "greeting", "2.1", "")
    assert project.lock(["greeting"]).wheels[0].version == "2.1"


@pytest.mark.parametrize(
    ("requirements", "code", "says", "remedy"),
    [
        (["nosuch"], "PackageUnknown", "nosuch was not found", "name and version"),
        (["greeting==9"], "PackageUnknown", "no version of greeting==9", "name and version"),
        (["elsewhere"], "PackageNoWheel", "no wheels with a matching platform", "uv build --wheel"),
        (["greeting", "manners<3"], "PackageConflict", "manners<3", "loosen"),
        (["greeting==="], "PackageRequirement", "greeting===", "as for pip"),
        ("nowhere.txt", "PackagesFile", "there is no ", "relative to the task's file"),
    ],
)
def test_what_cannot_be_had_names_task_place_and_remedy(
    project: Project, requirements, code, says, remedy
) -> None:
    with pytest.raises(LimosaError) as raised:
        project.lock(requirements)
    error = raised.value
    assert (error.code, says in error.message, remedy in error.remedy) == (code, True, True), str(error)
    assert error.message.startswith("task flow.train: packages: ")
    assert error.place.endswith("flow.py:7")


def test_a_source_distribution_is_refused(project: Project) -> None:
    folder = project.root / "wheels"
    (folder / "native-1.0.tar.gz").write_bytes(b"")
    (folder / "onlysource-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(LimosaError) as raised:
        project.lock(["onlysource"])
    assert raised.value.code == "PackageNoWheel"
    assert "onlysource" in raised.value.message
    assert "building from source is disabled" not in raised.value.message


def test_an_index_out_of_reach_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    (project.root / "uv.toml").write_text('index-url = "http://127.0.0.1:9/simple"\n')
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(LimosaError) as raised:
        project.lock(["greeting"])
    assert raised.value.code == "PackageIndex"
    assert "127.0.0.1:9" in raised.value.message
    assert "find_links" in raised.value.remedy


def test_without_uv_the_remedy_is_to_install_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setitem(sys.modules, "uv", None)
    with pytest.raises(LimosaError) as raised:
        project.lock(["greeting"])
    assert (raised.value.code, raised.value.remedy) == ("UvMissing", "pip install uv")


def test_a_local_run_says_what_this_environment_lacks(project: Project) -> None:
    check_environment([project.declare(["click>=8", "nosuch ; sys_platform == 'win32'"])])
    with pytest.raises(LimosaError) as raised:
        check_environment([project.declare(["nosuch==1.0", "click<1"])])
    error = raised.value
    assert error.code == "PackagesMissing"
    assert "nosuch==1.0 is not installed here; click<1 is wanted, " in error.message
    assert "pip install 'nosuch==1.0' 'click<1'; or run it with --remote" in error.remedy
    (project.root / "requirements.txt").write_text("nosuch \\\n  --hash=sha256:ab\n")
    with pytest.raises(LimosaError, match=r"pip install -r requirements\.txt"):
        check_environment([project.declare("requirements.txt")])


def test_a_kept_lock_that_was_spoiled_is_made_again(project: Project) -> None:
    first = project.lock(["manners"])
    (kept,) = (project.root / ".limosa" / "locks").iterdir()
    kept.write_text(json.dumps({"lock": "{}"}))
    assert project.lock(["manners"]) == first
