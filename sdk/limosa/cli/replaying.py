"""A remote node's exact inputs and code, run here: what `limosa replay` does."""

import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from limosa.bundle.errors import BundleError
from limosa.bundle.extraction import unpack
from limosa.checkpoints import Checkpoint, DirectoryCheckpoints
from limosa.cli.console import say
from limosa.cli.exit_codes import ExitCode
from limosa.cli.nodes import made_graphs, node_path
from limosa.context import Context, running_in
from limosa.errors import LimosaError
from limosa.kept_folder import make_kept
from limosa.local.transfer import LocalTransfer
from limosa.remote import Client, ClientTransfer
from limosa.runtime.code import load_task
from limosa.runtime.exceptions import exception_details
from limosa.runtime.outcome import LaunchFailed
from limosa.types import ValueProblem, to_literal, to_python
from limosa_idl.admin.v1alpha1.admin_pb2 import RunDetail
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_model import layout
from limosa_model.failures import Code
from limosa_model.graph import Index, closure_around
from limosa_model.targets import python_part
from limosa_model.values import to_plain
from limosa_store.uris import uri_of

_LIMITS = {Code.OOM_KILLED: "memory", Code.TIMEOUT: "time", Code.NODE_DEADLINE: "time"}
"""By code of a failure: what there was too much of."""
Call = Callable[[Any, dict[str, Any]], Any]
"""Calls a task's function with its arguments: plainly, or under a debugger."""


class Replay:
    """One node item of a remote run, about to be run in this process."""

    def __init__(self, client: Client, run: str, node: str, index: int | None) -> None:
        """Finds the node and its task.

        Raises:
            LimosaError: There is no such node, it runs no code of the author's, or code of another Python.
            RemoteError: The run is not there.
        """
        self._client = client
        self._here = Path.cwd()
        self.path = node_path(client, run, node, index)
        self.index = index
        self._detail = client.get_run(run)
        self.place = f"{run} {self.path}" + ("" if index is None else f"[{index}]")
        self.task = _task(self._detail, self.path, self.place, index)
        _check_python(self.task, self.place)

    def not_limited(self) -> str:
        """See the function of that name."""
        return not_limited(self._detail, self.path, self.index)

    def run(self, call: Call, scratch: Path, results: Path) -> dict[str, Any]:
        """Runs the task's function; gives its outputs as plain data. What it raises passes on.

        Args:
            call: How the function is called.
            scratch: For the code (below `code`) and copies of inputs; outlives the call, so that a debugger finds the source.
            results: Where files among the outputs are kept.
        """
        inputs = self._inputs()
        transfer = ClientTransfer(self._client, scratch)
        self._enter(self._unpack(transfer, scratch / "code"))
        self._install_packages(transfer)
        task = _load(_code(self.task).loader, scratch / "code", self.place)
        task.options = task.options._replace(retry=None)  # one attempt is looked at
        arguments = {
            name: to_python(inputs.literals[name], kind, transfer)
            for name, kind in task.python_inputs.items()
        }
        work = scratch / "work"
        work.mkdir()
        checkpoint = Checkpoint(DirectoryCheckpoints(results / "checkpoint", []), scratch)
        run = self._detail.run.name
        with running_in(Context(run, self.path, self.index, 1, self.task.name, work, checkpoint)):
            result = call(task, arguments)
        return _outputs(task, result, LocalTransfer(results, scratch))

    def _inputs(self) -> LiteralMap:
        data = self._client.run_data(self._detail.run.name, self.path, self.index)
        if not data.HasField("inputs"):
            remedy = f"`limosa explain {self._detail.run.name} {self.path}` says why"
            raise LimosaError("InputsUnknown", data.note or "its inputs are not known", self.place, remedy)
        return data.inputs

    def _unpack(self, transfer: ClientTransfer, target: Path) -> Path:
        digest = _code(self.task).bundle_digest
        if not digest:
            target.mkdir()
            return target
        run = self._detail.run
        root = self._client.info().storage_root
        uri = uri_of(root, layout.code_key(run.project, run.domain, digest))
        path = transfer.download_file(uri, "code.tar.gz")
        try:
            with path.open("rb") as stream:
                unpack(stream, digest, target)
        except BundleError as error:
            raise LimosaError("BundleCorrupt", f"the run's code: {error}", self.place) from error
        return target

    def _install_packages(self, transfer: ClientTransfer) -> None:
        """Makes the task's packages importable here; they are kept beside the replays. Raises LimosaError."""
        digest = _code(self.task).packages
        if not digest:
            return
        from limosa.packages.unpacking import unpack_once
        from limosa.runtime.packages import put_on_path

        run, root = self._detail.run, self._client.info().storage_root
        lock = uri_of(root, layout.package_lock_key(run.project, run.domain, digest))

        def open_wheel(sha256: str) -> BinaryIO:
            return transfer.open_file(uri_of(root, layout.wheel_key(run.project, run.domain, sha256)))

        directory = str(self._here / ".limosa" / "packages")
        put_on_path(unpack_once(directory, digest, transfer.open_file(lock).read, open_wheel))

    def _enter(self, code_root: Path) -> None:
        """Makes this process look like the task's: directory, import path, environment."""
        os.chdir(code_root)
        sys.path.insert(0, str(code_root))
        os.environ.update(self.task.environment)
        lacking = [secret.env for secret in self.task.secrets if secret.env and secret.env not in os.environ]
        if lacking:
            say(f"its secrets stay on the cluster; set {', '.join(lacking)} where the task needs them")


def not_limited(detail: RunDetail, path: str, index: int | None) -> str:
    """Which limit ended an attempt of a node item on the platform, and does not hold here; empty where none did."""
    found = ""
    for one in detail.snapshots:
        item = one.key.index if one.key.HasField("index") else None
        if one.HasField("launch") and (one.key.node_path, item) == (path, index):
            failure = one.launch.failure
            limit = _LIMITS.get(failure.code)
            found = f"{limit} is not limited here; there: {failure.message}" if limit else found
    return found


def replay(
    client: Client, run: str, node: str, index: int | None, *, debug: bool
) -> dict[str, Any] | ExitCode:
    """Runs a node item here; its outputs as plain data, or an exit code once its exception was shown."""
    from limosa.cli.debugging import LeftDebugger, debugged

    prepared = Replay(client, run, node, index)
    here = Path.cwd()
    results = here / ".limosa" / "replays" / re.sub(r"[^a-z0-9-]+", "-", prepared.place)
    make_kept(results.parent)
    say(f"replaying {prepared.place} ({prepared.task.name}) in {sys.executable}")
    if limit := prepared.not_limited():
        say(limit, "yellow")
    with tempfile.TemporaryDirectory(prefix="limosa-replay-") as scratch:
        try:
            return prepared.run(debugged if debug else _plain, Path(scratch), results)
        except LimosaError:
            raise
        except LeftDebugger:
            say("left the debugger")
            return ExitCode.INTERRUPTED
        except Exception as error:  # noqa: BLE001 - the author's code may raise anything; it is shown
            _show(error, Path(scratch) / "code", debug)
            return ExitCode.USER_FAILURE
        finally:
            os.chdir(here)


def _plain(task: Any, arguments: dict[str, Any]) -> Any:
    return task.run_function(arguments)


def _show(error: Exception, code_root: Path, debug: bool) -> None:
    """The traceback from the author's first frame, then, if asked, a debugger where it was raised."""
    from limosa.cli.debugging import look_at

    sys.stderr.write(exception_details(error, code_root).traceback)
    if debug:
        look_at(error)


def _task(detail: RunDetail, path: str, place: str, index: int | None) -> TaskSpec:
    states = [s.node for s in detail.snapshots if s.key.node_path == path and not s.key.HasField("index")]
    graph = Index(closure_around(detail.closure, path, made_graphs(detail)))
    target = states[0].target if states else ""
    if not target or not graph.has_task(target):
        raise LimosaError(
            "NoTask", "the node runs no task of its own", place, "name one of the nodes inside it"
        )
    if states[0].kind == "map" and index is None:
        raise LimosaError("ItemMissing", "it is a map", place, "say which item with --index N")
    task = graph.task(target)
    if python_part(task) is None:
        raise LimosaError("NoPython", "its task is no Python function", place, "run its image by hand")
    return task


def _code(task: TaskSpec) -> PythonTask:
    return python_part(task) or PythonTask()


def _check_python(task: TaskSpec, place: str) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    wanted = _code(task).python_version
    if wanted and wanted != here:
        remedy = f"replay it with Python {wanted}"
        raise LimosaError("PythonMismatch", f"it ran under Python {wanted}, this is {here}", place, remedy)


def _load(loader: str, code_root: Path, place: str) -> Any:
    try:
        return load_task(loader, code_root)
    except LaunchFailed as error:
        raise LimosaError(error.failure.code, error.failure.message, place) from error


def _outputs(task: Any, result: Any, transfer: LocalTransfer) -> dict[str, Any]:
    plain = {}
    for name, value in task.signature.split(result, task.name).items():
        try:
            plain[name] = to_plain(to_literal(value, task.python_outputs[name], transfer))
        except (ValueProblem, ValueError) as error:
            raise LimosaError("BadOutput", str(error), f"{task.name}: output '{name}'") from error
    return plain
