"""Retry: how often a task is tried again, after how long, and with how much memory."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from limosa.errors import LimosaError

if TYPE_CHECKING:
    import datetime as dt

    from limosa_idl.task.v1alpha1.task_pb2 import RetryPolicy

_MOST_RETRIES = 1000
_MOST_FACTOR = 100.0


class Grow:
    """More memory for each attempt after one that ran out of it.

    The second such attempt gets `factor` times what the first had, the third `factor` times that, up to `limit`.
    Request and limit become equal. Starts from the task's memory, or from the platform's default where it asks for none.
    """

    __slots__ = ("factor", "limit")

    def __init__(self, factor: float = 2, limit: str | None = None) -> None:
        """Takes the factor (above 1, at most 100) and the most memory ("16Gi"). Raises LimosaError."""
        self.factor = _number("Grow(factor)", factor, 1, _MOST_FACTOR, "factor=2 doubles the memory")
        if not factor > 1:
            raise _error(f"Grow(factor={factor!r}) does not grow", "factor=2 doubles the memory")
        self.limit = None if limit is None else _memory("Grow(limit)", limit)

    def __repr__(self) -> str:
        return f"Grow(factor={self.factor:g}, limit={self.limit!r})"


class Retry:
    """What follows when a task fails by its author's fault. The platform's own faults have a budget of their own.

    Examples:
        Retry(3)
        Retry(5, backoff="5s", factor=2, limit="5m", jitter=0.2)
        Retry(3, memory=Grow(factor=2, limit="16Gi"))
        Retry(2, memory=["4Gi", "8Gi"])
    """

    __slots__ = ("backoff_s", "factor", "jitter", "limit_s", "memory", "retries")

    def __init__(
        self,
        retries: int,
        backoff: "dt.timedelta | float | str | None" = None,
        factor: float = 1,
        limit: "dt.timedelta | float | str | None" = None,
        jitter: float = 0,
        memory: "Grow | Sequence[str] | None" = None,
    ) -> None:
        """Takes the policy.

        Args:
            retries: Further attempts; 3 means at most four.
            backoff: Wait before the second attempt ("5s", seconds, or a timedelta); by default none. Runs on this machine
                do not wait.
            factor: Each further wait is this many times the one before (1 to 100).
            limit: Longest wait; by default a week.
            jitter: Share of a wait, 0 to 1, by which it may be shortened, so that items that fail together come back apart.
            memory: What attempts after an out-of-memory kill get: `Grow`, or the amounts in turn, of which the last one stays.

        Raises:
            LimosaError: A value makes no sense.
        """
        from limosa.options import check_duration

        if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= _MOST_RETRIES:
            raise _error(
                f"Retry({retries!r}) is not a number from 0 to {_MOST_RETRIES}",
                "Retry(3) means at most four attempts",
            )
        self.retries = retries
        self.backoff_s = check_duration("Retry(backoff)", backoff)
        self.factor = _number("Retry(factor)", factor, 1, _MOST_FACTOR, "factor=2 doubles each wait")
        self.limit_s = check_duration("Retry(limit)", limit)
        self.jitter = _number("Retry(jitter)", jitter, 0, 1, "jitter=0.2 shortens a wait by up to a fifth")
        self.memory = memory if isinstance(memory, Grow) else _steps(memory)
        if self.backoff_s is None and (factor != 1 or limit is not None or jitter):
            raise _error(
                "Retry has factor, limit or jitter, but no backoff that they could change",
                'give backoff="5s"',
            )
        if self.limit_s is not None and self.backoff_s is not None and self.limit_s < self.backoff_s:
            raise _error(f"Retry(limit={limit!r}) is below the first wait, {backoff!r}", "raise the limit")

    def __repr__(self) -> str:
        return f"Retry({self.retries})"

    def write(self, policy: "RetryPolicy") -> None:
        """Writes it into a spec."""
        policy.retries = self.retries
        if self.backoff_s is not None:
            policy.backoff.FromMicroseconds(round(self.backoff_s * 1_000_000))
        if self.limit_s is not None:
            policy.backoff_limit.FromMicroseconds(round(self.limit_s * 1_000_000))
        if self.factor != 1:
            policy.backoff_factor = self.factor
        policy.backoff_jitter = self.jitter
        if isinstance(self.memory, Grow):
            policy.memory.factor, policy.memory.limit = self.memory.factor, self.memory.limit or ""
        elif self.memory:
            policy.memory.steps.extend(self.memory)
        policy.SetInParent()


def retry_of(given: Any) -> Retry:
    """What `retries=` stands for: a number of further attempts, or a Retry. Raises LimosaError."""
    if isinstance(given, Retry):
        return given
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= _MOST_RETRIES:
        raise _error(
            f"retries={given!r} is neither a number from 0 to {_MOST_RETRIES} nor a Retry",
            'retries=3 means at most four attempts; retries=Retry(3, backoff="5s") waits in between',
        )
    return Retry(given)


def _number(name: str, value: Any, least: float, most: float, remedy: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise _error(f"{name} is {value!r}; it must be a number from {least:g} to {most:g}", remedy)
    return float(value)


def _steps(given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise _error(f"Retry(memory={given!r}) is neither Grow(…) nor a list", 'memory=["4Gi", "8Gi"]')
    return tuple(_memory("Retry(memory)", amount) for amount in given)


def _memory(name: str, given: Any) -> str:
    from limosa.resources import Resources

    try:
        return str(Resources(mem=given).sides()[1]["memory"])
    except LimosaError as error:
        raise _error(f"{name}: {error.message}", error.remedy) from None


def _error(message: str, remedy: str) -> LimosaError:
    from limosa.origin import caller

    return LimosaError("TaskOption", message, str(caller()), remedy)
