"""Sets in pydantic models: equal ones are equal literals, in whatever order Python holds them."""

import pydantic
import pytest

from limosa.types import to_literal, to_python
from limosa.types.transfer import NoTransfer

NOWHERE = NoTransfer("the value", "")


class Part(pydantic.BaseModel):
    numbers: frozenset[int] = frozenset()


class Sets(pydantic.BaseModel):
    numbers: set[int] = set()
    groups: set[frozenset[int]] = set()
    named: dict[int, set[int]] = {}
    parts: tuple[Part, set[int]] | None = None


# 0 and 8 fall on one place of a small set, so that the first to come stands first.
@pytest.mark.parametrize(
    "fields",
    [
        lambda order: {"numbers": set(order)},
        lambda order: {"groups": {frozenset(order), frozenset([3])}},
        lambda order: {"named": {1: set(order)}},
        lambda order: {"parts": (Part(numbers=frozenset(order)), set(order))},
    ],
)
def test_equal_sets_are_equal_literals(fields):
    one, other = (Sets(**fields(order)) for order in ([0, 8], [8, 0]))
    literals = [to_literal(value, Sets, NOWHERE) for value in (one, other)]
    assert literals[0] == literals[1]
    assert to_python(literals[0], Sets, NOWHERE) == one
