"""What goes wrong while the items of an iterator are asked for: it is its author's exception, and no wrong value."""

from collections.abc import Iterable, Iterator
from typing import Any


class IterationFailed(Exception):
    """The author's code raised while it was asked for an item."""

    def __init__(self, cause: Exception) -> None:
        """Takes what it raised."""
        super().__init__(str(cause))
        self.cause = cause


def items_of(value: Iterable[Any]) -> Iterator[Any]:
    """The items, one by one. Raises IterationFailed."""
    try:
        yield from value
    except Exception as error:
        raise IterationFailed(error) from error
