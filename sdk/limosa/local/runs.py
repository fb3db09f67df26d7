"""One local run: inputs in, outputs back, everything in between kept."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from limosa.errors import LimosaError
from limosa.launch_plans import LaunchPlan
from limosa.local.attempts import Attempt, attempt_task
from limosa.local.cache import LocalCache
from limosa.local.history import RunDirectory, RunRecord
from limosa.local.holding import holding, scratch_directory
from limosa.local.progress import NodeProgress, Report, ignore
from limosa.local.story import Story
from limosa.local.transfer import LocalTransfer, copied_directory, copied_file, local_path
from limosa.local.walk import Scope, Surroundings, walk_dynamic
from limosa.tasks import Task
from limosa.types import ValueProblem, to_literal, to_python
from limosa.types.converter import type_name
from limosa.workflows import Workflow
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
from limosa_model.interfaces import complete_inputs


@dataclasses.dataclass(frozen=True)
class LocalRun:
    """A finished local run."""

    name: str
    directory: Path
    """Holds inputs.pb, outputs.pb, commits/ and launches/."""
    literals: LiteralMap
    """Outputs by name, as they are stored."""
    outputs: Mapping[str, Any]
    """Outputs by name, as Python values."""


def run(
    entity: "Task[..., Any] | Workflow[..., Any] | LaunchPlan[Any]",
    inputs: Mapping[str, Any],
    store_dir: Path,
    progress: Report = ignore,
    begun: Callable[[RunRecord], None] = lambda _: None,
    cache: LocalCache | None = None,
) -> LocalRun:
    """Runs a task, workflow or launch plan here and keeps what it leaves.

    Args:
        entity: What to run.
        inputs: By name; Python values or literals. What is left out takes its default.
        store_dir: Root of the kept runs (".limosa/runs"); its oldest ones beyond `KEPT_RUNS` are deleted.
        progress: Called with every change of a node.
        begun: Called once, when the inputs were found to fit.
        cache: Results of earlier runs; without one every task runs.

    Raises:
        LimosaError: The inputs do not fit, or the graph could not go on.
        Exception: Whatever the author's code raised, with a note that names the task.
    """
    target = entity.workflow if isinstance(entity, LaunchPlan) else entity
    with contextlib.ExitStack() as held:
        scratch = held.enter_context(scratch_directory())
        literals = input_literals(entity, inputs, scratch)
        record = RunRecord(store_dir)
        held.enter_context(holding(record.directory))
        record.inputs(literals)
        story = Story(record, entity)
        begun(record)

        def report(change: NodeProgress) -> None:
            story(change)
            progress(change)

        try:
            outputs = run_literals(target, literals, record, scratch, report, cache)
        except BaseException as error:
            story.failed(error)
            raise
        record.outputs(outputs)
        story.succeeded(outputs)
    results = {name: _result(outputs.literals[name], kind) for name, kind in target.python_outputs.items()}
    return LocalRun(record.name, record.directory, outputs, results)


def run_literals(
    target: "Task[..., Any] | Workflow[..., Any]",
    inputs: LiteralMap,
    record: RunDirectory,
    scratch: Path,
    report: Report,
    cache: LocalCache | None = None,
) -> LiteralMap:
    """Runs a task or workflow on literals."""
    surroundings = Surroundings(record, scratch, report, cache)
    if isinstance(target, Task):
        node = Node(id="n0", display_name=target.__name__)
        target._set_target(node)
        attempt = Attempt(node, node.id, None, dict(inputs.literals), target.options.retries)
        if target.makes_graph:
            outputs = walk_dynamic(target, attempt, surroundings, 0, target.name)
            return LiteralMap(literals=outputs)
        if target.makes_calls:
            from limosa.local.eager_walk import walk_eager

            return LiteralMap(literals=walk_eager(target, attempt, surroundings, 0, target.name))
        return LiteralMap(literals=attempt_task(target, attempt, record, scratch, report, cache))
    scope = Scope(target, dict(inputs.literals), "", surroundings)
    return LiteralMap(literals=scope.walk())


def input_literals(
    entity: "Task[..., Any] | Workflow[..., Any] | LaunchPlan[Any]", inputs: Mapping[str, Any], scratch: Path
) -> LiteralMap:
    """All inputs as literals, defaults filled in; files are referred to where they lie. Raises LimosaError."""
    transfer = LocalTransfer(None, scratch)
    given = {name: _literal(entity, name, value, transfer) for name, value in inputs.items()}
    complete, problems = complete_inputs(entity.interface, given)
    if problems:
        first = problems[0]
        raise LimosaError(first.code, first.message, f"{entity.name}: input '{first.place}'", first.remedy)
    if isinstance(entity, LaunchPlan):
        for name, value in entity.fixed_inputs.items():
            complete.literals[name].CopyFrom(_literal(entity.workflow, name, value, transfer))
    return complete


def _literal(entity: Any, name: str, value: Any, transfer: LocalTransfer) -> Literal:
    if isinstance(value, Literal) or name not in entity.python_inputs:
        return value if isinstance(value, Literal) else Literal()
    try:
        return to_literal(value, entity.python_inputs[name], transfer)
    except ValueProblem as error:
        raise LimosaError(
            "InputType",
            error.message,
            f"{entity.name}: input '{name}'",
            error.remedy or f"pass a value of type {type_name(entity.python_inputs[name])}",
        ) from None
    except ValueError as error:
        raise LimosaError("InputType", str(error), f"{entity.name}: input '{name}'") from error


def _result(literal: Literal, python_type: Any) -> Any:
    """An output for whoever started the run: its files are read where they are kept."""
    return to_python(literal, python_type, KeptFiles())


class KeptFiles(LocalTransfer):
    """Reads files of finished runs in place: nobody else writes them any more; people get copies where they want them."""

    def __init__(self) -> None:
        """Needs no places: nothing is copied."""
        super().__init__(None, Path(tempfile.gettempdir()))

    def download_file(self, uri: str, name: str, digest: str = "") -> Path:
        """The kept file itself."""
        return local_path(uri)

    def download_directory(self, uri: str, name: str, digest: str = "") -> Path:
        """The kept directory itself."""
        return local_path(uri)

    def fetch(self, uri: str, target: Path, digest: str = "") -> Path:
        """Copies a kept file to a path, which appears only when it is complete."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.part")
        try:
            return copied_file(uri, partial, digest).replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def fetch_directory(self, uri: str, target: Path, digest: str = "") -> Path:
        """Copies a kept directory."""
        return copied_directory(uri, target, digest)
