"""New projects: complete, running, overwriting nothing."""

import subprocess
import sys


def test_the_project_runs_and_its_test_passes(limosa, place, monkeypatch):
    made = limosa("init", "my-project")
    assert made.status == 0
    folder = place / "my-project"
    assert 'name = "my-project"' in (folder / "pyproject.toml").read_text()
    assert "{{" not in "".join(path.read_text() for path in folder.iterdir())
    monkeypatch.chdir(folder)
    # A module of that name of another test of this process would be in the way.
    monkeypatch.delitem(sys.modules, "hello", raising=False)
    result = limosa("run", "hello.py", "--text", "to be or not to be or to", "--top", "1")
    assert (result.status, result.out) == (0, "to: 3\n"), result.err
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    tested = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert tested.returncode == 0, tested.stdout


def test_here_by_default(limosa, place):
    assert limosa("init").status == 0
    assert (place / "hello.py").exists()


def test_nothing_is_overwritten(limosa, place):
    (place / "README.md").write_text("mine")
    result = limosa("init")
    assert result.status == 2
    assert "README.md" in result.err
    assert (place / "README.md").read_text() == "mine"
    assert not (place / "hello.py").exists()


def test_an_unknown_template_lists_those_there_are(limosa):
    result = limosa("init", "--template", "nope", "x")
    assert (result.status, "there are: hello" in result.err) == (2, True)
