"""What failing looks like: a task that needs retries, a clean error, a branch.

limosa run --remote failure.py --threshold 3     # flaky fails twice and succeeds at its third attempt; then all goes well
limosa run --remote failure.py --threshold 300   # after flaky's third attempt check fails, and the end shows where and why
"""

from limosa import conditional, current_context, task, workflow


@task(retries=5)
def flaky(failures: int) -> int:
    """Fails so many times before it gives a number, as a busy service would."""
    if current_context().attempt <= failures:
        raise ConnectionError("the service did not answer")
    return 7


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
def failure(failures: int = 2, threshold: int = 5) -> str:
    """Fetches a number from an unreliable service and judges it."""
    number = check(number=flaky(failures=failures), threshold=threshold)
    return (
        conditional("large-enough")
        .if_(number >= threshold)
        .then(celebrate(number=number))
        .else_()
        .then(console(number=number))
    )
