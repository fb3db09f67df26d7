"""What the bench of the sandbox runs."""

from limosa import map_task, task, workflow

LENGTH = 40


@task
def step(x: int) -> int:
    """Next to nothing."""
    return x + 1


@workflow
def one(x: int) -> int:
    """A single pod."""
    return step(x=x)


@workflow
def chain(x: int) -> int:
    """Pods that wait for each other."""
    for _ in range(LENGTH):
        x = step(x=x)
    return x


@workflow
def fan(xs: list[int]) -> list[int]:
    """Pods side by side."""
    return map_task(step)(x=xs)
