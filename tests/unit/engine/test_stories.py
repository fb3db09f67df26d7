"""Every story; `test_tables` shows that together they need every row of the engine's tables."""

from typing import Any

import pytest
from engine_stories import Teller, load_all

STORIES = load_all()


@pytest.mark.parametrize("story", [story for _, story in STORIES], ids=[title for title, _ in STORIES])
def test_story(story: dict[str, Any]) -> None:
    Teller(story).tell()


def test_titles_are_unique() -> None:
    titles = [title for title, _ in STORIES]
    assert len(set(titles)) == len(titles)
