"""Each row of the engine's tables has a story that turns red without it: a story that passes all the same proves nothing."""

import contextlib
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from engine_stories import Teller, load_all

from limosa_engine import InvalidTransition, verdicts
from limosa_engine.kinds import KINDS
from limosa_engine.nodes import ADVANCE, DECIDERS, gate
from limosa_engine.phases import LAUNCH_TRANSITIONS, NODE_TRANSITIONS, RUN_TRANSITIONS
from limosa_engine.reactions import REACTIONS

Table = MutableMapping[Any, Any]
TABLES: dict[str, Table] = {
    "run transitions": RUN_TRANSITIONS,
    "node transitions": NODE_TRANSITIONS,
    "launch transitions": LAUNCH_TRANSITIONS,
    "advance": ADVANCE,
    "kinds": KINDS,
    "deciders": DECIDERS,
    "reactions": REACTIONS,
    "ended": verdicts.ENDED,
    "held": verdicts.HELD,
    "refused": verdicts.REFUSED,
    "gate reasons": gate.REASONS,
}
STORIES = [story for _, story in load_all()]


def rows() -> Iterator[Any]:
    """Every row: its table, its key, and of a key with a set of values one of these."""
    for name, table in TABLES.items():
        for key, found in table.items():
            if isinstance(found, frozenset):
                for value in sorted(found):
                    yield pytest.param(table, key, value, id=f"{name}: {key.name} to {value.name}")
            else:
                word = key[-1] if isinstance(key, tuple) else getattr(key, "__name__", str(key))
                yield pytest.param(table, key, None, id=f"{name}: {word}")


@contextlib.contextmanager
def without(table: Table, key: Any, value: Any) -> Iterator[None]:
    before = dict(table)
    if value is None:
        del table[key]
    else:
        table[key] = table[key] - {value}
    try:
        yield
    finally:
        # In the old order, which some lookups go by.
        table.clear()
        table.update(before)


def is_red(story: dict[str, Any]) -> bool:
    try:
        Teller(story).tell()
    except (AssertionError, LookupError, InvalidTransition):
        return True
    return False


@pytest.mark.parametrize(("table", "key", "value"), list(rows()))
def test_a_story_turns_red_without_the_row(table: Table, key: Any, value: Any) -> None:
    word = str(key[-1] if isinstance(key, tuple) else key)
    # Those that speak of it first: most are found at once.
    stories = sorted(STORIES, key=lambda story: word not in str(story))
    with without(table, key, value):
        assert any(is_red(story) for story in stories)
