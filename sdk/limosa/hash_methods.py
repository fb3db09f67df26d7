"""What stands for a value in cache keys, where its author knows better than its bytes."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from limosa.errors import LimosaError

T = TypeVar("T")
_KIND = "hash:"
"""Tells these digests from those of contents, which readers compare with what they read."""


class HashMethod(Generic[T]):
    """Marks an output by what it counts in cache keys of the tasks after it, in place of its content.

    Example:
        def of_rows(frame: pd.DataFrame) -> str:
            return str(pd.util.hash_pandas_object(frame).sum())

        @task
        def clean(path: str) -> Annotated[pd.DataFrame, HashMethod(of_rows)]: ...
    """

    def __init__(self, function: Callable[[T], str]) -> None:
        """Takes a function from a value to a text: values with equal texts are the same to a cache.

        Raises:
            LimosaError: It cannot be called.
        """
        if not callable(function):
            message = f"HashMethod({function!r}) has no function"
            raise LimosaError("HashMethod", message, remedy="write HashMethod(function)")
        self.function = function

    def digest(self, value: T) -> str:
        """What stands for a value. Raises LimosaError when the function gives no text, and whatever the function raises."""
        found: Any = self.function(value)
        if not isinstance(found, str) or not found:
            name = getattr(self.function, "__name__", "the function")
            message = f"{name} of HashMethod gave {found!r}, which is no text"
            raise LimosaError("HashMethod", message, remedy="return a str, such as a hex digest")
        return _KIND + found


def hash_method_of(hint: Any) -> HashMethod[Any] | None:
    """The hash method of an annotation; None where it has none."""
    notes = getattr(hint, "__metadata__", ())
    return next((note for note in notes if isinstance(note, HashMethod)), None)
