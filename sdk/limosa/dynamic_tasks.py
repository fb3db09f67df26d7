"""@dynamic: a function that, called in the run with its real inputs, describes a graph, which then runs."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar, overload

from limosa.errors import LimosaError
from limosa.function_shapes import check_shape
from limosa.origin import caller, origin_of
from limosa.tasks import Task

if TYPE_CHECKING:
    import datetime as dt

    from limosa.options import TaskOptions
    from limosa.packages.declaration import Packages
    from limosa.resources import Resources
    from limosa.retries import Retry
    from limosa.secret import Secret
    from limosa.types.transfer import TransferContext
    from limosa_idl.core.v1alpha1.interface_pb2 import Interface
    from limosa_idl.core.v1alpha1.literal_pb2 import Literal
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node, WorkflowSpec

P = ParamSpec("P")
R = TypeVar("R")


class Generated(NamedTuple):
    """What one call of a dynamic function described.

    Attributes:
        spec: The graph: a workflow without inputs, with the outputs of the function.
        targets: Tasks and workflows that its nodes name, by name.
    """

    spec: "WorkflowSpec"
    targets: dict[str, Any]

    @property
    def interface(self) -> "Interface":
        """Of the graph: outputs only."""
        return self.spec.interface


class Dynamic(Task[P, R]):
    """A dynamic task. Its function runs in a pod; the calls of tasks and workflows in it become nodes of the run."""

    makes_graph = True

    def generate(
        self,
        arguments: Mapping[str, Any],
        transfer: "TransferContext",
        stored: "Callable[[Literal], Literal] | None" = None,
    ) -> Generated:
        """Calls the author's function with values and learns the graph.

        Args:
            arguments: Every input, as Python values.
            transfer: Makes files and frames durable that the function hands to tasks.
            stored: Replaces literals that are too large for a graph; None: none is.

        Raises:
            LimosaError: What the author wrote cannot run.
            Exception: Whatever the author's function raised.
        """
        from limosa.outputs import bind_outputs
        from limosa.tracing import Trace, relative_file, tracing
        from limosa_idl.core.v1alpha1.interface_pb2 import Interface
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import FAILURE_POLICY_FAIL_IMMEDIATELY, WorkflowSpec

        trace = Trace(self.name, self.source_root, transfer, stored)
        function: Any = self.replacement or self.function
        with tracing(trace):
            result = function(**arguments)
            trace.check_ended()
            outputs = bind_outputs(self, "dynamic task", result)
        origin = origin_of(self.function)
        spec = WorkflowSpec(
            name=self.name,
            interface=Interface(outputs=self.interface.outputs),
            nodes=trace.nodes,
            outputs=outputs,
            failure_policy=FAILURE_POLICY_FAIL_IMMEDIATELY,
        )
        spec.source.file, spec.source.line = relative_file(origin, trace.source_root), origin.line
        return Generated(spec, trace.targets)

    def _set_target(self, node: "Node") -> None:
        node.dynamic.task = self.name

    def __repr__(self) -> str:
        return f"<dynamic task {self.name}>"


@overload
def dynamic(function: Callable[P, R], /) -> Dynamic[P, R]: ...


@overload
def dynamic(
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
) -> Callable[[Callable[P, R]], Dynamic[P, R]]: ...


def dynamic(function: Callable[P, R] | None = None, /, **options: Any) -> Any:
    """Makes a function a dynamic task: it runs in a pod with real values, and what it calls runs afterwards.

    In its body inputs are values: loop over them, compare them. Tasks, workflows and further dynamic tasks that it calls
    give promises, as in a workflow; it returns promises, values, or a mixture.

    Args:
        function: The function, when used without parentheses.
        **options: As of @task, but for `cache`; they concern the pod that runs this function. `deadline` spans the graph too.

    Raises:
        LimosaError: An option makes no sense.
    """
    from limosa.options import task_options

    if options.get("cache"):
        message = "@dynamic has no option 'cache': its result is a graph, not values"
        raise LimosaError("TaskOption", message, str(caller()), "cache the tasks that it calls")
    made = task_options(options)
    if function is not None:
        return _make(function, made)
    return lambda decorated: _make(decorated, made)


def _make(function: Callable[P, R], options: "TaskOptions") -> Dynamic[P, R]:
    if isinstance(function, Task) or not callable(function) or not hasattr(function, "__code__"):
        message = f"@dynamic decorates a function, not {type(function).__name__}"
        raise LimosaError("TaskTarget", message, str(caller()), "write it directly above a def")
    check_shape(function, "dynamic task")
    return Dynamic(function, options)
