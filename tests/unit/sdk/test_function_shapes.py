"""Functions that can be no task or workflow: refused where they are decorated."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from limosa import LimosaError, dynamic, task, workflow


async def waits(x: int) -> int:
    return x


async def streams(x: int) -> int:  # type: ignore[misc]
    yield x


def yields(x: int) -> int:  # type: ignore[misc]
    yield x


def by_position(x: int, /, y: int) -> int:
    return x + y


def many(*args: int) -> int:
    return sum(args)


def named(**kwargs: int) -> int:
    return sum(kwargs.values())


@pytest.mark.parametrize(
    ("function", "code", "remedy"),
    [
        (waits, "AsyncFunction", "write def, and asyncio.run(…) inside"),
        (streams, "AsyncFunction", "write def, and asyncio.run(…) inside"),
        (yields, "GeneratorFunction", "annotate a task with -> Iterator[T], or return a list"),
        (by_position, "PositionalOnly", "remove the '/' from the parameters"),
        (many, "VariableArguments", "take a list or a dict"),
        (named, "VariableArguments", "take a list or a dict"),
        (lambda x: x, "Lambda", "write a def with types"),
    ],
)
@pytest.mark.parametrize(
    ("decorator", "what"),
    [(task, "task"), (task(retries=1), "task"), (dynamic, "dynamic task"), (workflow, "workflow")],
)
def test_a_function_that_can_never_work_is_refused_where_it_is_decorated(
    decorator: Callable[[Any], Any], what: str, function: Any, code: str, remedy: str
) -> None:
    with pytest.raises(LimosaError) as refused:
        decorator(function)
    assert refused.value.code == code
    line = function.__code__.co_firstlineno
    assert f"{what} {function.__name__} (" in str(refused.value)
    assert f"test_function_shapes.py:{line})" in str(refused.value)
    assert remedy in str(refused.value)


def test_a_decorator_that_runs_a_coroutine_to_its_end_makes_a_function() -> None:
    import asyncio

    @functools.wraps(waits)
    def runs(*args: Any, **kwargs: Any) -> Any:
        return asyncio.run(waits(*args, **kwargs))

    assert task(runs)(x=3) == 3
