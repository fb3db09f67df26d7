"""Waiting for what will happen, with a limit that only a hanging platform meets."""

import time
from collections.abc import Callable
from typing import TypeVar

_Found = TypeVar("_Found")

LIMIT_S = 90.0


def wait_for(
    look: Callable[[], _Found], told: Callable[[], object] = lambda: "", limit: float = LIMIT_S
) -> _Found:
    """Gives the first true thing that `look` gives; fails with what `told` tells after `limit` seconds."""
    deadline = time.monotonic() + limit
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came within {limit:g} s: {told()}")
        time.sleep(0.03)
