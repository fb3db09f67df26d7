"""Every story, and that together they touch every row of the engine's tables."""

from typing import Any

import pytest
from engine_stories import Teller, load_all

from limosa_engine.phases import LAUNCH_TRANSITIONS, NODE_TRANSITIONS, RUN_TRANSITIONS
from limosa_engine.verdicts import ENDED, HELD

STORIES = load_all()


@pytest.mark.parametrize("story", [story for _, story in STORIES], ids=[title for title, _ in STORIES])
def test_story(story: dict[str, Any]) -> None:
    Teller(story).tell()


def test_titles_are_unique() -> None:
    titles = [title for title, _ in STORIES]
    assert len(set(titles)) == len(titles)


def test_every_transition_has_a_story() -> None:
    seen: set[tuple[str, str, str]] = set()
    for _, story in STORIES:
        teller = Teller(story)
        teller.tell()
        seen |= teller.seen
    legal = {("launch", a.name, b.name) for a, ends in LAUNCH_TRANSITIONS.items() for b in ends}
    legal |= {
        ("phase", a.name, b.name)
        for a, ends in (*RUN_TRANSITIONS.items(), *NODE_TRANSITIONS.items())
        for b in ends
    }
    assert legal - seen == set()


def test_every_verdict_has_a_story() -> None:
    told = [str(story) for _, story in STORIES]
    silent = [f"{place}: {value}" for place, value in ENDED if not any(repr(value) in text for text in told)]
    silent += [reason for reason in HELD if not any(repr(reason) in text for text in told)]
    assert silent == []
