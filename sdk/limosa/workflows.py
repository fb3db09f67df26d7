"""@workflow: a function that, called once with promises, describes a graph."""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from limosa.errors import LimosaError
from limosa.function_shapes import check_shape
from limosa.origin import Origin, caller, origin_of, qualified_name, source_root

if TYPE_CHECKING:
    from limosa.signature import Signature
    from limosa.tasks import OverriddenTask, Task
    from limosa.tracing import Trace
    from limosa_idl.core.v1alpha1.interface_pb2 import Interface
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, WorkflowSpec

P = ParamSpec("P")
R = TypeVar("R")


class FailurePolicy(Enum):
    """What a run does when a node has failed for good."""

    FAIL_IMMEDIATELY = 1
    """The run ends; running nodes are aborted."""
    FAIL_AFTER_EXECUTABLE_NODES_COMPLETE = 2
    """What does not depend on the failed node still runs."""


class Workflow(Generic[P, R]):
    """A workflow. Called inside another it becomes a sub-workflow; called elsewhere it runs here.

    Attributes:
        function: The author's function.
    """

    def __init__(
        self, function: Callable[P, R], failure_policy: FailurePolicy, on_failure: Any = None
    ) -> None:
        """Takes the function; it is traced when the graph is first needed. `on_failure`: a task or workflow."""
        self.function = function
        self.failure_policy = failure_policy
        self.on_failure = on_failure
        self.__name__ = function.__name__
        self.__qualname__ = function.__qualname__
        self.__module__ = function.__module__
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self._name: str | None = None
        self._signature: Signature | None = None
        self._interface: Interface | None = None
        self._traced: tuple[WorkflowSpec, dict[str, Any]] | None = None
        self._under_way = False

    @property
    def name(self) -> str:
        """The workflow's name: "<module from the source root>.<function>"."""
        if self._name is None:
            self._name = qualified_name(self.function)
        return self._name

    @property
    def signature(self) -> "Signature":
        """Inputs and outputs as Python types."""
        if self._signature is None:
            from limosa.signature import Signature

            self._signature = Signature(self.function, "workflow")
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
    def spec(self) -> "WorkflowSpec":
        """The graph on the wire. Raises LimosaError on what an author got wrong."""
        return self._trace()[0]

    @property
    def targets(self) -> dict[str, Any]:
        """Tasks and workflows that the graph's nodes name, by name."""
        return self._trace()[1]

    @property
    def aio(self) -> Callable[P, Awaitable[R]]:
        """The workflow itself, with the type that its calls have inside an eager task: `await wf.aio(x=1)`."""
        same: Any = self
        return same  # type: ignore[no-any-return]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Adds a sub-workflow to the workflow being traced, or runs here."""
        from limosa.tracing import bind_arguments, call_arguments, current, promised

        trace = current()
        arguments = call_arguments(self.name, self.signature, args, kwargs)
        result: Any
        if trace is None:
            from limosa.local import call_workflow

            result = call_workflow(self, arguments)
            return result  # type: ignore[no-any-return]
        if self._under_way:
            message = f"workflow {self.name} contains itself"
            raise LimosaError(
                "Recursion", message, str(caller()), "end the recursion with a branch inside one task"
            )
        self._trace()
        trace.add_target(self)
        bindings = bind_arguments(self.name, self.interface, self.python_inputs, arguments)
        node = trace.new_node(self.__name__, caller())
        node.sub_workflow.workflow = self.name
        node.inputs.extend(bindings)
        result = promised(node, self.interface, self.signature, trace)
        return result  # type: ignore[no-any-return]

    def _trace(self) -> "tuple[WorkflowSpec, dict[str, Any]]":
        if self._traced is None:
            from limosa.outputs import bind_outputs
            from limosa.promises import Promise
            from limosa.tracing import Trace, tracing

            root = source_root(origin_of(self.function).file)
            trace = Trace(self.name, root)
            interface = self.interface
            inputs: Any = {v.name: Promise(None, v.name, (), v.type) for v in interface.inputs}
            self._under_way = True
            try:
                with tracing(trace):
                    result = self._call_function(inputs, root)
                    trace.check_ended()
                    outputs = bind_outputs(self, "workflow", result)
                spec = self._build(trace, outputs)
            finally:
                self._under_way = False
            self._traced = spec, trace.targets
        return self._traced

    def _call_function(self, inputs: dict[str, Any], root: str) -> Any:
        function: Any = self.function
        try:
            return function(**inputs)
        except LimosaError:
            raise
        except (Exception, SystemExit) as error:
            from limosa.author_errors import body_error

            raise body_error(self.__name__, error, root) from error

    def _build(self, trace: "Trace", outputs: "list[Binding]") -> "WorkflowSpec":
        from limosa.docstring import summary
        from limosa.tracing import relative_file
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import FailurePolicy as Policy
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import WorkflowSpec

        origin = origin_of(self.function)
        spec = WorkflowSpec(
            name=self.name,
            interface=self.interface,
            description=summary(self.__doc__ or ""),
            nodes=trace.nodes,
            outputs=outputs,
            failure_policy=Policy.Value(f"FAILURE_POLICY_{self.failure_policy.name}"),
        )
        spec.source.file, spec.source.line = relative_file(origin, trace.source_root), origin.line
        _check_order(spec, origin)
        if self.on_failure is not None:
            self._add_handler(spec, trace, origin)
        return spec

    def _add_handler(self, spec: "WorkflowSpec", trace: "Trace", origin: Origin) -> None:
        from limosa.on_failure import handler_node, target_of

        target = target_of(self.on_failure)
        if isinstance(target, Workflow):
            if target._under_way:
                message = f"on_failure={target.__name__} contains {self.__name__} itself"
                raise LimosaError("Recursion", message, str(origin), "use another workflow, or a task")
            target._trace()
        trace.add_target(target)
        spec.on_failure.CopyFrom(handler_node(self, self.on_failure, origin, spec.source.file))

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"


@overload
def workflow(function: Callable[P, R], /) -> Workflow[P, R]: ...


@overload
def workflow(
    *,
    failure_policy: FailurePolicy = ...,
    on_failure: "Task[..., Any] | OverriddenTask[..., Any] | Workflow[..., Any] | None" = ...,
) -> Callable[[Callable[P, R]], Workflow[P, R]]: ...


def workflow(
    function: Callable[P, R] | None = None,
    /,
    *,
    failure_policy: FailurePolicy = FailurePolicy.FAIL_IMMEDIATELY,
    on_failure: Any = None,
) -> Any:
    """Makes a function a workflow: its calls of tasks become nodes of a graph.

    Args:
        function: The function, when used without parentheses.
        failure_policy: What a run does when a node has failed for good.
        on_failure: A task or workflow that runs when this one has failed, after everything else has ended, and not when a
            person aborts the run. It gets the workflow's inputs that it declares, and the error where it declares an
            input of type `WorkflowError`. Its own outcome changes nothing.
    """
    if on_failure is not None:
        from limosa.on_failure import check_handler

        check_handler(on_failure, str(caller()))
    if not isinstance(failure_policy, FailurePolicy):
        raise LimosaError(
            "WorkflowOption", f"failure_policy={failure_policy!r}", str(caller()), "use a FailurePolicy"
        )
    if function is not None:
        return _make(function, failure_policy, on_failure)
    return lambda decorated: _make(decorated, failure_policy, on_failure)


def _make(function: Callable[P, R], failure_policy: FailurePolicy, on_failure: Any) -> Workflow[P, R]:
    check_shape(function, "workflow")
    return Workflow(function, failure_policy, on_failure)


def _check_order(spec: "WorkflowSpec", origin: Origin) -> None:
    """Refuses nodes that wait for each other, which only orderings without data can bring about."""
    if not any(node.upstream for node in spec.nodes):
        return
    from limosa_model.graph import cycle

    around = cycle(spec)
    if around:
        names = {node.id: node.display_name or node.id for node in spec.nodes}
        chain = " → ".join(f"{node_id} ({names[node_id]})" for node_id in around)
        message = f"the nodes of {spec.name.rpartition('.')[2]} wait for each other: {chain}"
        raise LimosaError("Cycle", message, str(origin), "remove one of the orderings (>> or chain)")
