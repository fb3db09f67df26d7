"""The program behind the golden screens of failures: each test makes it fail in another way, at the line they show."""

import time
from pathlib import Path

from limosa import Resources, map_task, task, workflow

PLACE = Path("/replaced/by/the/test")
LABEL = "a long text " * 20
PENALTIES = [0.1, 1.0, -1.0, 10.0]


def others_are_done() -> None:
    """Returns when the items that succeed have, so that every screen counts them."""
    while len(list(PLACE.iterdir())) < len(PENALTIES) - 1:
        time.sleep(0.05)
    time.sleep(1)


def take_memory() -> None:
    """Uses far more than the task may have."""
    taken = [b"x" * 1024 * number for number in range(900)]
    time.sleep(600)
    del taken


@task
def clean() -> list[float]:
    """Gives what is to be tried."""
    return PENALTIES


@task(retries=1, resources=Resources(mem="128Mi"))
def try_penalty(penalty: float, label: str) -> float:
    """Scores one penalty; fails where it is negative."""
    for number in range(20):
        print(f"line {number}", flush=True)
    if penalty < 0:
        others_are_done()
        raise ValueError(f"penalty is {penalty}")
    (PLACE / str(penalty)).touch()
    return penalty / 10


@task
def choose(scores: list[float]) -> float:
    """Takes the best."""
    return max(scores)


@workflow
def train_all() -> float:
    """Tries every penalty and takes the best score."""
    return choose(scores=map_task(try_penalty)(penalty=clean(), label=LABEL))
