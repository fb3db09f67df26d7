"""What all tests share."""

import gc
from collections import Counter, deque
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

# A test that takes long on a busy machine is not wrong; no test judges by the clock.
settings.register_profile("no-clock", deadline=None)
settings.load_profile("no-clock")

Holdings = dict[str, int]
"""How many objects of a class there are, by its name, and how many entries their collections have, by class and attribute."""


@pytest.fixture
def holdings() -> Callable[[str], Holdings]:
    """Tells what a package holds in memory now: what came and went must leave it as it was."""
    return _holdings


def _holdings(package: str) -> Holdings:
    found: Counter[str] = Counter()
    for one in gc.get_objects():
        kind = type(one)
        if str(kind.__module__).startswith(package):
            found[kind.__qualname__] += 1
            for name, value in _attributes(one):
                if isinstance(value, dict | set | list | deque):
                    found[f"{kind.__qualname__}.{name}"] += len(value)
    # What is there and empty is as good as not there.
    return {name: number for name, number in found.items() if number}


def _attributes(one: object) -> Iterator[tuple[str, object]]:
    yield from getattr(one, "__dict__", {}).items()
    for kind in type(one).__mro__:
        for name in getattr(kind, "__slots__", ()):
            yield name, getattr(one, name, None)
