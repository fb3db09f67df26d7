"""What a start and a task cost on the sandbox, with real processes: `python bench/sandbox/run.py`.

`limosa demo start` until it is ready, with an empty home and installed packages; a chain of 40 trivial tasks, a map over
100, one task cold (the first after the platform's start) and warm, and `limosa run --remote` of the hello example as a person
waits for it. Beside them the limits: the platform's Postgres alone, made and started by the same wheel; the same number of
bare Python processes one after another; and `limosa --version`. Wall seconds from the call that creates the run to the update
that says it ended; CPU seconds of the operator. Exits 1 when the median start or a node of the chain takes longer than its
budget.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import starts

from limosa.cli.platform import Options
from limosa.cli.submission import new_run_name, prepare, register, run_annotations
from limosa.compiler import load_module
from limosa.config import resolve
from limosa.remote import ClientTransfer
from limosa.testing.sandbox import SandboxSession, start_sandbox
from limosa_idl.admin.v1alpha1.admin_pb2 import ENTITY_KIND_WORKFLOW
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import RUN_PHASE_SUCCEEDED
from limosa_model import values

BUDGET_MS = 120.0
"""Of a node of the chain."""
START_BUDGET_S = 10.0
"""Of `limosa demo start`, until it is ready."""
LENGTH, ITEMS = 40, 100
"""Of the chain (as flows.py has it) and of the map."""
HELLO = Path(__file__).parents[2] / "examples" / "hello" / "hello.py"


class Cost(NamedTuple):
    """Seconds of one run."""

    wall: float
    operator_cpu: float


class Bench:
    """One sandbox with the workflows registered."""

    def __init__(self, session: SandboxSession, operator: psutil.Process) -> None:
        self._client = session.client
        self._operator = operator
        loaded = load_module(str(Path(__file__).with_name("flows.py")))
        settings = resolve({}, os.environ, Path(loaded.source_root))
        self._workflows = {name: loaded.entities[name] for name in ("one", "chain", "fan")}
        submission = prepare([loaded], self._workflows.values(), settings, version=None, note=lambda _: None)
        register(self._client, ClientTransfer(self._client), submission, lambda _: None)
        submission.bundle.discard()
        self._version = submission.version

    def run(self, workflow: str, inputs: Mapping[str, Any]) -> Cost:
        """Runs a workflow to its end."""
        target = self._client.entity_id(ENTITY_KIND_WORKFLOW, self._workflows[workflow].name, self._version)
        literals = LiteralMap(literals=inputs)
        cpu_before, began = self._operator_cpu(), time.perf_counter()
        run = self._client.create_run(new_run_name(), target, literals, annotations=run_annotations(True))
        for update in self._client.watch_run(run.name, timeout=300):
            state = update.run.state
        wall = time.perf_counter() - began
        if state.phase != RUN_PHASE_SUCCEEDED:
            sys.exit(f"{workflow} did not succeed: {state.failure}")
        return Cost(wall, self._operator_cpu() - cpu_before)

    def _operator_cpu(self) -> float:
        times = self._operator.cpu_times()
        return times.user + times.system


def timed(call: Callable[[], Any]) -> float:
    """Wall seconds of a call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def bare_chain() -> None:
    """As many Python processes as the chain has tasks, doing nothing."""
    for _ in range(LENGTH):
        subprocess.run([sys.executable, "-c", "pass"], check=True)


def command(session: SandboxSession, *arguments: str) -> None:
    """A command of `limosa`, as a person types it."""
    target = session.client.target
    environ = {**os.environ, "LIMOSA_ENDPOINT": str(target.endpoint), "LIMOSA_TOKEN": target.token}
    line = [sys.executable, "-c", "from limosa.cli.main import main; main()", *arguments]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"limosa {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")


def main() -> int:
    """Runs all and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    one = {"x": values.integer(1)}
    many = {"xs": values.collection([values.integer(number) for number in range(ITEMS)])}
    with start_sandbox(Options(cpus="64", memory="16Gi")) as session:
        bench = Bench(session, psutil.Process(_pid(session, "operator")))
        cold = bench.run("one", one)
        warm = [bench.run("one", one) for _ in range(runs)]
        chains, bare = [], []
        for _ in range(runs):
            chains.append(bench.run("chain", one))
            bare.append(timed(bare_chain))
        fans = [bench.run("fan", many) for _ in range(runs)]
        hello = [timed(lambda: command(session, "run", "--remote", str(HELLO))) for _ in range(runs)]
        nothing = [timed(lambda: command(session, "--version")) for _ in range(runs)]
    # In turn, so that drift hits both alike; the sandbox above has warmed the file cache.
    started = [(starts.platform(), starts.postgres()) for _ in range(runs)]
    costs = {"one task, warm": warm, "chain": chains, "fan-out": fans}
    within = [
        show(cold, costs, bare, hello, nothing),
        show_starts([ours for ours, _ in started], [alone for _, alone in started]),
    ]
    return 0 if all(within) else 1


def show_starts(ours: list[float], alone: list[float]) -> bool:
    """Prints how long starts took; tells whether they are within their budget."""
    _row("limosa demo start, empty home", 1, ours)
    _row("its Postgres alone", 1, alone)
    ready = statistics.median(ours)
    times = ready / statistics.median(alone)
    print(
        f"start: {ready:.1f} s to ready (budget {START_BUDGET_S:.0f}), {times:.1f} times its Postgres alone"
    )
    return ready <= START_BUDGET_S


def show(
    cold: Cost, costs: Mapping[str, list[Cost]], bare: list[float], hello: list[float], nothing: list[float]
) -> bool:
    """Prints what runs cost; tells whether the chain is within its budget."""
    print(
        f"{'':34}{'tasks':>6}{'s, fastest':>12}{'median':>9}{'ms per task':>13}{'operator CPU ms per task':>26}"
    )
    sizes = {"one task, warm": 1, "chain": LENGTH, "fan-out": ITEMS}
    rows = {"one task, cold": (1, [cold])} | {name: (sizes[name], taken) for name, taken in costs.items()}
    for name, (size, taken) in rows.items():
        walls = [cost.wall for cost in taken]
        cpu = min(cost.operator_cpu for cost in taken) / size * 1e3
        _row(name, size, walls, f"{cpu:26.2f}")
    _row("chain of bare Python", LENGTH, bare)
    _row("limosa run --remote hello.py", 1, hello)
    _row("limosa --version", 1, nothing)
    per_node = min(cost.wall for cost in costs["chain"]) / LENGTH * 1e3
    limit = min(bare) / LENGTH * 1e3
    print(
        f"chain: {per_node:.0f} ms per node (budget {BUDGET_MS:.0f}), {per_node / limit:.1f} times a bare Python"
    )
    return per_node <= BUDGET_MS


def _row(name: str, size: int, walls: list[float], rest: str = "") -> None:
    fastest = min(walls)
    print(
        f"{name:34}{size:6}{fastest:12.3f}{statistics.median(walls):9.3f}{fastest / size * 1e3:13.1f}{rest}"
    )


def _pid(session: SandboxSession, part: str) -> int:

    state = json.loads((session.home / "state.json").read_text())
    return int(state["parts"][part]["pid"])


if __name__ == "__main__":
    sys.exit(main())
