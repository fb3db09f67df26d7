"""What no linter of ours counts: sizes, and that the pure packages ask nobody for anything."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("core", "sdk", "propeller", "admin", "sandbox")
PURE = (ROOT / "propeller/limosa_engine", ROOT / "core/limosa_model")
MOST_FILE_LINES, MOST_FUNCTION_LINES = 600, 60
IMPURE = {"open", "print", "input", "now", "utcnow", "today", "uuid1", "uuid4", "getenv", "urandom"}
"""Last words of calls that read a clock, use randomness, or do I/O."""


def sources() -> Iterator[Path]:
    """Ours; a migration is one long list of what changes."""
    for package in PACKAGES:
        yield from (path for path in (ROOT / package).rglob("*.py") if "migrations" not in path.parts)


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Name and length of each function, strings that only explain an attribute left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            told = [
                part
                for part in ast.walk(node)
                if isinstance(part, ast.Expr)
                and isinstance(part.value, ast.Constant)
                and isinstance(part.value.value, str)
            ]
            explained = sum((part.end_lineno or 0) - part.lineno + 1 for part in told)
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - explained


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield f"{name} in line {node.lineno}" if name in IMPURE else ""


def test_files_and_functions_stay_small() -> None:
    long: list[str] = []
    for path in sources():
        text = path.read_text()
        if text.count("\n") > MOST_FILE_LINES:
            long.append(str(path))
        found = functions(ast.parse(text))
        long += [
            f"{path.name}: {name}, {lines} lines" for name, lines in found if lines > MOST_FUNCTION_LINES
        ]
    assert long == []


@pytest.mark.parametrize("package", PURE, ids=lambda package: package.name)
def test_a_pure_package_reads_no_clock_and_does_no_io(package: Path) -> None:
    files = list(package.rglob("*.py"))
    found = [(path.name, call) for path in files for call in calls(ast.parse(path.read_text())) if call]
    assert len(files) > 20
    assert found == []


def test_the_rules_find_what_they_forbid() -> None:
    impure = "def f():\n    return datetime.now(), open('x')\n"
    assert [call for call in calls(ast.parse(impure)) if call] == ["now in line 2", "open in line 2"]
    assert list(functions(ast.parse("def f():\n    a = 1\n    'why'\n    return a\n"))) == [("f", 3)]
