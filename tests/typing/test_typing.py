"""Type checkers see what an author sees: results, and mistakes on the lines that make them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = [str(ROOT / folder) for folder in ("proto", "core", "sdk")]
EXAMPLES = sorted(path for path in (ROOT / "examples").rglob("*.py") if "tests" not in path.parts)


def mypy_errors(*files):
    """Lines with errors, by file name."""
    config = "[mypy]\nstrict = true\nexplicit_package_bases = true\n"
    config += f"mypy_path = {':'.join([*SOURCES, *{str(file.parent) for file in files}])}\n"
    config += "[mypy-limosa_idl.*]\nignore_errors = true\n[mypy-sklearn.*,pyarrow.*]\nignore_missing_imports = true\n"
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "/dev/stdin", "--no-error-summary", *map(str, files)],
        input=config,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert found.returncode in (0, 1), found.stderr
    matches = re.findall(r"^(\S+?):(\d+): error: (.*)$", found.stdout, re.MULTILINE)
    return {(Path(file).name, int(line)): text for file, line, text in matches}


def pyright_errors(tmp_path, *files):
    """Lines with errors, by file name."""
    project = {
        "extraPaths": [*SOURCES, *{str(file.parent) for file in files}],
        "typeCheckingMode": "standard",
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(project))
    command = [
        sys.executable,
        "-m",
        "pyright",
        "--outputjson",
        "--pythonpath",
        sys.executable,
        *map(str, files),
    ]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    report = json.loads(found.stdout)
    assert report["summary"]["filesAnalyzed"] == len(files)
    return {
        (Path(item["file"]).name, item["range"]["start"]["line"] + 1): item["message"]
        for item in report["generalDiagnostics"]
        if item["severity"] == "error"
    }


def expected_mistakes():
    lines = (HERE / "mistakes.py").read_text().splitlines()
    return {
        ("mistakes.py", number) for number, line in enumerate(lines, 1) if line.endswith("# expect-error")
    }


def test_mypy_sees_the_types_of_calls():
    assert mypy_errors(HERE / "programs.py") == {}


def test_mypy_sees_mistakes():
    assert set(mypy_errors(HERE / "mistakes.py")) == expected_mistakes()


def test_pyright_sees_the_types_of_calls(tmp_path):
    assert pyright_errors(tmp_path, HERE / "programs.py") == {}


def test_pyright_sees_mistakes(tmp_path):
    assert set(pyright_errors(tmp_path, HERE / "mistakes.py")) == expected_mistakes()


@pytest.mark.parametrize("folder", sorted({path.parent for path in EXAMPLES}), ids=lambda folder: folder.name)
def test_examples_pass_both(tmp_path, folder):
    files = [path for path in EXAMPLES if path.parent == folder]
    assert mypy_errors(*files) == {}
    assert pyright_errors(tmp_path, *files) == {}
