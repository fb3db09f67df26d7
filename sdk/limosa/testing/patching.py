"""patch: a stand-in for a task while a test runs its workflow here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, ParamSpec, TypeVar

from limosa.errors import LimosaError
from limosa.origin import caller
from limosa.tasks import OverriddenTask, Task

P = ParamSpec("P")
R = TypeVar("R")


class Patch(Generic[P, R]):
    """What stands in for a task's function.

    Attributes:
        calls: Inputs of every call so far, by name, defaults included.
    """

    def __init__(self, task: Task[P, R]) -> None:
        """Takes the task; until told otherwise, a call of it fails."""
        self._task = task
        self._answer: Callable[..., Any] = self._not_told
        self.calls: list[dict[str, Any]] = []

    def returns(self, value: R) -> None:
        """Every call gives this value; it is checked as the function's own would be."""
        self._answer = lambda **_: value

    def returns_in_turn(self, *values: R) -> None:
        """Each call gives the next value, in order; one call too many fails."""
        remaining = iter(values)

        def answer(**_: Any) -> R:
            for value in remaining:
                return value
            message = f"patch({self._task.__name__}) was given {len(values)} values and called once more"
            raise LimosaError("PatchExhausted", message, remedy="give one value for each call")

        self._answer = answer

    def raises(self, error: BaseException) -> None:
        """Every call raises this exception."""

        def answer(**_: Any) -> Any:
            raise error

        self._answer = answer

    def calls_instead(self, function: Callable[P, R]) -> None:
        """Every call runs this function."""
        self._answer = function

    def _call(self, **inputs: Any) -> Any:
        self.calls.append(inputs)
        return self._answer(**inputs)

    def _not_told(self, **_: Any) -> Any:
        message = f"patch({self._task.__name__}) does not say what the task gives"
        raise LimosaError(
            "PatchWithoutResult", message, remedy="call .returns(…), .raises(…) or .calls_instead(…)"
        )


@contextmanager
def patch(task: Task[P, R]) -> Iterator[Patch[P, R]]:
    """Replaces a task's function in local runs, in whichever workflow it is called.

    The stand-in's results are converted and checked as the task's own, so a test cannot pass on a value that a pod would
    refuse.

    Examples:
        with patch(train) as stand_in:
            stand_in.returns(0.9)
            assert pipeline(rows=10) == "good"
            assert stand_in.calls == [{"rows": 10}]
    """
    if not isinstance(task, Task):
        message = f"patch takes a task, not {type(task).__name__}"
        raise LimosaError("PatchTarget", message, str(caller()), "name a function decorated with @task")
    base: Task[P, R] = task._task if isinstance(task, OverriddenTask) else task
    made = Patch(base)
    before = base.replacement
    base.replacement = made._call
    try:
        yield made
    finally:
        base.replacement = before
