"""A sandbox for tests: the platform in a temporary home, and runs on it."""

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limosa.cli.platform import Options, Platform
from limosa.cli.submission import new_run_name, prepare, register, run_annotations
from limosa.compiler import load_module
from limosa.config import resolve
from limosa.errors import LimosaError
from limosa.launch_plans import LaunchPlan
from limosa.remote import Client, ClientTransfer, Endpoint, Target
from limosa.tasks import Task
from limosa.types import to_literal, to_python
from limosa.workflows import Workflow
from limosa_idl.admin.v1alpha1 import admin_pb2
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import RUN_PHASE_SUCCEEDED, RunPhase, RunState
from limosa_model.names import DEFAULT_DOMAIN, DEFAULT_PROJECT

if TYPE_CHECKING:
    from limosa_idl.admin.v1alpha1.admin_pb2 import RunUpdate

_KINDS = {
    "task": admin_pb2.ENTITY_KIND_TASK,
    "workflow": admin_pb2.ENTITY_KIND_WORKFLOW,
    "launch_plan": admin_pb2.ENTITY_KIND_LAUNCH_PLAN,
}


class SandboxSession:
    """A running sandbox.

    Attributes:
        client: For everything beyond `run`.
        home: Its directory; logs/ below it has the platform's own logs.
    """

    def __init__(self, client: Client, home: Path) -> None:
        """Takes what `start_sandbox` made."""
        self.client = client
        self.home = home

    def run(self, entity: "Task[..., Any] | Workflow[..., Any] | LaunchPlan[Any]", **inputs: Any) -> Any:
        """Runs a task, workflow or launch plan in pods and gives what its function would return.

        Raises:
            LimosaError: It cannot be compiled, its inputs do not fit, or the run did not succeed.
        """
        __tracebackhide__ = True
        inner = entity.workflow if isinstance(entity, LaunchPlan) else entity
        loaded = load_module(inner.function.__code__.co_filename)
        found = next((own for own in loaded.entities.values() if own.name == entity.name), entity)
        submission = prepare(
            [loaded], [found], resolve({}, os.environ, Path(loaded.source_root)), version=None
        )
        transfer = ClientTransfer(self.client)
        try:
            literals = LiteralMap(
                literals={name: self._input(entity, name, value, transfer) for name, value in inputs.items()}
            )
            register(self.client, transfer, submission, _quiet)
            compiled = submission.compiled[0]
            target = self.client.entity_id(_KINDS[compiled.kind], compiled.name, submission.version)
            run = self.client.create_run(new_run_name(), target, literals, annotations=run_annotations(True))
            self._succeed(run.name)
            outputs = self.client.run_data(run.name).outputs.literals
            results = {
                name: to_python(outputs[name], kind, transfer) for name, kind in inner.python_outputs.items()
            }
            return inner.signature.join(results)
        finally:
            transfer.close()
            submission.bundle.discard()

    def _input(self, entity: Any, name: str, value: Any, transfer: ClientTransfer) -> Any:
        from limosa_model.interfaces import suggest

        if name not in entity.python_inputs:
            message = f"{entity.name} has no input '{name}'"
            raise LimosaError("UnknownInput", message, remedy=suggest(name, entity.python_inputs))
        return to_literal(value, entity.python_inputs[name], transfer)

    def _succeed(self, name: str) -> None:
        __tracebackhide__ = True
        updates: deque[RunUpdate] = deque(self.client.watch_run(name), maxlen=1)
        state = updates[0].run.state if updates else RunState()
        if state.phase != RUN_PHASE_SUCCEEDED:
            failure = state.failure
            message = f"run {name} ended {RunPhase.Name(state.phase)[10:]}: {failure.message}"
            if failure.exception.traceback:
                message += f"\n{failure.exception.traceback}"
            raise LimosaError(failure.code or "RunFailed", message, failure.origin.node_path)


@contextmanager
def start_sandbox(options: Options | None = None) -> Iterator[SandboxSession]:
    """A sandbox in a temporary home, ended and removed afterwards.

    Args:
        options: GPUs, CPUs and memory of its node; by default this machine's.

    Raises:
        LimosaError: It is not installed, or did not come up.
    """
    # Not pytest's own temporary directory: sockets need short paths.
    home = Path(tempfile.mkdtemp(prefix="limosa-"))
    platform = Platform(home)
    try:
        state = platform.start(options or Options(), lambda _: None)
        endpoint = Endpoint.parse(f"http://{state['admin_endpoint']}")
        target = Target(endpoint, DEFAULT_PROJECT, DEFAULT_DOMAIN, state["admin_token"])
        with Client(target) as client:
            yield SandboxSession(client, home)
    finally:
        platform.stop()
        shutil.rmtree(home, ignore_errors=True)


def _quiet(_: str) -> None:
    """Tests have no one to tell."""
