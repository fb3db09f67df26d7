"""@task: a function that runs in a pod of its own."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from limosa.function_shapes import check_shape
from limosa.origin import caller, origin_of, qualified_name, source_root

if TYPE_CHECKING:
    import datetime as dt

    from limosa.cache import Cache
    from limosa.options import TaskOptions
    from limosa.packages.declaration import Packages
    from limosa.resources import Resources
    from limosa.retries import Retry
    from limosa.secret import Secret
    from limosa.signature import Signature
    from limosa_idl.core.v1alpha1.interface_pb2 import Interface
    from limosa_idl.task.v1alpha1.task_pb2 import ContainerTask as ContainerSpec
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node

P = ParamSpec("P")
R = TypeVar("R")


_in_function: ContextVar[bool] = ContextVar("limosa_in_function", default=False)


class Task(Generic[P, R]):
    """A task. Called inside a workflow it becomes a node; called elsewhere it runs here, with the literals of a pod.

    Attributes:
        function: The author's function.
        options: How its pods are to run.
    """

    container: "ContainerSpec | None" = None
    """What runs in place of a function; see `limosa.container_tasks`."""
    makes_graph = False
    """Whether its function describes a graph that then runs; see `limosa.dynamic_tasks`."""
    makes_calls = False
    """Whether its function launches other tasks while it runs; see `limosa.eager_tasks`."""

    def __init__(self, function: Callable[P, R], options: "TaskOptions") -> None:
        """Takes the function and its options; the signature is read when it is first needed."""
        self.function = function
        self.options = options
        self.replacement: Callable[..., Any] | None = None
        """What a local call runs instead; see `limosa.testing.patch`."""
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self._name: str | None = None
        self._signature: Signature | None = None
        self._interface: Interface | None = None

    @property
    def name(self) -> str:
        """The task's name: "<module from the source root>.<function>"."""
        if self._name is None:
            self._name = qualified_name(self.function)
        return self._name

    def declared_body(self) -> str:
        """What it runs where that is no function of its author's; empty where it is one."""
        return ""

    @property
    def loader(self) -> str:
        """How a pod finds it: "module:function"."""
        module = self.name[: -len(self.__qualname__) - 1]
        return f"{module}:{self.__qualname__}"

    @property
    def signature(self) -> "Signature":
        """Inputs and outputs as Python types."""
        if self._signature is None:
            from limosa.signature import Signature

            self._signature = Signature(self.function, "task")
        return self._signature

    @property
    def interface(self) -> "Interface":
        """Inputs and outputs on the wire."""
        if self._interface is None:
            self._interface = self.signature.interface()
        return self._interface

    @property
    def python_inputs(self) -> dict[str, Any]:
        """Input types by name."""
        return self.signature.inputs

    @property
    def python_outputs(self) -> dict[str, Any]:
        """Output types by name."""
        return self.signature.outputs

    @property
    def outputs_are_tuple(self) -> bool:
        """Whether the function returns a tuple, of which each item is an output."""
        return self.signature.outputs_are_tuple

    @property
    def source_root(self) -> str:
        """The source root that the function's file lies below."""
        return source_root(origin_of(self.function).file)

    def run_function(self, arguments: Mapping[str, Any]) -> Any:
        """Calls the author's function, or what stands in for it; tasks it calls run as plain functions."""
        function: Any = self.replacement or self.function
        token = _in_function.set(True)
        try:
            return function(**arguments)
        finally:
            _in_function.reset(token)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Adds a node to the workflow being traced, or runs the function here."""
        from limosa.tracing import call_arguments, current

        trace = current()
        arguments = call_arguments(self.name, self.signature, args, kwargs)
        result: Any
        if trace is not None:
            result = self._add_node(trace, arguments, None)
        elif _in_function.get():
            result = self.run_function(arguments)
        else:
            from limosa.local import call_task

            result = call_task(self, arguments)
        return result  # type: ignore[no-any-return]

    @property
    def aio(self) -> Callable[P, Awaitable[R]]:
        """The task itself, with the type that its calls have inside an eager one: `await f.aio(x=1)`."""
        same: Any = self
        return same  # type: ignore[no-any-return]

    def _add_node(self, trace: Any, arguments: dict[str, Any], options: dict[str, Any] | None) -> Any:
        from limosa.overrides import apply_overrides
        from limosa.tracing import bind_arguments, promised

        trace.add_target(self)
        bindings = bind_arguments(self.name, self.interface, self.python_inputs, arguments)
        node: Node = trace.new_node(self.__name__, caller())
        self._set_target(node)
        node.inputs.extend(bindings)
        if options:
            apply_overrides(node, options)
        return promised(node, self.interface, self.signature, trace)

    def _set_target(self, node: "Node") -> None:
        node.task.task = self.name

    def with_overrides(self, **options: Any) -> "Task[P, R]":
        """This task with other options for the calls made through the result.

        Takes the names of @task that concern the pod (resources, requests, limits, accelerator, retries, timeout, deadline,
        interruptible, priority, shared_memory, container_image, environment, labels, annotations, cache) and `node_name`.
        """
        return OverriddenTask(self, options)

    def __repr__(self) -> str:
        return f"<task {self.name}>"


class OverriddenTask(Task[P, R]):
    """A task seen through overrides; the same task otherwise."""

    def __init__(self, task: Task[P, R], options: dict[str, Any]) -> None:
        """Takes the task and what its calls change."""
        own = task.options
        if "retries" in options:
            from limosa.retries import retry_of

            own = own._replace(retry=retry_of(options["retries"]))
        super().__init__(task.function, own)
        self._task = task
        self.makes_graph, self.makes_calls = task.makes_graph, task.makes_calls
        self.replacement = task.replacement
        self.overrides = options

    def _add_node(self, trace: Any, arguments: dict[str, Any], options: dict[str, Any] | None) -> Any:
        return self._task._add_node(trace, arguments, {**self.overrides, **(options or {})})

    def generate(self, *given: Any) -> Any:
        """What a dynamic task's function describes."""
        task: Any = self._task
        return task.generate(*given)

    def perform(self, *given: Any) -> Any:
        """What an eager task's function comes to."""
        task: Any = self._task
        return task.perform(*given)

    def with_overrides(self, **options: Any) -> "Task[P, R]":
        """Further overrides; the later ones win."""
        return OverriddenTask(self._task, {**self.overrides, **options})


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(
    *,
    resources: "Resources | None" = None,
    requests: "Resources | None" = None,
    limits: "Resources | None" = None,
    accelerator: str | None = None,
    retries: "int | Retry" = 0,
    timeout: "dt.timedelta | int | float | str | None" = None,
    deadline: "dt.timedelta | int | float | str | None" = None,
    interruptible: bool | None = None,
    cache: "Cache | bool | str" = False,
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
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(function: Callable[P, R] | None = None, /, **options: Any) -> Any:
    """Makes a function a task.

    Args:
        function: The function, when used without parentheses.
        **options: resources, or requests and limits: what the pod gets (see `Resources`).
            accelerator: device class, such as "nvidia-tesla-t4".
            retries: further attempts after the author's failures; 3 means at most four. `Retry` also says how long to wait
                and how much memory attempts after an out-of-memory kill get.
            timeout: longest time one attempt may run ("10m", seconds, or a timedelta).
            deadline: longest time the node may take over all its attempts.
            interruptible: may run on capacity that can be taken away.
            cache: True, a version or a `Cache`: results of equal inputs are taken from earlier runs. True takes a digest
                of the function's source for a version.
            container_image: image of the pod; by default the platform's.
            packages: what its pods get beside the image's: a list of requirements, "requirements.txt", "uv.lock", or
                `Packages`.
            environment: plain variables. secrets: `Secret`s of the run's namespace.
            pod_template: a strategic-merge patch over the pod, as a dict or JSON. pod_template_name: a PodTemplate of the
                run's namespace that the pod starts from.
            priority: where slots are short, tasks with a greater one start first; 0 is usual.
            shared_memory: size of /dev/shm ("1Gi"); what lies there counts against the memory limit.
            labels, annotations: of the pod.

    Raises:
        LimosaError: An option makes no sense.
    """
    from limosa.options import task_options

    made = task_options(options)
    if function is not None:
        return _make(function, made)
    return lambda decorated: _make(decorated, made)


def _make(function: Callable[P, R], options: "TaskOptions") -> Task[P, R]:
    if isinstance(function, Task) or not callable(function) or not hasattr(function, "__code__"):
        from limosa.errors import LimosaError

        message = f"@task decorates a function, not {type(function).__name__}"
        raise LimosaError("TaskTarget", message, str(caller()), "write it directly above a def")
    check_shape(function, "task")
    return Task(function, options)
