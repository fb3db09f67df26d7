"""kill -9 of the parts of the platform at seeded moments: each run completes, and the referee agrees.

Every scenario is one run that is hit several times while it is under way. The moments are drawn from a generator with
the scenario's seed, so a failure can be looked at again.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from platform_rig import runs
from platform_rig.sandbox import PODS, RUNS, Sandbox
from platform_rig.waiting import wait_for
from referee import Referee
from undisturbed import Undisturbed, assert_as_undisturbed

SEEDS = range(5)
KILLS = 4
"""Of each scenario; with five seeds that is twenty moments a part."""
AT_WORK = 0.7
"""Chance that a kill waits until its victim works; else it may meet it while it comes up."""
LONGEST_PAUSE_S = 1.0
LONGEST_START_S = 3.0


def kill_parts(sandbox: Sandbox, chance: random.Random) -> list[str]:
    """Ends admin and the operator, one shortly after the other, at work or while they come up."""
    told = []
    if chance.random() < AT_WORK:
        sandbox.await_parts()
        told.append("at work")
    for part in chance.sample(["admin", "operator"], 2):
        pause = chance.uniform(0, LONGEST_PAUSE_S)
        time.sleep(pause)
        sandbox.kill_part(part)
        told.append(f"{part} after {pause:.3f} s")
    return told


def kill_all(sandbox: Sandbox, chance: random.Random) -> list[str]:
    """Ends the sandbox with all its parts, at work or while it comes up, and starts it on what is left."""
    starting = chance.random() > AT_WORK
    pause = chance.uniform(0, LONGEST_START_S if starting else LONGEST_PAUSE_S)
    if starting:
        sandbox.kill()
        sandbox.launch()
    time.sleep(pause)
    sandbox.kill()
    sandbox.start()
    return [f"{'starting ' if starting else ''}sandbox after {pause:.3f} s"]


@pytest.mark.parametrize("kill", [kill_parts, kill_all], ids=["admin-and-operator", "sandbox"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_outlives_what_drives_it(
    hurt: Sandbox,
    flows: Path,
    referee: Referee,
    undisturbed: Undisturbed,
    kill: Callable[[Sandbox, random.Random], list[str]],
    seed: int,
) -> None:
    chance = random.Random(seed)
    name = runs.submit(hurt, flows, "many", {"x": 1})
    killed = [told for _ in range(KILLS) for told in kill(hurt, chance)]
    hurt.await_parts()
    with hurt.client() as client:
        ended = runs.await_end(client, name)
        assert_as_undisturbed(hurt, ended, undisturbed, referee, what_happened=killed)
        wait_for(lambda: not hurt.objects(PODS) and not hurt.objects(RUNS), hurt.told)
        # The end that was accepted first is the end.
        assert client.get_run(name).run.state.finished_at == ended.finished_at
