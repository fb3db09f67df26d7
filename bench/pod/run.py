"""What the runtime adds to a pod: process start to user function and back, over a real S3 API.

A trivial task with a bundle of 100 files: start check, bundle fetch and unpack, inputs, call, commit with a conditional
write, termination message; every request signed. Beside it: the same with packages that another pod has unpacked, bare
Python, bare Python that writes the same 100 files (the limit: much of it is the file system's), and pyflyte-execute with its
fast registration over the same endpoint (the peer). Each takes its turn in every round. Prints wall and CPU seconds of the fastest and the median round. The budget is
of wall seconds on a machine with a free core; the exit status 1 tells that even the CPU seconds alone exceed it, which other
load on the machine hardly changes (waiting for the endpoint adds some 10 ms to them).

    python bench/pod/run.py [--runs 15]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from limosa.bundle import pack
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_model import layout, values
from limosa_model.pod_contract import PodEnvironment
from limosa_store import StoreSettings, open_store

BUDGET_S = 0.15
BARE, OURS, PACKAGED, THEIRS = "bare Python", "limosa.runtime", "… with packages", "pyflyte-execute"
ROOT = Path(__file__).parents[2]
PEER = ROOT / ".cache" / "bench-flytekit"
KEYS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench-secret-key", "AWS_REGION": "us-east-1"}
TASK = "from {package} import task\n\n\n@task\ndef f(x: int) -> int:\n    return x + 1\n"


def write_code(folder: Path, package: str) -> list[PurePosixPath]:
    """A task's file and 99 others of 2 KB."""
    folder.mkdir()
    (folder / "flow.py").write_text(TASK.format(package=package))
    for number in range(99):
        (folder / f"part_{number}.py").write_text(f"VALUE = {number}\n" * 120)
    return [PurePosixPath(path.name) for path in sorted(folder.iterdir())]


class Cost(NamedTuple):
    """Seconds of one process."""

    wall: float
    cpu: float


def timed(runs: int, commands: dict[str, tuple[list[str], dict[str, str]]]) -> dict[str, list[Cost]]:
    """Costs of each command, taken in turn so that drift hits all alike; one warm-up each."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, (command, environ) in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            began = time.perf_counter()
            done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
            wall = time.perf_counter() - began
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if done.returncode != 0:
                sys.exit(f"{name} failed ({done.returncode}):\n{done.stdout}\n{done.stderr}")
            if turn:
                cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                costs[name].append(Cost(wall, cpu))
    return costs


def files_alone(work: Path) -> tuple[list[str], dict[str, str]]:
    """Bare Python that writes what a bundle's unpacking writes."""
    script = (
        "import os,sys\nfolder=sys.argv[1]+str(os.getpid())\nos.mkdir(folder)\n"
        "for number in range(100):\n"
        "    file=os.open(f'{folder}/{number}',os.O_WRONLY|os.O_CREAT)\n"
        "    os.write(file,b'VALUE = 10\\n'*120)\n    os.close(file)\n"
    )
    shell = ["sh", "-c", 'exec "$0" -c "$1" "$2"', sys.executable, script, str(work / "files-")]
    return shell, {"PATH": os.environ["PATH"]}


def ours(endpoint: str, work: Path) -> tuple[list[str], dict[str, str]]:
    """The runtime's command and environment; the commit key differs with every process by its node path."""
    settings = StoreSettings(
        url="s3://bench/root",
        endpoint=endpoint,
        access_key=KEYS["AWS_ACCESS_KEY_ID"],
        secret_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    bundle = pack(work / "ours", write_code(work / "ours", "limosa"))
    open_store(settings).put(layout.code_key("p", "d", bundle.digest), bundle.path)
    bundle.discard()
    pod = PodEnvironment(
        run_uid="uid",
        run_name="run",
        project="p",
        domain="d",
        node_path="$NODE",
        index=None,
        launch=0,
        launch_id="launchaaaa",
        epoch="1.1",
        task="flow.f",
        loader="flow:f",
        bundle=bundle.digest,
        python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
        storage_root=settings.url,
        input_digest="sha256:0",
        inputs=LiteralMap(literals={"x": values.integer(1)}),
        termination_path=str(work / "termination"),
    )
    environ = {**pod.to_environ(), **settings.to_env(), "PATH": os.environ["PATH"], "TMPDIR": str(work)}
    # A shell gives each process a node path of its own, so that every run commits; its cost is in bare Python's too.
    script = 'LIMOSA_POD_NODE_PATH="n$$" exec "$0" -m limosa.runtime'
    return ["sh", "-c", script, sys.executable], environ


def with_packages(runtime: tuple[list[str], dict[str, str]], work: Path) -> tuple[list[str], dict[str, str]]:
    """The same where the task has packages that another pod has unpacked: 2,000 files of them."""
    command, environ = runtime
    digest = "ab" * 32
    for number in range(20):
        package = work / "packages" / digest / f"package_{number}"
        package.mkdir(parents=True)
        for part in range(100):
            (package / f"part_{part}.py").write_text("VALUE = 1\n")
    packages = {"LIMOSA_POD_PACKAGES": digest, "LIMOSA_POD_PACKAGES_DIRECTORY": str(work / "packages")}
    return command, {**environ, **packages}


def peer(endpoint: str, work: Path) -> tuple[list[str], dict[str, str]]:
    """pyflyte-fast-execute over the same endpoint, in an environment of its own."""
    uv = Path(sys.executable).with_name("uv")
    python = PEER / "bin" / "python"
    if not (PEER / "bin" / "pyflyte-execute").exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, PEER], check=True)
        subprocess.run(
            [uv, "pip", "install", "--quiet", "--python", python, "flytekit", "setuptools<81"], check=True
        )
    write_code(work / "peer", "flytekit")
    archive = work / "peer.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(work / "peer", arcname=".")
    inputs = work / "inputs.pb"
    make = (
        "from flyteidl.core import literals_pb2 as l, errors_pb2;"
        "p=l.Primitive(integer=1);s=l.Scalar(primitive=p);"
        f"open({str(inputs)!r},'wb').write(l.LiteralMap(literals={{'x': l.Literal(scalar=s)}}).SerializeToString())"
    )
    subprocess.run([python, "-c", make], check=True)
    store = open_store(
        StoreSettings(
            url="s3://bench/peer",
            endpoint=endpoint,
            access_key=KEYS["AWS_ACCESS_KEY_ID"],
            secret_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        )
    )
    store.put("code.tar.gz", archive)
    store.put("inputs.pb", inputs)
    environ = {
        **KEYS,
        "PATH": f"{PEER / 'bin'}:{os.environ['PATH']}",
        "HOME": str(work),
        "TMPDIR": str(work),
        "FLYTE_AWS_ENDPOINT": endpoint,
        "FLYTE_AWS_ACCESS_KEY_ID": KEYS["AWS_ACCESS_KEY_ID"],
        "FLYTE_AWS_SECRET_ACCESS_KEY": KEYS["AWS_SECRET_ACCESS_KEY"],
        "FLYTE_INTERNAL_EXECUTION_ID": "run",
        "FLYTE_INTERNAL_EXECUTION_PROJECT": "p",
        "FLYTE_INTERNAL_EXECUTION_DOMAIN": "d",
        "PYTHONPATH": str(work / "dest"),
    }
    (work / "dest").mkdir()
    command = (
        "pyflyte-fast-execute --additional-distribution s3://bench/peer/code.tar.gz --dest-dir {dest} -- "
        "pyflyte-execute --inputs s3://bench/peer/inputs.pb --output-prefix s3://bench/peer/out/$$ "
        "--raw-output-data-prefix s3://bench/peer/raw/$$ "
        "--resolver flytekit.core.python_auto_container.default_task_resolver -- task-module flow task-name f"
    ).format(dest=work / "dest")
    return ["sh", "-c", "exec " + command], environ


def main() -> int:
    """Runs the comparison and prints it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    PEER.parent.mkdir(exist_ok=True)
    # A folder of the checkout: the file system is slow to find room in a /tmp that others fill and empty.
    with tempfile.TemporaryDirectory(dir=PEER.parent) as folder:
        work = Path(folder)
        server, endpoint = start_endpoint(work)
        try:
            commands = {
                BARE: (["sh", "-c", 'exec "$0" -c pass', sys.executable], {"PATH": os.environ["PATH"]}),
                "100 files": files_alone(work),
                OURS: (runtime := ours(endpoint, work)),
                PACKAGED: with_packages(runtime, work),
            }
            costs = timed(runs, commands) | timed(min(runs, 5), {THEIRS: peer(endpoint, work)})
        finally:
            server.terminate()
            server.wait()
    return show(costs)


def show(costs: dict[str, list[Cost]]) -> int:
    """Prints the table; gives the exit status."""
    print(f"{'seconds':18}{'wall, fastest':>15}{'median':>9}{'CPU, fastest':>15}{'median':>9}")
    walls, cpus = {}, {}
    for name, taken in costs.items():
        wall, cpu = [cost.wall for cost in taken], [cost.cpu for cost in taken]
        walls[name], cpus[name] = min(wall), min(cpu)
        print(
            f"{name:18}{min(wall):15.3f}{statistics.median(wall):9.3f}{min(cpu):15.3f}{statistics.median(cpu):9.3f}"
        )
    for kind, seconds in (("wall", walls), ("CPU", cpus)):
        overhead, theirs = seconds[OURS] - seconds[BARE], seconds[THEIRS] - seconds[BARE]
        print(
            f"over bare Python, {kind}: {overhead:.3f} s (budget {BUDGET_S}); {THEIRS} {theirs:.3f} s, {theirs / overhead:.0f} times"
        )
    added = f"{walls[PACKAGED] - walls[OURS]:.4f} s wall, {cpus[PACKAGED] - cpus[OURS]:.4f} s CPU"
    print(f"packages that are there already: {added} (budget 0.5)")
    return 0 if cpus[OURS] - cpus[BARE] <= BUDGET_S else 1


def start_endpoint(work: Path) -> tuple["subprocess.Popen[str]", str]:
    """The demo's S3 endpoint as its own process."""
    key = {"access_key": KEYS["AWS_ACCESS_KEY_ID"], "secret_key": KEYS["AWS_SECRET_ACCESS_KEY"]}
    credentials = work / "credentials.json"
    credentials.write_text(json.dumps([key]))
    credentials.chmod(0o600)
    command = [
        sys.executable,
        "-m",
        "limosa_sandbox.s3",
        "--root",
        str(work / "objects"),
        "--bucket",
        "bench",
    ]
    server = subprocess.Popen(
        [*command, "--credentials", str(credentials), "--until-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    return server, json.loads(server.stdout.readline())["url"]


if __name__ == "__main__":
    sys.exit(main())
