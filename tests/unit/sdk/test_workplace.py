"""Where a task works on this machine: a folder, variables and secrets of its own."""

import os
import sys
import threading
from pathlib import Path

import pytest

from limosa import Directory, File, Secret, current_context, dynamic, task, workflow
from limosa.errors import LimosaError
from limosa.local import run
from limosa.local.workplace import workplace
from limosa.testing import patch


@task
def make_directory() -> Directory:
    Path("out").mkdir()
    Path("out", "a.txt").write_text("a")
    return Directory("out")


@task
def make_file() -> File:
    Path("out.csv").write_text("1,2")
    return File("out.csv")


@task
def size(file: File) -> int:
    return len(file.open().read())


@workflow
def sized(file: File) -> int:
    return size(file=file)


@task
def own_file() -> File:
    return File("pyproject.toml")


@task
def where() -> str:
    return os.getcwd()


@dynamic
def described() -> str:
    Path("scratch.txt").write_text("x")
    return where()


@task
def opens(name: str) -> str:
    return Path(name).read_text()


@task(environment={"COLOR": "red", "SHAPE": "round"})
def looks() -> str:
    return f"{os.environ['COLOR']} {os.environ['SHAPE']}"


@workflow
def looks_other() -> str:
    return looks.with_overrides(environment={"COLOR": "blue"})()


@task(secrets=[Secret("db", "password"), Secret("hub", "token", file="/nowhere/token")])
def connects() -> str:
    return os.environ["PASSWORD"] + Path(os.environ["TOKEN_FILE"]).read_text()


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_a_task_writes_does_not_lie_about(here):
    for _ in range(2):
        made = make_directory()
        assert (Path(made.path) / "a.txt").read_text() == "a"
        assert make_file().open().read() == "1,2"
        described()
    assert list(here.iterdir()) == []
    assert Path.cwd() == here


@task
def leaves() -> list[str]:
    """What it finds besides the project, then leaves something everywhere."""
    project = os.listdir(leaves.source_root)
    work = current_context().working_directory
    found = [name for name in os.listdir() if name not in project] + os.listdir(work)
    Path("pyproject.toml").unlink()
    Path("left", "deep").mkdir(parents=True)
    (work / "left.txt").write_text("x")
    return found


def test_no_call_sees_what_another_left(here):
    assert leaves() == leaves() == []
    assert own_file().name == "pyproject.toml"


def test_a_caller_s_paths_are_the_caller_s(here):
    Path("mine.csv").write_text("12345")
    assert size(file=File("mine.csv")) == 5
    assert sized(file=File("mine.csv")) == 5


def test_files_of_the_project_can_be_read_as_in_a_pod(here):
    root = Path(own_file.source_root)
    assert own_file().open().read() == (root / "pyproject.toml").read_text()


def test_a_file_beside_the_caller_is_explained(here, tmp_path):
    Path("mine.csv").write_text("1")
    with pytest.raises(FileNotFoundError) as caught:
        run(opens, {"name": "mine.csv"}, tmp_path / "runs")
    (told, _) = caught.value.__notes__
    assert told.startswith(f"mine.csv lies in {here}; a task works in a folder of its own")
    assert told.endswith("pass it as a File input.")
    with pytest.raises(FileNotFoundError) as caught:
        opens(name="nowhere.csv")
    assert len(caught.value.__notes__) == 1


def test_another_thread_stays_where_it_is(here):
    found = []
    thread = threading.Thread(target=lambda: found.append(where()))
    thread.start()
    thread.join()
    assert found == [str(here)]


def test_an_interactive_python_imports_from_its_folder(here, monkeypatch):
    @task
    def imports() -> str:
        return sys.path[0]

    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert imports() == str(here)
    assert sys.path[0] == ""


def test_variables_are_there_during_the_call_only(monkeypatch):
    monkeypatch.setenv("SHAPE", "square")
    monkeypatch.delenv("COLOR", raising=False)
    assert looks() == "red round"
    assert looks_other() == "blue round"
    assert (os.environ["SHAPE"], "COLOR" in os.environ) == ("square", False)


def test_secrets_are_this_process_s_own(here, monkeypatch):
    Path("token").write_text("-t")
    monkeypatch.setenv("PASSWORD", "p")
    monkeypatch.setenv("TOKEN_FILE", str(here / "token"))
    assert connects() == "p-t"


@pytest.mark.parametrize(
    ("there", "told"),
    [
        ({}, r"task connects \(.*:\d+\): secret db/password is not set here; export PASSWORD=…"),
        (
            {"PASSWORD": "p"},
            r"secret hub/token is not set here; export TOKEN_FILE=the path of a file that holds it",
        ),
    ],
)
def test_a_secret_that_is_not_set_is_named(monkeypatch, there, told):
    for name in ("PASSWORD", "TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in there.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LimosaError, match=told):
        connects()


def test_what_stands_in_for_a_task_needs_no_secret(monkeypatch):
    monkeypatch.delenv("PASSWORD", raising=False)
    with patch(connects) as stand_in:
        stand_in.returns("there")
        assert connects() == "there"


def test_a_source_root_that_is_gone_is_no_obstacle(tmp_path, here):
    gone = tmp_path / "gone"
    with workplace(tmp_path / "scratch", str(gone)) as place:
        assert os.listdir(place.code) == []
