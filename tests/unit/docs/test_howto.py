"""What the how-tos show of the code is what the code says."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXCERPT = re.compile(r"^`(?P<file>[^`\n]+)`\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
EXCERPTS = [
    (page, found["file"], found["text"])
    for page in sorted((ROOT / "docs" / "howto").glob("*.md"))
    for found in EXCERPT.finditer(page.read_text())
]


@pytest.mark.parametrize(("page", "file", "text"), EXCERPTS, ids=[f"{p.stem}: {f}" for p, f, _ in EXCERPTS])
def test_an_excerpt_stands_in_its_file(page: Path, file: str, text: str) -> None:
    assert text in (ROOT / file).read_text(), f"{page.name} shows what {file} does not say"


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "howto").glob("*.md")), ids=lambda page: page.stem)
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`((?:[\w.]+/)+[\w.]+\.\w+)`", page.read_text())
    roots = (ROOT, ROOT / "propeller")
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []
    assert len(named) > 5
