"""Mixed runs while their platform is killed at random: `python bench/soak/run.py --minutes 20 --seed 1`.

A sandbox of its own, as `limosa demo` runs it: the same processes, binaries, flags and persistence. A bounded number of people
start runs of every kind (kinds.py), answer gates, abort some, and follow each to its end. Meanwhile chance kills (kill -9)
the operator, admin, Postgres, the object store, the API server with its node, and processes and objects of single pods
(kills.py). What the sandbox supervises it restarts; its own process, which holds the API server, is restarted by this
script, as systemd would. Pods report to the referee of tests/integration/faults. Exits 1 when a promise is broken.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1] / "tests" / "integration"
sys.path[:0] = [str(HERE), str(TESTS / "rigs"), str(TESTS / "faults")]

import table  # noqa: E402
from double_interpreter import make_double  # noqa: E402
from kills import Killer  # noqa: E402
from load import Load, register  # noqa: E402
from memory import GROWTH_LIMIT, Sampler  # noqa: E402
from platform_rig.sandbox import Sandbox  # noqa: E402
from referee import Referee  # noqa: E402
from verdict import Verdict, reach  # noqa: E402


def soak(folder: Path, given: argparse.Namespace) -> int:
    with Referee(folder / "record.jsonl").serving() as referee:
        sandbox = Sandbox(folder).for_author(make_double(folder / "double"))
        try:
            sandbox.start()
            load = Load(sandbox, register(sandbox, folder / "flows", referee.address), given.seed, given.rate)
            killer = Killer(sandbox, given.seed, given.minutes * 60)
            sampler = Sampler(sandbox, lambda: load.under_way)
            sampler.start()
            load.start(given.people)
            try:
                killer.run()
            finally:
                sampler.finish()
                load.finish()
            verdict = reach(sandbox, load.outcomes, referee)
            verdict.lost += [f"{name} did not come back" for name in killer.not_back]
        finally:
            sandbox.stop()
        verdict.left += [f"process left: {command}" for command in sandbox.processes()]
    return tell(given, load, killer, sampler, verdict)


def tell(given: argparse.Namespace, load: Load, killer: Killer, sampler: Sampler, verdict: Verdict) -> int:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True)
    conditions = (
        f"{given.minutes:g} minutes, seed {given.seed}, {given.people} people with one run each at a time, at most "
        f"{given.rate:g} runs started per second, {os.cpu_count()} cores, commit {commit.stdout.strip()}."
    )
    text = "\n".join(table.lines(conditions, load.outcomes, killer.kills, sampler, verdict)) + "\n"
    print(text)
    if given.table:
        given.table.write_text(text)
    grown = [
        f"{life.part} grew by {life.growth:.2f}" for life in sampler.lives() if life.growth > GROWTH_LIMIT
    ]
    slowest = sorted(load.outcomes, key=lambda one: -one.took_s)[:5]
    for one in slowest:
        at = one.accepted_at - killer.began
        print(
            f"slowest: {one.name} ({one.order.kind}), accepted at {at:.0f} s, took {one.took_s:.1f} s",
            file=sys.stderr,
        )
    broken = [*verdict.broken(), *grown]
    for one in broken:
        print(f"BROKEN {one}", file=sys.stderr)
    return 1 if broken else 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the runs and the kills")
    parser.add_argument("--people", type=int, default=10, help="most runs under way, children apart")
    parser.add_argument("--rate", type=float, default=0.8, help="most runs started per second")
    parser.add_argument("--table", type=Path, help="where the table is written too")
    parser.add_argument(
        "--keep", type=Path, help="an empty folder for the sandbox, kept for a look at its logs"
    )
    given = parser.parse_args()
    # Whoever ends this ends its sandbox too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if given.keep:
        given.keep.mkdir(parents=True)
        return soak(given.keep.absolute(), given)
    with tempfile.TemporaryDirectory(prefix="limosa-soak-") as folder:
        return soak(Path(folder), given)


if __name__ == "__main__":
    sys.exit(main())
