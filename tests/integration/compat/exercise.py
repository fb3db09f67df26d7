"""What an installed SDK does, in one go: compile, run here, run as a pod. Run by the interpreter under test.

Usage: exercise.py FLOW FOLDER. FLOW is a file with a task `greet` and a workflow `hello`, both of one text.
The last line printed is a JSON object.
"""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import limosa
from limosa.bundle import pack
from limosa.compiler import CompileSettings, compile_entity, load_module
from limosa.types.converter import TypeProblem
from limosa.types.registry import find
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit
from limosa_model import layout, values
from limosa_model.pod_contract import PodEnvironment
from limosa_store import StoreSettings, open_store

PLACE = ("demo", "development")
TIMEOUT_S = 60


def launch(flow: Path, folder: Path) -> str:
    """Runs `greet` as a pod does, over a directory as the store; gives what it committed."""
    root = f"file://{folder}/store"
    store = open_store(StoreSettings(url=root))
    bundle = pack(flow.parent, [PurePosixPath(flow.name)])
    store.put(layout.code_key(*PLACE, bundle.digest), bundle.path)
    bundle.discard()
    pod = PodEnvironment(
        run_uid="uid",
        run_name="run",
        project=PLACE[0],
        domain=PLACE[1],
        node_path="n0",
        index=None,
        launch=0,
        launch_id="launchaaaa",
        epoch="1.1",
        task=f"{flow.stem}.greet",
        loader=f"{flow.stem}:greet",
        bundle=bundle.digest,
        python_version=".".join(map(str, sys.version_info[:2])),
        storage_root=root,
        input_digest="sha256:0",
        inputs=LiteralMap(literals={"name": values.string("pod")}),
        termination_path=str(folder / "termination"),
    )
    environ = {**os.environ, **pod.to_environ(), "LIMOSA_STORAGE_URL": root, "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "limosa.runtime"]
    done = subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode:
        sys.exit(f"the pod ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    commit = store.get(layout.commit_key(layout.run_prefix(*PLACE, "run", "uid"), "n0", None))
    return str(values.to_plain(Commit.FromString(commit).inline.literals["o0"]))


def refusal() -> str:
    """What the author of a task over a path is told to use; its module is another one in Python 3.13."""

    try:
        find(Path)
    except TypeProblem as problem:
        return problem.remedy
    return "a path is a type like others"


def main() -> None:
    """Does all of it."""
    flow, folder = Path(sys.argv[1]), Path(sys.argv[2])
    hello = load_module(str(flow)).entities["hello"]
    done = {
        "installed": str(Path(limosa.__file__).parent),
        "python": list(sys.version_info[:2]),
        "protobuf": version("protobuf"),
        # Of one Python version, so that the bytes can be compared between interpreters.
        "closure": compile_entity(hello, CompileSettings(python_version="3.11")).closure_bytes.hex(),
        "here": hello(name="here"),
        "pod": launch(flow, folder),
        "refusal": refusal(),
    }
    print(json.dumps(done))


if __name__ == "__main__":
    main()
