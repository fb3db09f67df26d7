"""What failing looks like: a task that needs retries, a clean error, a branch.

limosa run --remote failure.py --threshold 3     # succeeds at the third attempt
limosa run --remote failure.py --threshold 300   # fails, and shows where and why
"""

import random

from limosa import conditional, task, workflow


@task(retries=5)
def flaky(chance: float) -> int:
    """Fails with the given chance, as a busy service would; gives a number from 1 to 10."""
    if random.random() < chance:
        raise ConnectionError("the service did not answer")
    return random.randint(1, 10)


@task
def check(number: int, threshold: int) -> int:
    """Refuses thresholds that no number can reach."""
    if threshold > 10:
        raise ValueError(f"threshold is {threshold}, but numbers end at 10")
    return number


@task
def celebrate(number: int) -> str:
    """The number is large enough."""
    return f"{number}: large enough"


@task
def console(number: int) -> str:
    """The number is too small."""
    return f"{number}: too small"


@workflow
def failure(chance: float = 0.3, threshold: int = 5) -> str:
    """Draws a number from an unreliable service and judges it."""
    number = check(number=flaky(chance=chance), threshold=threshold)
    return (
        conditional("large-enough")
        .if_(number >= threshold)
        .then(celebrate(number=number))
        .else_()
        .then(console(number=number))
    )
