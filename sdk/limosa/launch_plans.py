"""Launch plans: a workflow with inputs given in advance."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from limosa.errors import LimosaError
from limosa.origin import caller

if TYPE_CHECKING:
    from limosa.tracing import Trace
    from limosa.workflows import Workflow
    from limosa_idl.core.v1alpha1.interface_pb2 import Interface
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import LaunchPlanSpec


R = TypeVar("R")


class LaunchPlan(Generic[R]):
    """A workflow under a name of its own, with defaults a caller may change and inputs it may not.

    Attributes:
        workflow: What it launches.
        name: Unique among the launch plans of a version.
    """

    def __init__(
        self,
        workflow: "Workflow[..., R]",
        name: str | None = None,
        default_inputs: Mapping[str, Any] | None = None,
        fixed_inputs: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        max_active_runs: int = 0,
    ) -> None:
        """Takes the workflow and what is given in advance.

        Args:
            workflow: What it launches.
            name: By default the workflow's.
            default_inputs: Used where the caller gives none.
            fixed_inputs: Cannot be given by the caller.
            labels: Put on every run.
            annotations: Put on every run.
            max_active_runs: Most runs of it under way at a time, further ones wait; 0: no limit.

        Raises:
            LimosaError: An input is unknown or given twice, or the limit is no number.
        """
        from limosa.workflows import Workflow

        self._origin = caller()
        if not isinstance(workflow, Workflow):
            message = f"a launch plan launches a workflow, not {type(workflow).__name__}"
            raise LimosaError(
                "LaunchPlanTarget", message, str(self._origin), "pass a function decorated by @workflow"
            )
        self.workflow = workflow
        self.name = name or workflow.name
        self.default_inputs = dict(default_inputs or {})
        self.fixed_inputs = dict(fixed_inputs or {})
        self.labels = dict(labels or {})
        self.annotations = dict(annotations or {})
        self.max_active_runs = max_active_runs
        if isinstance(max_active_runs, bool) or not isinstance(max_active_runs, int) or max_active_runs < 0:
            message = f"launch plan {self.name}: max_active_runs={max_active_runs!r}"
            raise LimosaError(
                "LaunchPlanOption", message, str(self._origin), "give a number of runs, 0 for no limit"
            )
        self._check_inputs()

    def _check_inputs(self) -> None:
        for key in (*self.default_inputs, *self.fixed_inputs):
            if key not in self.workflow.python_inputs:
                from limosa_model.interfaces import suggest

                message = f"launch plan {self.name}: workflow {self.workflow.name} has no input '{key}'"
                known = self.workflow.python_inputs
                raise LimosaError("UnknownInput", message, str(self._origin), suggest(key, known))
            if key in self.default_inputs and key in self.fixed_inputs:
                message = f"launch plan {self.name}: input '{key}' is default and fixed"
                raise LimosaError("TwiceGiven", message, str(self._origin), "give it once")

    def refuse_namesake(self, other: "LaunchPlan[Any]") -> None:
        """Refuses another launch plan of the same name. Raises LimosaError at the one that was made later."""
        if other is not self and other.name == self.name:
            first, second = sorted((self._origin, other._origin))
            message = f"two launch plans are called {self.name}; the other one is at {first}"
            raise LimosaError("DuplicateName", message, str(second), 'give one another name: name="…"')

    @property
    def interface(self) -> "Interface":
        """What a caller may give: the workflow's inputs without the fixed ones, defaults filled in."""
        from limosa_idl.core.v1alpha1.interface_pb2 import Interface

        defaults = self._literals(self.default_inputs)
        made = Interface(outputs=self.workflow.interface.outputs)
        for variable in self.workflow.interface.inputs:
            if variable.name not in self.fixed_inputs:
                added = made.inputs.add()
                added.CopyFrom(variable)
                if variable.name in defaults:
                    added.default_value.CopyFrom(defaults[variable.name])
        return made

    @property
    def python_inputs(self) -> dict[str, Any]:
        """Input types by name, without the fixed ones."""
        types = self.workflow.python_inputs
        return {name: kind for name, kind in types.items() if name not in self.fixed_inputs}

    @property
    def python_outputs(self) -> dict[str, Any]:
        """Output types by name."""
        return self.workflow.python_outputs

    @property
    def spec(self) -> "LaunchPlanSpec":
        """The launch plan on the wire."""
        from limosa.origin import origin_of, source_root
        from limosa.tracing import relative_file
        from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
        from limosa_idl.workflow.v1alpha1.workflow_pb2 import LaunchPlanSpec

        spec = LaunchPlanSpec(
            name=self.name,
            workflow=self.workflow.name,
            description=self.workflow.spec.description,
            default_inputs=LiteralMap(literals=self._literals(self.default_inputs)),
            fixed_inputs=LiteralMap(literals=self._literals(self.fixed_inputs)),
            labels=self.labels,
            annotations=self.annotations,
            max_active_runs=self.max_active_runs,
        )
        root = source_root(origin_of(self.workflow.function).file)
        spec.source.file, spec.source.line = relative_file(self._origin, root), self._origin.line
        return spec

    def _literals(self, given: Mapping[str, Any]) -> dict[str, Any]:
        from limosa.bindings import literal_of

        types = self.workflow.python_inputs
        places = {name: f"launch plan {self.name}: input '{name}'" for name in given}
        return {name: literal_of(value, types[name], places[name]) for name, value in given.items()}

    @property
    def key(self) -> str:
        """Its key among the targets of a graph: a launch plan is often called like its workflow."""
        return f"launch plan {self.name}"

    def __call__(self, **kwargs: Any) -> R:
        """Adds a node to the workflow being traced: a run of its own. Elsewhere runs the workflow here.

        Raises:
            LimosaError: An input is unknown, missing, fixed by the launch plan, or of another type.
        """
        from limosa.tracing import current

        for key in kwargs:
            if key in self.fixed_inputs:
                message = f"launch plan {self.name} fixes input '{key}'"
                raise LimosaError("FixedInput", message, str(caller()), "leave it out")
        trace = current()
        result: Any
        if trace is not None:
            result = self._add_node(trace, kwargs)
        else:
            call: Callable[..., R] = self.workflow
            result = call(**{**self.default_inputs, **kwargs, **self.fixed_inputs})
        return result  # type: ignore[no-any-return]

    def _add_node(self, trace: "Trace", given: Mapping[str, Any]) -> Any:
        from limosa.tracing import CallError, bind_arguments, promised

        interface, short = self.interface, self.name.rpartition(".")[2]
        types = self.python_inputs
        for key in given:
            if key not in types:
                from limosa_model.interfaces import suggest

                message = f"launch plan {short} has no input '{key}'"
                raise CallError("UnknownArgument", message, str(caller()), suggest(key, types))
        for variable in interface.inputs:
            if variable.name not in given and not variable.HasField("default_value"):
                message = f"launch plan {short} misses its input '{variable.name}'"
                raise CallError("MissingArgument", message, str(caller()), f"pass {variable.name}=…")
        ordered = {key: given[key] for key in types if key in given}
        bindings = bind_arguments(self.name, interface, types, ordered)
        trace.add_plan(self)
        node = trace.new_node(short, caller())
        node.launch_plan.launch_plan = self.name
        node.launch_plan.interface.CopyFrom(interface)
        node.inputs.extend(bindings)
        return promised(node, interface, self.workflow.signature, trace)

    def __repr__(self) -> str:
        return f"<launch plan {self.name}>"
