"""@eager: an async function whose calls of tasks are launched while it runs, and whose control flow is Python's own."""

import asyncio
import concurrent.futures
import contextvars
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from limosa.errors import LimosaError
from limosa.function_shapes import check_shape
from limosa.origin import caller
from limosa.tasks import Task

if TYPE_CHECKING:
    import datetime as dt

    from limosa.eager_calls import Caller
    from limosa.options import TaskOptions
    from limosa.packages.declaration import Packages
    from limosa.resources import Resources
    from limosa.retries import Retry
    from limosa.secret import Secret
    from limosa.types.transfer import TransferContext
    from limosa_idl.core.v1alpha1.literal_pb2 import Literal
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node

P = ParamSpec("P")
R = TypeVar("R")


class Eager(Task[P, R]):
    """An eager task. Its function runs in a pod; tasks and workflows that it calls run in pods of their own meanwhile."""

    makes_calls = True

    def perform(
        self,
        arguments: Mapping[str, Any],
        carry_out: "Caller",
        transfer: "TransferContext",
        stored: "Callable[[Literal], Literal] | None" = None,
    ) -> Any:
        """Runs the author's function to its end, and waits for all that it called.

        Args:
            arguments: Every input, as Python values.
            carry_out: Carries calls out.
            transfer: Makes files and frames durable that the function hands to tasks, and reads what they give.
            stored: Replaces literals that are too large for a graph; None: none is.

        Returns:
            What the function returned.

        Raises:
            CallFailed: Something that was called has failed, and the function did not catch it.
            Exception: Whatever else the author's function raised.
        """
        from limosa.eager_calls import CallTrace
        from limosa.tracing import tracing

        trace = CallTrace(self.name, self.source_root, carry_out, transfer, stored)
        function: Any = self.replacement or self.function

        async def main() -> Any:
            trace.follow(asyncio.get_running_loop())
            made = function(**arguments)
            # What stands in for it in a test may give the value itself.
            result = await made if inspect.isawaitable(made) else made
            await trace.rest()
            return result

        with tracing(trace):
            return _run(main())

    def run_function(self, arguments: Mapping[str, Any]) -> Any:
        """Runs the function here, with what it calls in place: it is called by a task, or replayed."""
        from limosa.local import call_task
        from limosa.tracing import not_tracing

        with not_tracing():
            return call_task(self, dict(arguments))

    def _set_target(self, node: "Node") -> None:
        node.eager.task = self.name

    def __repr__(self) -> str:
        return f"<eager task {self.name}>"


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine to its end, also where a loop runs already: in an eager task that another one calls, in a notebook."""
    if not _is_in_loop():
        return asyncio.run(work)
    context = contextvars.copy_context()
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="eager") as thread:
        return thread.submit(context.run, asyncio.run, work).result()


def _is_in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@overload
def eager(function: Callable[P, Coroutine[Any, Any, R]], /) -> Eager[P, R]: ...


@overload
def eager(
    *,
    resources: "Resources | None" = None,
    requests: "Resources | None" = None,
    limits: "Resources | None" = None,
    accelerator: str | None = None,
    retries: "int | Retry" = 0,
    timeout: "dt.timedelta | int | float | str | None" = None,
    deadline: "dt.timedelta | int | float | str | None" = None,
    interruptible: bool | None = None,
    container_image: str | None = None,
    environment: Mapping[str, str] | None = None,
    secrets: "Sequence[Secret]" = (),
    packages: "Packages | Sequence[str] | str | None" = None,
    pod_template: Mapping[str, Any] | str | None = None,
    pod_template_name: str | None = None,
    priority: int = 0,
    shared_memory: str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Eager[P, R]]: ...


def eager(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Makes an async function an eager task: it runs in a pod, and what it calls runs in pods of its own meanwhile.

    In its body values are values. A task, workflow or launch plan that it calls is launched at once; `await` gives what comes of
    it, or raises `CallFailed`. Several at a time: `await asyncio.gather(f(x=1), f(x=2))`. When the function returns, calls that
    were not awaited are waited for.

    Type checkers know calls of tasks by what they give elsewhere; `f.aio(x=1)` is the same call with the awaitable's type.

    Each call is recorded. If the pod is lost, another one runs the function again and gets what is recorded, so no call is
    carried out twice. For that the function has to make the same calls again: what it does must follow from its inputs and
    from what its calls gave, not from time, randomness, or which of two calls ends first.

    Args:
        function: The async function, when used without parentheses.
        **options: As of @task, but for `cache`; they concern the pod that runs this function.

    Raises:
        LimosaError: An option makes no sense, or the function is not async.
    """
    from limosa.options import task_options

    if options.get("cache"):
        message = "@eager has no option 'cache': it launches other tasks while it runs"
        raise LimosaError("TaskOption", message, str(caller()), "cache the tasks that it calls")
    made = task_options(options)
    if function is not None:
        return _make(function, made)
    return lambda decorated: _make(decorated, made)


def _make(function: Callable[..., Any], options: "TaskOptions") -> Eager[..., Any]:
    if isinstance(function, Task) or not callable(function) or not hasattr(function, "__code__"):
        message = f"@eager decorates an async function, not {type(function).__name__}"
        raise LimosaError("TaskTarget", message, str(caller()), "write it directly above an async def")
    check_shape(function, "eager task")
    return Eager(function, options)
