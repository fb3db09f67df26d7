"""The pure packages ask nobody for anything: what the import rules cannot see."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PURE = (ROOT / "propeller/limosa_engine", ROOT / "core/limosa_model")
IMPURE = {"open", "print", "input", "now", "utcnow", "today", "uuid1", "uuid4", "getenv", "urandom"}
"""Last words of calls that read a clock, use randomness, or do I/O."""


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield f"{name} in line {node.lineno}" if name in IMPURE else ""


@pytest.mark.parametrize("package", PURE, ids=lambda package: package.name)
def test_a_pure_package_reads_no_clock_and_does_no_io(package: Path) -> None:
    files = list(package.rglob("*.py"))
    found = [(path.name, call) for path in files for call in calls(ast.parse(path.read_text())) if call]
    assert len(files) > 20
    assert found == []


def test_the_rules_find_what_they_forbid() -> None:
    impure = "def f():\n    return datetime.now(), open('x')\n"
    assert [call for call in calls(ast.parse(impure)) if call] == ["now in line 2", "open in line 2"]
