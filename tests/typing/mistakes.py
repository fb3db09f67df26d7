"""Mistakes that a type checker must catch before a workflow is ever compiled; each marked line is one."""

# ruff: noqa: B018, F841 - mistakes are what this file is for
from limosa import Resources, map_task, task, workflow


@task
def number(x: int) -> int:
    return x


@task
def text(s: str) -> str:
    return s


@workflow
def wrong(xs: list[int]) -> str:
    number(x="a")  # expect-error
    number(y=1)  # expect-error
    number()  # expect-error
    text(s=number(x=1))  # expect-error
    total: list[str] = map_task(number)(x=xs)  # expect-error
    number(x=1).missing  # expect-error
    return number(x=1)  # expect-error


@task(retries="3")  # expect-error
def retried() -> None: ...


@task(memory="1Gi")  # expect-error
def unknown() -> None: ...


@task(resources=Resources(memory="1Gi"))  # expect-error
def misnamed() -> None: ...
