"""The golden screens of failures, which unit tests draw from fixtures, come out of the real platform too."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GOLDEN = HERE.parents[1] / "unit" / "render" / "golden"
FAILING = 'raise ValueError(f"penalty is {penalty}")'
# By golden file: what the program has in place of the failing statement, and of its options.
WAYS = {
    "user-error": (FAILING, "retries=1"),
    "timeout": ("time.sleep(600)", 'retries=1, timeout="5s"'),
    "oom": ("take_memory()", "retries=1"),
}


def normal(text: str) -> str:
    """Without what differs from run to run: the run's name, times, where lines wrap."""
    text = re.sub(r"\b[a-z]+-[a-z]+-[0-9a-f]{4}\b", "RUN", text)
    text = re.sub(r"\b(\d+ h \d+ m|\d+ m \d+ s|\d+(\.\d+)? s)\b", "TIME", text)
    return " ".join(text.split())


def run(shell, source: str):
    """Writes the program into a project of its own and runs it on the platform."""
    project = shell.work / "project"
    project.mkdir()
    (project / "limosa.toml").write_text("")
    (project / "house.py").write_text(source)
    return shell.limosa("run", "--remote", "house.py", cwd=project)


@pytest.fixture
def program(shell, tmp_path):
    """The program, its items meeting in a folder of this test."""
    yield (HERE / "house.py").read_text().replace("/replaced/by/the/test", str(tmp_path))
    for path in sorted((shell.work / "project").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (shell.work / "project").rmdir()


@pytest.mark.parametrize("name", WAYS)
def test_a_failure_looks_as_its_golden_screen(shell, program, name):
    way, options = WAYS[name]
    assert program.count(FAILING) == program.count("retries=1") == 1
    result = run(shell, program.replace(FAILING, way).replace("retries=1", options))
    assert (result.status, result.out) == (1, "")
    assert normal(result.err[result.err.index("✗") :]) == normal((GOLDEN / f"{name}.txt").read_text())


def test_a_module_that_only_the_author_has_looks_as_its_golden_screen(shell, program, tmp_path):
    """The submitter's PYTHONPATH has the module, the pod's does not."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "xgboost.py").write_text("")
    shell.environ["PYTHONPATH"] = str(tmp_path / "mine")
    try:
        result = run(shell, program.replace("import time\n", "import time\nimport xgboost\n"))
    finally:
        del shell.environ["PYTHONPATH"]
    assert (result.status, result.out) == (1, "")
    screen = re.sub(r"\(/\S+\)", "(/venv/bin/python)", result.err[result.err.index("✗") :])
    assert normal(screen) == normal((GOLDEN / "import-missing.txt").read_text())


def test_a_missing_argument_is_found_before_anything_is_sent(shell, program):
    wanted = (HERE.parents[1] / "unit" / "cli" / "golden" / "compile-missing-argument.txt").read_text()
    before = shell.limosa("get", "runs", "-o", "json").out
    source = "\nfrom limosa import task, workflow\n\n@task\ndef b(rows: int, rate: float) -> int:\n    return rows\n"
    source += "\n@workflow\ndef flow() -> int:\n    return b(rows=1)\n"
    result = run(shell, source)
    assert (result.status, result.out) == (2, "")
    assert normal(result.err.replace("house.", "broken.")) == normal(wanted)
    assert shell.limosa("get", "runs", "-o", "json").out == before
