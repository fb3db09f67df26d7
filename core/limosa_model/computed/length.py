"""length: how many elements a list has, or entries a dict."""

from collections.abc import Mapping

from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_INTEGER, LiteralType
from limosa_model import values
from limosa_model.computed.kind import ComputedKind, Unfit
from limosa_model.types import describe


def _gives(types: Mapping[str, LiteralType]) -> LiteralType:
    measured = types["values"]
    if measured.WhichOneof("kind") not in ("collection", "map_value"):
        raise Unfit(f"it measures lists and dicts, not a value of type {describe(measured)}")
    return LiteralType(simple=SIMPLE_TYPE_INTEGER)


def _compute(inputs: Mapping[str, Literal]) -> Literal:
    measured = inputs["values"]
    if measured.WhichOneof("value") == "collection":
        return values.integer(len(measured.collection.literals))
    if measured.WhichOneof("value") == "offloaded":
        return values.integer(measured.offloaded.length)
    return values.integer(len(measured.map_value.literals))


LENGTH = ComputedKind(takes=("values",), gives=_gives, compute=_compute, by_length=True)
