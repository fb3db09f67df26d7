"""@workflow(on_failure=…): what runs when a workflow has failed, after everything else has ended."""

import dataclasses
import types
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from limosa.errors import LimosaError
from limosa.origin import Origin
from limosa.tasks import OverriddenTask, Task

if TYPE_CHECKING:
    from limosa.workflows import Workflow
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, Node


@dataclasses.dataclass(frozen=True)
class WorkflowError:
    """Why a workflow failed. A handler gets it by declaring an input of this type, whatever its name.

    Attributes:
        node: Path of the node that failed; items of a map as "n0[3]".
        code: Stable identifier ("UserException", "OOMKilled", "GateTimeout").
        kind: "USER" or "SYSTEM": whose fault it was.
        message: What happened, for people.
    """

    node: str
    code: str
    kind: str
    message: str


def check_handler(handler: Any, place: str) -> None:
    """Refuses what cannot run on failure. Raises LimosaError."""
    from limosa.workflows import Workflow

    if handler is not None and not isinstance(handler, (Task, OverriddenTask, Workflow)):
        message = f"on_failure={handler!r} is neither a task nor a workflow"
        raise LimosaError("OnFailure", message, place, "decorate the handler with @task or @workflow")


def target_of(handler: Any) -> Any:
    """The task or workflow itself."""
    return handler._task if isinstance(handler, OverriddenTask) else handler


def handler_node(workflow: "Workflow[..., Any]", handler: Any, origin: Origin, file: str) -> "Node":
    """The node that runs a handler: its inputs are the workflow's of the same names, and the error.

    Args:
        workflow: Whose handler it is.
        handler: What runs.
        origin: Where the workflow was written.
        file: The same place's file, as specs name it.

    Raises:
        LimosaError: The handler wants what the workflow does not have.
    """
    from limosa.overrides import apply_overrides
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
    from limosa_model.graph import ON_FAILURE

    target = target_of(handler)
    node = Node(id=ON_FAILURE, display_name=target.__name__, inputs=_bindings(workflow, target, str(origin)))
    node.source.file, node.source.line = file, origin.line
    if not isinstance(target, Task):
        node.sub_workflow.workflow = target.name
    elif target.makes_graph:
        node.dynamic.task = target.name
    elif target.makes_calls:
        node.eager.task = target.name
    else:
        node.task.task = target.name
    if isinstance(handler, OverriddenTask):
        apply_overrides(node, handler.overrides)
    return node


def _bindings(workflow: "Workflow[..., Any]", target: Any, place: str) -> "list[Binding]":
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Binding, BindingData, FailureRef, InputRef
    from limosa_model.types import assignable

    known = {variable.name: variable.type for variable in workflow.interface.inputs}
    found = []
    for variable in target.interface.inputs:
        name = variable.name
        if _takes_error(target.python_inputs[name]):
            found.append(Binding(name=name, data=BindingData(failure=FailureRef())))
        elif name in known:
            reason = assignable(known[name], variable.type)
            if reason:
                message = f"on_failure={target.__name__}: input '{name}': {reason}"
                raise LimosaError("OnFailure", message, place, "give both the same type")
            found.append(Binding(name=name, data=BindingData(input=InputRef(name=name))))
        elif not variable.HasField("default_value"):
            message = f"on_failure={target.__name__} needs an input '{name}', which {workflow.__name__} does not have"
            remedy = "take inputs of the workflow by their names and types, the error as a limosa.WorkflowError, or give a default"
            raise LimosaError("OnFailure", message, place, remedy)
    return found


def _takes_error(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, types.UnionType):
        return WorkflowError in get_args(annotation)
    return annotation is WorkflowError
