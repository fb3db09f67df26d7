"""One node item: its task's function, tried as often as its retries allow."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from limosa.checkpoints import Checkpoint, DirectoryCheckpoints
from limosa.context import Context, running_in
from limosa.errors import LimosaError
from limosa.local.failing import note, remember_failure
from limosa.local.history import RunDirectory
from limosa.local.progress import NodeProgress, Report
from limosa.local.transfer import LocalTransfer
from limosa.local.workplace import (
    Workplace,
    missing_file_hint,
    variables_of,
    with_variables,
    working_in,
    workplace,
)
from limosa.tasks import Task
from limosa.types import ValueProblem, to_python
from limosa.types.converter import told_cause
from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import (
    NODE_PHASE_FAILED,
    NODE_PHASE_RETRYING,
    NODE_PHASE_RUNNING,
    NODE_PHASE_SUCCEEDED,
)
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
from limosa_model.failures import Code

if TYPE_CHECKING:
    from limosa.dynamic_tasks import Generated
    from limosa.eager_calls import Caller
    from limosa.local.cache import LocalCache

Made = TypeVar("Made")


@dataclasses.dataclass(frozen=True)
class Attempt:
    """What is to be run, for which node item."""

    node: Node
    path: str
    index: int | None
    inputs: Mapping[str, Literal]
    retries: int


def attempt_task(
    task: Task[..., Any],
    item: Attempt,
    record: RunDirectory,
    scratch: Path,
    report: Report,
    cache: "LocalCache | None" = None,
) -> dict[str, Literal]:
    """Runs a task until it succeeds or its retries are spent; then its exception, with a note that names it, passes on.

    With a cache, an equal launch's result is taken from there, or kept there.
    """
    key = None if cache is None else cache.key(task, item)
    found = None if cache is None or key is None else cache.find(key)
    inputs = LiteralMap(literals=item.inputs)
    if found is not None:
        kept, run = found
        record.commit(item.path, item.index, record.launch_id(item.path, item.index, 1), inputs, kept)
        report(NodeProgress(item.path, item.index, item.node, NODE_PHASE_SUCCEEDED, 0, cached_from=run))
        return dict(kept.literals)
    outputs, launch_id, number = _attempt(task, item, record, scratch, report, _call)
    made = LiteralMap(literals=outputs)
    record.commit(item.path, item.index, launch_id, inputs, made)
    if cache is not None and key is not None:
        cache.keep(key, record.name, made)
    report(NodeProgress(item.path, item.index, item.node, NODE_PHASE_SUCCEEDED, number))
    return outputs


def attempt_eager(
    task: Task[..., Any],
    item: Attempt,
    record: RunDirectory,
    scratch: Path,
    report: Report,
    carry_out: "Caller",
) -> dict[str, Literal]:
    """Runs an eager task, likewise; what it calls is carried out meanwhile."""

    def work(task: Any, inputs: Mapping[str, Literal], transfer: LocalTransfer) -> dict[str, Literal]:
        return _outputs(task, task.perform(_arguments(task, inputs, transfer), carry_out, transfer), transfer)

    outputs, launch_id, number = _attempt(task, item, record, scratch, report, work)
    inputs, made = LiteralMap(literals=item.inputs), LiteralMap(literals=outputs)
    record.commit(item.path, item.index, launch_id, inputs, made)
    report(NodeProgress(item.path, item.index, item.node, NODE_PHASE_SUCCEEDED, number))
    return outputs


def attempt_graph(
    task: Task[..., Any], item: Attempt, record: RunDirectory, scratch: Path, report: Report
) -> "Generated":
    """Has a dynamic task describe its graph, likewise; the node goes on with that."""
    made, _, _ = _attempt(task, item, record, scratch, report, _generate)
    return made


def _attempt(
    task: Task[..., Any],
    item: Attempt,
    record: RunDirectory,
    scratch: Path,
    report: Report,
    work: Callable[[Any, Mapping[str, Literal], LocalTransfer], Made],
) -> tuple[Made, str, int]:
    """What the work gives, with the attempt's launch id and number."""
    record.values(item.path, item.index, item.inputs)
    for number in range(1, item.retries + 2):
        launch_id = record.launch_id(item.path, item.index, number)
        report(NodeProgress(item.path, item.index, item.node, NODE_PHASE_RUNNING, number))
        transfer = LocalTransfer(record.data(launch_id), scratch)
        try:
            variables = variables_of(task, item.node)
            with _at_work(task, item, record, scratch, number, variables), record.printed(launch_id):
                return work(task, item.inputs, transfer), launch_id, number
        except (Exception, SystemExit) as error:
            failure = _failure(error, task, item, number)
            final = number > item.retries or not failure.retryable
            phase = NODE_PHASE_FAILED if final else NODE_PHASE_RETRYING
            record.error(launch_id, failure)
            report(NodeProgress(item.path, item.index, item.node, phase, number, failure))
            if not final:
                continue
            _note(error, task, item, number)
            told = _left(task, error) if isinstance(error, SystemExit) else error
            remember_failure(told, failure)
            if told is not error:
                raise told from error
            raise
    raise AssertionError("a loop over at least one attempt ended without a result")


@contextlib.contextmanager
def _at_work(
    task: Task[..., Any],
    item: Attempt,
    record: RunDirectory,
    scratch: Path,
    number: int,
    variables: Mapping[str, str],
) -> Iterator[None]:
    """What the function finds around it: a folder, variables and a context of this attempt's own."""
    with workplace(scratch, task.source_root) as place:
        context = _context(task, item, record, place, number)
        with running_in(context), with_variables(variables), working_in(place.code):
            yield


def _context(
    task: Task[..., Any], item: Attempt, record: RunDirectory, place: Workplace, number: int
) -> Context:
    files = [record.checkpoint(record.launch_id(item.path, item.index, at)) for at in range(number, 0, -1)]
    checkpoint = Checkpoint(DirectoryCheckpoints(files[0], files[1:]), place.folder)
    return Context(record.name, item.path, item.index, number, task.name, place.work, checkpoint)


def _generate(task: Any, inputs: Mapping[str, Literal], transfer: LocalTransfer) -> "Generated":
    made: Generated = task.generate(_arguments(task, inputs, transfer), transfer)
    return made


def _call(task: Task[..., Any], inputs: Mapping[str, Literal], transfer: LocalTransfer) -> dict[str, Literal]:
    return _outputs(task, task.run_function(_arguments(task, inputs, transfer)), transfer)


def _outputs(task: Task[..., Any], result: Any, transfer: LocalTransfer) -> dict[str, Literal]:
    from limosa.results import output_literal, output_problem
    from limosa.types.iteration import IterationFailed

    outputs = {}
    for name, value in task.signature.split(result, task.name).items():
        try:
            outputs[name] = output_literal(task, name, value, transfer)
        except IterationFailed as error:
            raise error.cause from error.cause.__cause__
        except (ValueProblem, ValueError) as error:
            raise output_problem(task, name, value, error) from told_cause(error)
    return outputs


def _arguments(
    task: Task[..., Any], inputs: Mapping[str, Literal], transfer: LocalTransfer
) -> dict[str, Any]:
    arguments = {}
    for name, python_type in task.python_inputs.items():
        try:
            arguments[name] = to_python(inputs[name], python_type, transfer)
        except (ValueProblem, ValueError) as error:
            raise _problem(Code.BAD_INPUT, f"task {task.name}: input '{name}'", error) from told_cause(error)
    return arguments


def _problem(code: str, place: str, error: Exception) -> LimosaError:
    if isinstance(error, LimosaError):
        return LimosaError(code, error.message, place, error.remedy)
    return LimosaError(code, str(error), place)


def _left(task: Task[..., Any], error: SystemExit) -> LimosaError:
    """A task's sys.exit() ends the task, as in a pod, and not this process."""
    from limosa.runtime.raised import LEFT_REMEDY

    told = f": {error}" if str(error) else ""
    return LimosaError(Code.USER_EXCEPTION, f"SystemExit{told}", task.signature.place, LEFT_REMEDY)


def _failure(error: BaseException, task: Task[..., Any], item: Attempt, number: int) -> Failure:
    from limosa.runtime.exceptions import result_frames
    from limosa.runtime.raised import failure_of

    root = Path(task.source_root)
    failure = failure_of(error, root, missing_file_hint(error, task.source_root))
    if failure.code == Code.BAD_OUTPUT and not failure.exception.frames:
        failure.exception.frames.extend(result_frames(task.function, root))
    origin = FailureOrigin(node_path=item.path, index=item.index, launch=number - 1, task=task.name)
    failure.origin.CopyFrom(origin)
    return failure


def _note(error: BaseException, task: Task[..., Any], item: Attempt, number: int) -> None:
    """Says which task raised."""
    hint = missing_file_hint(error, task.source_root)
    if hint:
        note(error, hint)
    where = f"{item.path}[{item.index}]" if item.index is not None else item.path
    text = f"in task {task.name}, node {where}" + (f", attempt {number}" if number > 1 else "")
    note(error, text)
