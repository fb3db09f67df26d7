"""How long files and functions may be: what grows beyond that is split."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
MOST_LINES, MOST_OF_A_FUNCTION = 600, 60
WRITTEN = (".py", ".proto", ".yaml", ".js", ".css", ".html")


def sources() -> list[Path]:
    """What is written by hand: not what is generated from the IDL."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = [ROOT / name for name in names.splitlines() if name.endswith(WRITTEN)]
    return [path for path in found if path.exists() and not path.name.endswith(("_pb2.py", "_pb2_grpc.py"))]


def test_no_file_is_longer() -> None:
    long = {path.name for path in sources() if len(path.read_text().splitlines()) > MOST_LINES}
    assert long == set()


def test_no_function_is_longer() -> None:
    long = {
        f"{path.parent.name}/{path.name}: {node.name}"
        for path in sources()
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MOST_OF_A_FUNCTION
    }
    assert long == set()
