"""Computed nodes: what may be wrong with one, and what it gives."""

from collections.abc import Iterator, Mapping

from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
from limosa_idl.workflow.v1alpha1.workflow_pb2 import ComputedNode
from limosa_model.computed import KINDS
from limosa_model.computed.kind import Unfit
from limosa_model.pod_contract import INLINE_OUTPUTS_LIMIT
from limosa_model.problems import Problem

OUTPUT = "o0"
"""What a computed node gives."""
MAX_OUTPUT_BYTES = INLINE_OUTPUTS_LIMIT
"""Largest serialised value that a computed node may give."""


def computed_node(kind: str, types: Mapping[str, LiteralType]) -> ComputedNode:
    """A node of a kind, for inputs of these types. Raises Unfit."""
    gives = KINDS[kind].gives(types)
    return ComputedNode(
        kind=kind,
        interface=Interface(
            inputs=[Variable(name=name, type=type_) for name, type_ in types.items()],
            outputs=[Variable(name=OUTPUT, type=gives)],
        ),
    )


def computed_problems(node: ComputedNode, place: str) -> Iterator[Problem]:
    """What is wrong with a computed node by itself."""
    kind, again = KINDS.get(node.kind), "compile it again with a current SDK"
    if kind is None:
        known = ", ".join(KINDS)
        remedy = f"the platform knows {known}; bring it to the SDK's version"
        yield Problem("ComputedKind", place, f"there is no kind of node '{node.kind}'", remedy)
        return
    types = {variable.name: variable.type for variable in node.interface.inputs}
    if tuple(types) != kind.takes:
        told = f"{node.kind} takes {', '.join(kind.takes)}, not {', '.join(types) or 'nothing'}"
        yield Problem("ComputedInterface", place, told, again)
        return
    try:
        if computed_node(node.kind, types).interface != node.interface:
            yield Problem("ComputedInterface", place, f"that is not what {node.kind} gives", again)
    except Unfit as unfit:
        yield Problem("ComputedInterface", place, f"{node.kind}: {unfit}", "pass another result")


def compute(node: ComputedNode, inputs: Mapping[str, Literal]) -> dict[str, Literal]:
    """The outputs of a valid node, its inputs inline. Raises Unfit, also where the output is too large."""
    made = KINDS[node.kind].compute(inputs)
    size = made.ByteSize()
    if size > MAX_OUTPUT_BYTES:
        raise Unfit(
            f"its result takes {size:,} bytes, at most {MAX_OUTPUT_BYTES:,} are allowed without a pod; do it in a task"
        )
    return {OUTPUT: made}
