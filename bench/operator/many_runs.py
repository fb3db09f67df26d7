"""Two hundred runs of twenty tasks at a time, each task after the one before: as fast as it goes, and at half that rate."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rig import chain, local_run
from stand import (
    LASTS,
    WAIT_LIMIT_S,
    Bare,
    Phases,
    Stand,
    bare_client,
    quantile,
    run_all,
    standing,
    submit,
    until,
    wait_row,
)
from table import Row

from limosa_model.values import integer


@dataclasses.dataclass
class _Round:
    bare: Bare
    took: float
    cpu_ms: float
    calls: float
    transition: float
    wait: float
    calm: float
    status_bytes: float


def measure(folder: Path, rounds: int, runs: int, tasks: int) -> list[Row]:
    """The rows of this section, medians over rounds: the machine is not as fast from one minute to the next."""
    found = [_round(folder / f"round-{number}", runs, tasks) for number in range(rounds)]

    def median(of: Callable[[_Round], float]) -> float:
        return statistics.median(of(one) for one in found)

    name, wait = f"{runs} runs × {tasks}", median(lambda one: one.wait)
    bare = Bare(median(lambda one: one.bare.seconds), median(lambda one: one.bare.wait_p99))
    relative = median(lambda one: one.wait / one.bare.wait_p99)
    return [
        Row(
            f"{name}: throughput against the bare client",
            median(lambda one: one.bare.seconds / one.took),
            "×",
            ">=",
            0.75,
        ),
        Row(f"{name}: bare client", runs * tasks / bare.seconds, "/s"),
        Row(f"{name}: operator CPU, per task", median(lambda one: one.cpu_ms), "ms", "<=", 1.2),
        Row(f"{name}: API calls, per task", median(lambda one: one.calls)),
        Row(f"{name}: event to commands, p99", median(lambda one: one.transition) * 1e3, "ms", "<=", 50.0),
        Row(f"{name}: event to pod request, p99, bare client", bare.wait_p99 * 1e3, "ms"),
        Row(f"{name}: event to pod request, p99, operator", wait * 1e3, "ms"),
        wait_row(name, wait, bare, relative),
        Row(
            f"{name}, half the rate: event to pod request, p99",
            median(lambda one: one.calm) * 1e3,
            "ms",
            "<=",
            WAIT_LIMIT_S * 1e3,
        ),
        Row(f"{name}: status of a run", median(lambda one: one.status_bytes), "B"),
    ]


def _round(folder: Path, runs: int, tasks: int) -> _Round:
    with standing(folder) as stand:
        # A chain has one pod at a time.
        bare = bare_client(stand.cluster, runs * tasks, runs)
        phases = Phases(stand.cluster)
        stand.start()
        run_all(stand, phases, [local_run("warm", chain(20), {"x": integer(1)})])
        phases.status_bytes.clear()
        cpu, calls = stand.cpu(), stand.requests()
        names = ("limosa_launch_wait_seconds", "limosa_transition_seconds")
        before = {name: stand.buckets(name) for name in names}
        manifests = [local_run(f"run-{number}", chain(tasks), {"x": integer(1)}) for number in range(runs)]
        _, took = run_all(stand, phases, manifests, 0.05)
        cpu, calls = stand.cpu() - cpu, stand.requests() - calls
        wait, transition = (quantile(before[name], stand.buckets(name), 0.99) for name in names)
        calm = _at_half_the_rate(stand, phases, bare, runs, tasks)
    count, sizes = runs * tasks, statistics.median(phases.status_bytes.values())
    return _Round(bare, took, cpu / count * 1e3, calls / count, transition, wait, calm, sizes)


def _at_half_the_rate(stand: Stand, phases: Phases, bare: Bare, runs: int, tasks: int) -> float:
    """The wait where the server is not what everything waits for: pods last so long that half as many begin each second."""
    lasts = 2 * runs / (runs * tasks / bare.seconds)
    ended, before = phases.ended(), stand.buckets("limosa_launch_wait_seconds")
    for number in range(runs):
        submit(
            stand.cluster,
            [local_run(f"calm-{number}", chain(tasks), {"x": integer(1)}, {LASTS: f"{lasts:.3f}"})],
        )
        time.sleep(lasts / runs)
    until(lambda: phases.ended() - ended >= runs, stand, 0.2)
    return quantile(before, stand.buckets("limosa_launch_wait_seconds"), 0.99)
