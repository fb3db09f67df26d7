"""Submitting as people do, and reading back what came of it."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    state = sandbox.state()
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(sandbox.folder),
        "LIMOSA_ENDPOINT": f"http://{state['admin_endpoint']}",
        "LIMOSA_TOKEN": state["admin_token"],
    }
    command = [str(sandbox.author_python), "-c", "from limosa.cli.main import main; main()", *arguments]
    done = subprocess.run(
        command, env=environ, cwd=sandbox.folder, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, f"limosa {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def await_end(client: Client, name: str, timeout: float = TIMEOUT_S) -> Ended:
    """Follows a run to its end."""
    update = list(client.watch_run(name, timeout=timeout))[-1]
    return Ended(name, update.run.uid, phase_name(update.run.state.phase), update.run.state.failure)


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
