"""What two operators that share a cluster cost against one, and how soon one takes over: `python bench/operator/shards.py`.

The sandbox's API server with instant pods, as in run.py; the same runs, once with one operator and once with two that lead a
shard each. CPU is that of all operators together; each says in its log which runs it opens. Then one is stopped by SIGSTOP, which nobody can tell from a lost node,
with the lease's length as it ships; the time is until the other has read the cluster and works on both shards.
"""

import argparse
import contextlib
import os
import re
import signal
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "integration" / "propeller")]

from counting_store import CountingStore  # noqa: E402
from real_api import cpu_seconds  # noqa: E402
from rig import (  # noqa: E402
    RUNS_PATH,
    Cluster,
    Operator,
    fan_out,
    local_run,
    numbers,
    running_cluster,
    running_operator,
    wait_for,
)

from limosa_propeller.runs.division import Division  # noqa: E402

RUN = re.compile(r"\brun=(\S+)")


def claimed(name: str, tasks: int, division: Division) -> dict[str, Any]:
    """A run as an operator makes it of a claim of admin's: with its uid and its shard."""
    manifest = local_run(name, fan_out(), {"xs": numbers(tasks)})
    uid = manifest["spec"]["uid"] = str(uuid.uuid4())
    manifest["spec"]["epoch"] = {"generation": 1, "number": 1}
    manifest["metadata"]["labels"].update(division.labels(uid))
    return manifest


def drive(cluster: Cluster, operators: list[Operator], name: str, runs: int, tasks: int) -> float:
    """Milliseconds of the operators' CPU for each task of so many runs."""
    before = cpu_seconds(operators)
    names = [f"{name}-{number}" for number in range(runs)]
    for run in names:
        cluster.call("POST", RUNS_PATH, claimed(run, tasks, Division(len(operators))))
    left = set(names)
    while left:
        time.sleep(0.2)
        found = cluster.call("GET", RUNS_PATH)["items"]
        left -= {
            run["metadata"]["name"] for run in found if run.get("status", {}).get("phase") == "SUCCEEDED"
        }
    wait_for(lambda: not cluster.pods())
    return (cpu_seconds(operators) - before) / (runs * tasks) * 1e3


def settled(operators: list[Operator]) -> bool:
    """Each leads one shard, and has read the cluster since."""
    last = [operator.log.rpartition("leading shards=(")[2] for operator in operators]
    return all(log[1:].startswith(",)") and "operator works" in log for log in last)


class Cost(NamedTuple):
    """What so many operators took."""

    cpu_ms: float
    """For each task."""
    handled_by_both: int
    """Runs."""
    takeover: float
    """Seconds; 0 with one operator."""


def measure(folder: Path, operators: int, runs: int, tasks: int) -> Cost:
    """The same runs by so many operators, and the loss of one."""
    store = CountingStore()
    environ = {**store.environ(), "LIMOSA_SHARDS": str(operators)}
    try:
        with contextlib.ExitStack() as stack:
            cluster = stack.enter_context(running_cluster(folder / "cluster", "--instant-pods"))
            running = [
                stack.enter_context(running_operator(cluster, folder / f"operator-{n}", environ))
                for n in range(operators)
            ]
            wait_for(lambda: settled(running), told=lambda: running[0].log)
            drive(cluster, running, "warm", runs, 2)
            cost = drive(cluster, running, "timed", runs, tasks)
            opened = [opened_by(operator) for operator in running]
            seen = set[str]().union(*opened)
            assert len(seen) == 2 * runs, f"{len(seen)} runs were opened, there were {2 * runs}"
            twice = sum(len(names) for names in opened) - len(seen)
            return Cost(cost, twice, takeover(*running) if operators == 2 else 0.0)
    finally:
        store.close()


def opened_by(operator: Operator) -> set[str]:
    """Runs that an operator says it has opened."""
    return {
        found[1]
        for line in operator.log.splitlines()
        if "run is opened" in line and (found := RUN.search(line))
    }


def takeover(lost: Operator, other: Operator) -> float:
    """Seconds from the loss of one operator until the other works on its runs too."""
    # Whoever came first led both shards until the other came: only what is said from now on counts.
    said, began = len(other.log), time.perf_counter()
    os.kill(lost.pid, signal.SIGSTOP)
    wait_for(
        lambda: "operator works" in other.log[said:].partition("leading shards=(0, 1)")[2],
        told=lambda: other.log,
    )
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--tasks", type=int, default=50, help="of each run")
    given = parser.parse_args()
    one: list[Cost] = []
    two: list[Cost] = []
    for number in range(given.rounds):
        with tempfile.TemporaryDirectory(prefix="limosa-bench-") as folder:
            one.append(measure(Path(folder) / "one", 1, given.runs, given.tasks))
            two.append(measure(Path(folder) / "two", 2, given.runs, given.tasks))
        print(f"round {number + 1}: {one[-1]} {two[-1]}", file=sys.stderr)
    alone = statistics.median(cost.cpu_ms for cost in one)
    together = statistics.median(cost.cpu_ms for cost in two)
    rows = [
        ("CPU per task, two shards against one", together / alone, "×", 1.1),
        ("runs handled by both, of all rounds", sum(cost.handled_by_both for cost in two), "", 0.0),
        ("takeover, at most", max(cost.takeover for cost in two), "s", 15.0),
    ]
    print(f"{given.runs} runs of {given.tasks} tasks, median of {given.rounds}")
    print(f"one operator {alone:.2f} ms a task, two {together:.2f} ms together")
    for name, value, unit, gate in rows:
        print(f"{name:38} {value:8.2f} {unit:2} gate <= {gate:<5} {'ok' if value <= gate else 'MISSED'}")
    return int(any(value > gate for _, value, _, gate in rows))


if __name__ == "__main__":
    sys.exit(main())
