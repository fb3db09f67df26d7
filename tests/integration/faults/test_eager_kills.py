"""kill -9 of eager pods at each of their calls, and of what drives them: the same result, and no call is carried out twice."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from platform_rig import runs
from platform_rig.sandbox import PODS, Sandbox
from platform_rig.waiting import wait_for
from referee import COMMITTED, STARTED, Referee, judge

FLOW = "hits"
EAGER = "n0"
INPUT = {"x": 1}


@pytest.fixture(scope="module")
def in_peace(hurt: Sandbox, flows: Path, referee: Referee) -> dict[str, object]:
    """What the run gives when nothing happens to it, which items commit, and how often what it calls starts."""
    ended = runs.run(hurt, flows, FLOW, INPUT)
    assert ended.phase == "SUCCEEDED", ended.failure
    events = referee.events(ended.uid)
    assert judge(events) == []
    starts = _starts(events)
    assert starts.pop(EAGER) == 1
    return {"outputs": runs.outputs(hurt, ended.name), "items": _committed(events), "starts": starts}


def _starts(events) -> Counter[str]:
    return Counter(event.item for event in events if event.what == STARTED)


def _committed(events) -> set[str]:
    return {event.item for event in events if event.what == COMMITTED}


def _check(hurt: Sandbox, ended: runs.Ended, referee: Referee, in_peace, told: object) -> Counter[str]:
    assert ended.phase == "SUCCEEDED", (told, ended.failure)
    events = referee.events(ended.uid)
    assert judge(events) == [], told
    assert runs.outputs(hurt, ended.name) == in_peace["outputs"], told
    assert _committed(events) == in_peace["items"], told
    wait_for(lambda: not hurt.objects(PODS), hurt.told)
    return _starts(events)


@pytest.mark.parametrize("dies", [[0, 1, 2], [3, 4, 5]], ids=["first-calls", "last-calls"])
def test_an_eager_pod_that_is_killed_at_its_calls_goes_on_with_them(
    hurt: Sandbox, flows: Path, referee: Referee, in_peace, dies: list[int]
) -> None:
    ended = runs.run(hurt, flows, FLOW, {**INPUT, "dies": dies})
    starts = _check(hurt, ended, referee, in_peace, dies)
    assert starts.pop(EAGER) == len(dies) + 1
    # What it called was not launched again on its account.
    assert starts == in_peace["starts"]


def _kills(hurt: Sandbox, chance: random.Random) -> Iterator[str]:
    for _ in range(3):
        pause = chance.uniform(0, 1.5)
        time.sleep(pause)
        part = chance.choice(["operator", "operator", "admin"])
        hurt.kill_part(part)
        yield f"{part} after {pause:.2f} s"


def test_an_eager_node_outlives_what_drives_it(
    hurt: Sandbox, flows: Path, referee: Referee, in_peace
) -> None:
    name = runs.submit(hurt, flows, FLOW, {**INPUT, "dies": [1]})
    told = list(_kills(hurt, random.Random(0)))
    hurt.await_parts()
    with hurt.client() as client:
        ended = runs.await_end(client, name)
    _check(hurt, ended, referee, in_peace, told)
