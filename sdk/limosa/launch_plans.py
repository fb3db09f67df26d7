"""Launch plans: a workflow with inputs given in advance."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from limosa.errors import LimosaError
from limosa.origin import caller

if TYPE_CHECKING:
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
    ) -> None:
        """Takes the workflow and what is given in advance.

        Args:
            workflow: What it launches.
            name: By default the workflow's.
            default_inputs: Used where the caller gives none.
            fixed_inputs: Cannot be given by the caller.
            labels: Put on every run.
            annotations: Put on every run.

        Raises:
            LimosaError: An input is unknown or given twice.
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
        )
        root = source_root(origin_of(self.workflow.function).file)
        spec.source.file, spec.source.line = relative_file(self._origin, root), self._origin.line
        return spec

    def _literals(self, given: Mapping[str, Any]) -> dict[str, Any]:
        from limosa.bindings import literal_of

        types = self.workflow.python_inputs
        places = {name: f"launch plan {self.name}: input '{name}'" for name in given}
        return {name: literal_of(value, types[name], places[name]) for name, value in given.items()}

    def __call__(self, **kwargs: Any) -> R:
        """Runs the workflow here with the inputs given in advance. Raises LimosaError inside a workflow."""
        from limosa.tracing import current

        if current() is not None:
            raise LimosaError(
                "LaunchPlanNode",
                f"launch plan {self.name} is called inside a workflow, which is not supported yet",
                str(caller()),
                "call its workflow: it runs in place",
            )
        for key in kwargs:
            if key in self.fixed_inputs:
                message = f"launch plan {self.name} fixes input '{key}'"
                raise LimosaError("FixedInput", message, str(caller()), "leave it out")
        call: Callable[..., R] = self.workflow
        return call(**{**self.default_inputs, **kwargs, **self.fixed_inputs})

    def __repr__(self) -> str:
        return f"<launch plan {self.name}>"
