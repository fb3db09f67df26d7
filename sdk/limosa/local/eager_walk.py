"""Eager tasks on this machine: the function runs here, and what it calls runs in place, when it is called."""

from typing import TYPE_CHECKING

from limosa.eager_calls import Call, Prepared
from limosa.errors import LimosaError
from limosa.local.attempts import Attempt, attempt_eager
from limosa.local.failing import failure_of, unforeseen
from limosa.local.printing import not_copied
from limosa.local.progress import NodeProgress
from limosa.tasks import Task
from limosa.tracing import not_tracing
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.run.v1alpha1.run_pb2 import NODE_PHASE_RUNNING
from limosa_model.failures import Code
from limosa_model.generated import MAX_DYNAMIC_DEPTH

if TYPE_CHECKING:
    from limosa.local.walk import Surroundings


def walk_eager(
    task: Task[..., object], item: Attempt, run: "Surroundings", depth: int, place: str
) -> dict[str, Literal]:
    """Runs an eager task and what it calls.

    Args:
        task: The eager task.
        item: Its node.
        run: The run.
        depth: Dynamic and eager nodes around it.
        place: Where it was called.
    """
    if depth >= MAX_DYNAMIC_DEPTH:
        message = (
            f"{item.path} lies in {depth + 1} dynamic or eager nodes, at most {MAX_DYNAMIC_DEPTH} are allowed"
        )
        raise LimosaError(Code.DYNAMIC_TOO_DEEP, message, place, "end the recursion earlier")
    calls = _Calls(item.path, run, depth + 1)
    return attempt_eager(task, item, run.record, run.scratch, run.report, calls)


class _Calls:
    """Carries calls out in place. A further attempt gets what the calls of the one before gave, as in a pod."""

    def __init__(self, path: str, run: "Surroundings", depth: int) -> None:
        self._path, self._run, self._depth = path, run, depth
        self._ended: dict[str, dict[str, Literal] | tuple[Failure, Exception]] = {}

    def launch(self, prepared: Prepared, call: Call) -> None:
        """Runs what is called, unless an attempt before did."""
        if prepared.id not in self._ended:
            self._ended[prepared.id] = self._walk(prepared)
        ended = self._ended[prepared.id]
        if isinstance(ended, tuple):
            call.fail(*ended)
        else:
            call.succeed(ended)

    def _walk(self, prepared: Prepared) -> dict[str, Literal] | tuple[Failure, Exception]:
        from limosa.local.walk import Scope

        path, node = f"{self._path}/{prepared.id}", prepared.made.spec.nodes[0]
        try:
            with not_tracing(), not_copied():
                self._run.report(NodeProgress(path, None, node, NODE_PHASE_RUNNING, 0, made=prepared.made))
                return Scope(prepared.made, {}, f"{self._path}/", self._run, self._depth).walk()
        except Exception as error:  # noqa: BLE001 - the author's own: raised where the call is awaited
            return failure_of(error) or unforeseen(error), error
