"""The table of faults is complete, and true as far as a table can be."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from engine_stories import Teller, load_all
from fault_table import Fault, load
from page import render

from limosa.render import explanation
from limosa_model.failures import Code

ROOT = Path(__file__).parents[2]
ROWS = load()
PRODUCT = ("core", "sdk", "propeller", "admin", "sandbox")
CONSTANTS = {value: f"Code.{name}" for name, value in vars(Code).items() if name.isupper()}
CODES = set(CONSTANTS)
each_row = pytest.mark.parametrize("row", ROWS, ids=[f"{row.number}-{row.title}" for row in ROWS])


def test_every_fault_has_its_row() -> None:
    assert [row.number for row in ROWS] == list(range(1, 37))


@each_row
def test_a_row_is_covered(row: Fault) -> None:
    assert row.stories or row.tests


@each_row
def test_a_row_says_whose_fault_it_is(row: Fault) -> None:
    assert row.blame in ("USER", "SYSTEM", "nobody")
    assert all((row.title, row.stimulus, row.outcome, row.retried_by, row.shown))


@each_row
def test_codes_are_those_of_the_platform(row: Fault) -> None:
    assert set(row.codes) <= CODES


@each_row
def test_what_the_user_reads_is_what_the_product_says(row: Fault) -> None:
    silent = [
        part
        for text in row.reads
        for part in text.split("…")
        if not any(part.strip(" ,;:.") in literal for literal in words())
    ]
    assert silent == [], "no text of the product has these words"


@each_row
def test_a_reason_is_explained_under_its_code(row: Fault) -> None:
    told = {explanation._MEANINGS.get(code) for code in row.codes}
    assert {text for text in row.reads if text in explanation._MEANINGS.values()} <= told


@each_row
def test_its_stories_play(row: Fault) -> None:
    stories = dict(load_all())
    for name in row.stories:
        Teller(stories[name]).tell()


@each_row
def test_its_stories_end_in_its_codes(row: Fault) -> None:
    stories = dict(load_all())
    told = " ".join(str(stories[name]) for name in row.stories)
    unheard = [code for code in row.codes if f"'{code}'" not in told]
    sources = "".join((ROOT / "tests" / name.partition("::")[0]).read_text() for name in row.tests)
    untold = [code for code in unheard if code not in sources and CONSTANTS[code] not in sources]
    assert untold == [], "neither a story nor a test of the row ends in it"


@each_row
def test_whose_fault_it_is_has_a_code_and_words(row: Fault) -> None:
    assert row.blame == "nobody" or (row.codes and row.reads)


def test_rows_seen_on_a_cluster_are_those_that_a_script_provokes() -> None:
    """The list is read, not run: it needs a cluster."""
    provoked = {
        call.args[0].value
        for call in ast.walk(ast.parse((ROOT / "deploy" / "lab" / "provoke.py").read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Row"
        if isinstance(call.args[0], ast.Constant)
    }
    assert {row.number for row in ROWS if row.on_a_cluster == "faults"} == provoked
    assert {row.on_a_cluster for row in ROWS} <= {"", "faults"}


def test_its_tests_exist() -> None:
    """Pytest finds each of them; it fails where there is no such test."""
    ids = sorted({f"tests/{name}" for row in ROWS for name in row.tests})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *ids]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-4000:]


def test_the_page_in_the_docs_is_that_of_the_table() -> None:
    page = ROOT / "docs" / "faults.md"
    assert page.read_text() == render(), "run: python tests/faults/page.py > docs/faults.md"


@cache
def words() -> frozenset[str]:
    """Every text in the product's source, what varies cut out."""
    found: set[str] = set()
    for folder in PRODUCT:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return frozenset(found)
