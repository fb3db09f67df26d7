"""A thousand runs that are all under way: a restart, the idle operator, the cost of a full read."""

import time
from pathlib import Path

from rig import chain, local_run
from stand import STAYS, Stand, add_namespaces, standing, submit, until
from table import Row

from limosa_model.values import integer

PER_NAMESPACE = 250
"""Runs of one pod each: within the operator's limit of pods of a namespace."""
RESYNC_SECONDS = 1
"""Between full reads, where their cost is measured."""
SPEED_SECONDS = 6.0
"""Over which full speed is measured."""
SAMPLE_SECONDS = 1.0
FULL_SPEED = 0.9
"""Share of the speed before that counts as full again."""


def restart(folder: Path, runs: int) -> list[Row]:
    """Kills the operator in the middle of the runs' work; seconds until pods are made as fast as before."""
    with standing(folder) as stand:
        _submit(stand, runs, length=100, stay=False)
        stand.start()
        # Their statuses come later: those that nobody waits for stand back behind pods.
        until(lambda: stand.metric("limosa_launches_total") >= 2 * runs, stand, 0.5)
        speed = _pods_per_second(stand, SPEED_SECONDS)
        stand.operator.kill()
        began = time.perf_counter()
        stand.operator.start()
        took = _seconds_to(stand, speed * FULL_SPEED, began)
    return [
        Row(f"{runs} active runs: pods made, before the restart", speed, "/s"),
        Row(f"{runs} active runs: restart to full speed", took, "s", "<=", 10.0),
    ]


def idle(folder: Path, runs: int, seconds: float) -> list[Row]:
    """The share of a core that the operator takes while nothing happens, full reads included."""
    with standing(folder) as stand:
        _submit(stand, runs, length=1, stay=True)
        stand.start()
        _settle(stand, runs)
        cpu, began = stand.cpu(), time.perf_counter()
        time.sleep(seconds)
        share = (stand.cpu() - cpu) / (time.perf_counter() - began)
    return [Row(f"{runs} active runs: idle CPU, of a core", share * 100, "%", "<=", 3.0)]


def resync(folder: Path, sizes: tuple[int, ...], reads: int) -> list[Row]:
    """CPU of a full read at several numbers of runs: it has to grow no faster than they do."""
    found: dict[int, float] = {}
    for runs in sizes:
        with standing(folder / str(runs), {"LIMOSA_RESYNC_SECONDS": str(RESYNC_SECONDS)}) as stand:
            _submit(stand, runs, length=1, stay=True)
            stand.start()
            _settle(stand, runs)
            found[runs] = _cpu_per_read(stand, reads)
    smallest, largest = min(sizes), max(sizes)
    growth = (found[largest] / largest) / (found[smallest] / smallest)
    rows = [Row(f"{runs} active runs: CPU of a full read", cpu * 1e3, "ms") for runs, cpu in found.items()]
    return [*rows, Row(f"CPU of a full read per run, {largest} against {smallest}", growth, "×", "<=", 1.3)]


def _submit(stand: Stand, runs: int, length: int, stay: bool) -> None:
    projects = add_namespaces(stand.cluster, -(-runs // PER_NAMESPACE))
    annotations = {STAYS: "true"} if stay else {}
    for number in range(runs):
        project = projects[number // PER_NAMESPACE]
        submit(
            stand.cluster,
            [local_run(f"run-{number}", chain(length), {"x": integer(1)}, annotations, project)],
        )


def _settle(stand: Stand, runs: int) -> None:
    """Waits until every run's pod runs and its status was written."""
    until(lambda: stand.metric("limosa_live_pods") >= runs, stand, 0.5)
    requests = -1
    while (now := stand.requests("patch")) != requests:
        requests = now
        time.sleep(3)


def _cpu_per_read(stand: Stand, reads: int) -> float:
    """CPU seconds of one read; whoever asks for metrics in between costs as much, so nobody does."""
    count, cpu = stand.metric("limosa_resync_seconds_count"), stand.cpu()
    time.sleep(reads * RESYNC_SECONDS)
    cpu = stand.cpu() - cpu
    return cpu / (stand.metric("limosa_resync_seconds_count") - count)


def _pods_per_second(stand: Stand, seconds: float) -> float:
    count, began = stand.requests("create"), time.perf_counter()
    time.sleep(seconds)
    return (stand.requests("create") - count) / (time.perf_counter() - began)


def _seconds_to(stand: Stand, speed: float, began: float) -> float:
    """Seconds from `began` to the beginning of the first sample in which pods were made as fast as that."""
    deadline = time.perf_counter() + 60
    while time.perf_counter() < deadline:
        at = time.perf_counter()
        if _pods_per_second(stand, SAMPLE_SECONDS) >= speed:
            return at - began
    return float("inf")
