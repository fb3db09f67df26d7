"""What the SDK costs a script: importing it, and compiling one task and one workflow.

Beside it: bare Python (subtracted) and flytekit doing the same. Each script runs in a new process, all in turn so that
drift hits them alike. Prints medians; exits 1 when a budget is exceeded in processor
time, which equals wall time on an idle machine.

    python bench/sdk/run.py [--runs 15]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PEER = ROOT / ".cache" / "bench-flytekit"
IMPORT_BUDGET_S = 0.06
COMPILE_BUDGET_S = 0.12

FLOW = """from {package} import task, workflow


@task
def add(a: int, b: int) -> int:
    return a + b


@workflow
def wf(x: int = 1) -> int:
    return add(a=x, b=2)
"""
COMPILE = """
from limosa.compiler import compile_entity

assert compile_entity(wf).closure_bytes
"""
PEER_COMPILE = """
from collections import OrderedDict
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.tools.translator import get_serializable

image = ImageConfig(Image("default", "image", "tag"))
settings = SerializationSettings(image_config=image, project="p", domain="d", version="v")
found = OrderedDict()
get_serializable(found, settings, wf)
assert found
"""


def scripts(folder: Path) -> dict[str, list[str]]:
    """The commands by name."""
    files = {
        "bare": "",
        "import": "from limosa import task, workflow\n",
        "compile": FLOW.format(package="limosa") + COMPILE,
        "peer import": "from flytekit import task, workflow\n",
        "peer compile": FLOW.format(package="flytekit") + PEER_COMPILE,
    }
    commands = {}
    for name, source in files.items():
        path = folder / f"{name.replace(' ', '_')}.py"
        path.write_text(source)
        python = PEER / "bin" / "python" if name.startswith("peer") else Path(sys.executable)
        commands[name] = [str(python), str(path)]
    return commands


def install_peer() -> None:
    """Puts flytekit into an environment of its own, once."""
    python = PEER / "bin" / "python"
    uv = Path(sys.executable).parent / "uv"
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, PEER], check=True)
    if subprocess.run([python, "-c", "import flytekit"], capture_output=True, check=False).returncode:
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", python, "flytekit", "setuptools<81"], check=True
        )


class Cost(NamedTuple):
    """What one process took, in seconds."""

    wall: float
    processor: float
    """User and system time: other load on the machine hardly changes it."""


def run_once(command: list[str]) -> Cost:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{error.decode()}")
    return Cost(time.perf_counter() - began, usage.ru_utime + usage.ru_stime)


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, Cost]:
    """Medians of each; one warm-up, which also writes the bytecode."""
    taken: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            cost = run_once(command)
            if turn:
                taken[name].append(cost)
    return {
        name: Cost(statistics.median(c.wall for c in costs), statistics.median(c.processor for c in costs))
        for name, costs in taken.items()
    }


def show(cost: Cost) -> str:
    """Both figures in milliseconds."""
    return f"{cost.wall * 1000:.0f} ms ({cost.processor * 1000:.0f} ms processor)"


def main() -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    install_peer()
    with tempfile.TemporaryDirectory() as folder:
        medians = measure(scripts(Path(folder)), runs)
    bare = medians["bare"]
    print(f"bare Python {show(bare)}, subtracted below; medians of {runs}")
    ok = True
    for name, budget in (("import", IMPORT_BUDGET_S), ("compile", COMPILE_BUDGET_S)):
        own, peer = (
            Cost(cost.wall - bare.wall, cost.processor - bare.processor)
            for cost in (medians[name], medians[f"peer {name}"])
        )
        ok &= own.processor <= budget
        verdict = "ok" if own.processor <= budget else "ABOVE THE BUDGET"
        ratio = peer.processor / own.processor
        print(
            f"{name:8} limosa {show(own)}   flytekit {show(peer)}   ratio {ratio:.1f}   {budget * 1000:.0f} ms: {verdict}"
        )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
