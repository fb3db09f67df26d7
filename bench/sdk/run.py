"""What the SDK costs a script: importing it, and compiling one task and one workflow.

Beside it: bare Python (subtracted) and flytekit doing the same. Each script runs in a new process, all in turn so that
drift hits them alike. Prints medians; exits 1 when a budget is exceeded.

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


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, float]:
    """Median wall seconds of each; one warm-up, which also writes the bytecode."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(
                command, check=True, capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"}
            )
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def main() -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    install_peer()
    with tempfile.TemporaryDirectory() as folder:
        medians = measure(scripts(Path(folder)), runs)
    bare = medians["bare"]
    print(f"bare Python: {bare * 1000:.0f} ms (subtracted below), median of {runs}")
    ok = True
    for name, budget in (("import", IMPORT_BUDGET_S), ("compile", COMPILE_BUDGET_S)):
        own, peer = medians[name] - bare, medians[f"peer {name}"] - bare
        ok &= own <= budget
        verdict = "ok" if own <= budget else "ABOVE THE BUDGET"
        print(
            f"{name:8} limosa {own * 1000:5.0f} ms  flytekit {peer * 1000:5.0f} ms  ratio {peer / own:5.1f}  "
            f"budget {budget * 1000:.0f} ms: {verdict}"
        )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
