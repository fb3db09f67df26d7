"""numpy's scalars (numpy.float32, numpy.int64, …): as the numbers they are, exactly."""

from typing import Any

from limosa.types.converter import TypeProblem, ValueProblem, literal_mismatch, mismatch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1 import types_pb2
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_model import values

_KINDS = {
    "b": ("boolean", types_pb2.SIMPLE_TYPE_BOOLEAN, lambda value: values.boolean(bool(value))),
    "i": ("integer", types_pb2.SIMPLE_TYPE_INTEGER, lambda value: values.integer(int(value))),
    "u": ("integer", types_pb2.SIMPLE_TYPE_INTEGER, lambda value: values.integer(int(value))),
    "f": ("float_value", types_pb2.SIMPLE_TYPE_FLOAT, lambda value: values.float_(float(value))),
    # numpy's own str() leaves NULs at the end out.
    "U": ("string_value", types_pb2.SIMPLE_TYPE_STRING, lambda value: values.string(str.__str__(value))),
    "S": ("bytes_value", types_pb2.SIMPLE_TYPE_BYTES, lambda value: values.bytes_(bytes(value))),
}
_INSTEAD = {
    "M": "use datetime, by value.item()",
    "m": "use timedelta, by value.item()",
    "c": "use a dataclass with two floats",
}
_DOUBLE_BYTES = 8


class _Converter:
    def literal_type(self, python_type: Any) -> types_pb2.LiteralType:
        return types_pb2.LiteralType(simple=_kind(python_type)[1])

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if not isinstance(value, python_type):
            problem = mismatch(_name(python_type), value)
            raise ValueProblem(problem.message, f"write {_name(python_type)}(…)")
        literal: Literal = _kind(python_type)[2](value)
        return literal

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        field = _kind(python_type)[0]
        if literal.primitive.WhichOneof("value") != field:
            raise literal_mismatch(_name(python_type), literal)
        try:
            made = python_type(getattr(literal.primitive, field))
        except OverflowError:
            made = None
        if field == "integer" and made != literal.primitive.integer:
            raise ValueProblem(
                f"{literal.primitive.integer} does not fit {_name(python_type)}", "use a wider type"
            )
        return made


def _kind(python_type: Any) -> Any:
    import numpy as np

    try:
        dtype = np.dtype(python_type)
    except TypeError:
        dtype = None
    if dtype is None or dtype.type is not python_type:
        raise TypeProblem(f"{_name(python_type)} is several types", "name the one, such as numpy.float64")
    if dtype.kind not in _KINDS or (dtype.kind == "f" and dtype.itemsize > _DOUBLE_BYTES):
        instead = _INSTEAD.get(dtype.kind, "use numpy.ndarray, or float")
        raise TypeProblem(f"the type {_name(python_type)} is not supported", instead)
    return _KINDS[dtype.kind]


def _name(python_type: Any) -> str:
    return f"numpy.{python_type.__name__}"


CONVERTER = _Converter()
