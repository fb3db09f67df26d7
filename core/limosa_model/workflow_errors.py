"""What a workflow's on-failure node is told: the failure, as a record of texts."""

from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, Failure
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_STRING, LiteralType, RecordType
from limosa_model import values

FIELDS = ("node", "code", "kind", "message")
"""Path of the node (items as "n0[3]"), the failure's code, "USER" or "SYSTEM", and what happened, for people."""


def error_type() -> LiteralType:
    """The type of the record."""
    text = LiteralType(simple=SIMPLE_TYPE_STRING)
    fields = [RecordType.Field(name=name, type=text) for name in FIELDS]
    return LiteralType(record=RecordType(name="limosa.WorkflowError", fields=fields))


def error_literal(failure: Failure) -> Literal:
    """A failure as such a record."""
    origin = failure.origin
    node = f"{origin.node_path}[{origin.index}]" if origin.HasField("index") else origin.node_path
    kind = "SYSTEM" if failure.kind == FAILURE_KIND_SYSTEM else "USER"
    told = (node, failure.code, kind, failure.message)
    return values.record({name: values.string(text) for name, text in zip(FIELDS, told, strict=True)})
