"""What the operator costs, against a bare client on the same server: `python bench/operator/run.py [--only SECTION …]`.

The sandbox's API server (its own process, persisting as the demo's does) with instant pods; the operator, its own
process, as users start it; the bare client, its own process. API calls and store calls are counted by the servers, CPU and
memory by the kernel, waits by the operator's own metrics. Ratios are of the same server in the same minute.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tests" / "integration" / "propeller")]

import active_runs  # noqa: E402
import large_map  # noqa: E402
import many_runs  # noqa: E402
import memory  # noqa: E402
import throughput  # noqa: E402
from table import Row  # noqa: E402

Section = Callable[[Path], list[Row]]


def sections(given: argparse.Namespace) -> dict[str, Section]:
    """What is measured, by the name that chooses it."""
    runs = given.active_runs
    return {
        "throughput": lambda folder: throughput.measure(folder, given.rounds, given.tasks, given.length),
        "map": lambda folder: large_map.measure(folder, given.items),
        "runs": lambda folder: many_runs.measure(folder, given.rounds, given.runs, 20),
        "memory": lambda folder: memory.measure(folder, given.pods),
        "restart": lambda folder: active_runs.restart(folder, runs),
        "idle": lambda folder: active_runs.idle(folder, runs, 60.0),
        "resync": lambda folder: active_runs.resync(folder, (runs // 2, runs, runs * 2), 10),
    }


def main() -> int:
    """Measures, prints one table; 1 where a gate is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="SECTION", help="measure only this; may repeat"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of the sections throughput and runs")
    parser.add_argument("--tasks", type=int, default=2000, help="pods of the fan-out")
    parser.add_argument("--length", type=int, default=200, help="nodes of the chain")
    parser.add_argument("--items", type=int, default=10_000, help="of the large map")
    parser.add_argument("--runs", type=int, default=200, help="runs of 20 tasks at a time")
    parser.add_argument("--pods", type=int, default=1000, help="that run while memory is measured")
    parser.add_argument("--active-runs", type=int, default=1000, help="of the sections restart, idle, resync")
    given = parser.parse_args()
    known = sections(given)
    unknown = sorted(set(given.only) - set(known))
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(known)}")
    rows: list[Row] = []
    for name, section in known.items():
        if given.only and name not in given.only:
            continue
        print(f"{name} …", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="limosa-bench-") as folder:
            found = section(Path(folder))
        rows += found
        print("\n".join(map(str, found)), file=sys.stderr)
    print("\n".join(map(str, rows)))
    return int(not all(row.good for row in rows))


if __name__ == "__main__":
    sys.exit(main())
