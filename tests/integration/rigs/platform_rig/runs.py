"""Submitting as people do, and reading back what came of it."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from limosa.remote import Client
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.values import to_plain
from platform_rig.sandbox import Sandbox

TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    name: str
    uid: str
    phase: str
    """SUCCEEDED, FAILED or ABORTED."""
    failure: Failure
    finished_at: Timestamp


def submit(sandbox: Sandbox, file: Path, entity: str, inputs: Mapping[str, Any] | None = None) -> str:
    """Starts a workflow of a source file with the command line; gives the run's name."""
    given = [
        word
        for name, value in (inputs or {}).items()
        for word in (f"--{name.replace('_', '-')}", _text(value))
    ]
    options = ["--remote", "--detach", "-o", "json"]
    answer = limosa(sandbox, "run", *options, str(file), entity, *given)
    name: str = json.loads(answer)["name"]
    return name


def limosa(sandbox: Sandbox, *arguments: str) -> str:
    """What a command of `limosa` writes on standard output."""
    done = try_limosa(sandbox, *arguments)
    assert done.returncode == 0, f"limosa {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def try_limosa(sandbox: Sandbox, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a command of `limosa` that may fail."""
    state = sandbox.state()
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(sandbox.folder),
        "LIMOSA_HOME": str(sandbox.home),
        "LIMOSA_ENDPOINT": f"http://{state['admin_endpoint']}",
        "LIMOSA_TOKEN": state["admin_token"],
    }
    program = "from limosa.cli.main import main; main()"
    command = [str(sandbox.author_python), "-c", program, *arguments]
    return subprocess.run(
        command, env=environ, cwd=sandbox.folder, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def await_end(client: Client, name: str, timeout: float = TIMEOUT_S) -> Ended:
    """Follows a run to its end."""
    update = list(client.watch_run(name, timeout=timeout))[-1]
    state = update.run.state
    return Ended(name, update.run.uid, phase_name(state.phase), state.failure, state.finished_at)


def run(sandbox: Sandbox, file: Path, entity: str, inputs: Mapping[str, Any] | None = None) -> Ended:
    """Submits and follows to the end."""
    name = submit(sandbox, file, entity, inputs)
    with sandbox.client() as client:
        return await_end(client, name)


def outputs(sandbox: Sandbox, name: str, node_path: str = "", index: int | None = None) -> dict[str, Any]:
    """The outputs of a run or a node item as plain values."""
    with sandbox.client() as client:
        literals = client.run_data(name, node_path, index).outputs.literals
    return {key: to_plain(literal) for key, literal in literals.items()}


def phase_name(phase: "run_pb2.RunPhase.ValueType") -> str:
    """Name of a run phase without its prefix."""
    return run_pb2.RunPhase.Name(phase).removeprefix("RUN_PHASE_")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
