"""Pickle[T]: values without a type of their own on the wire, by Python's pickle, where an author asks for it by name."""

import pickle
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from limosa.types.converter import ValueProblem, literal_mismatch, mismatch, type_name
from limosa.types.registry import element_types
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal
from limosa_idl.core.v1alpha1.types_pb2 import BlobType, LiteralType

T = TypeVar("T")
FORMAT = "pickle"

if TYPE_CHECKING:
    Pickle = Annotated[T, "pickled"]
else:

    class Pickle(Generic[T]):
        """A value of type T that travels pickled: `def fit() -> Pickle[Model]` returns a Model.

        Who reads it needs the same classes, by the same names and in versions that understand each other; and reading a
        pickle runs what its writer put into it.
        """


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return LiteralType(blob=BlobType(format=FORMAT, dimensionality=BlobType.DIMENSIONALITY_SINGLE))

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        _check(value, python_type)
        path = transfer.scratch("value.pickle")
        try:
            with path.open("wb") as file:
                pickle.dump(value, file, protocol=5)
        except (pickle.PicklingError, AttributeError, TypeError, RecursionError) as error:
            message = f"the {type_name(type(value))} cannot be pickled: {error}"
            raise ValueProblem(message, "define its class and functions at the top of a module") from error
        stored = transfer.upload_file(path, "value.pickle")
        blob = Blob(uri=stored.uri, format=FORMAT, size=stored.size, name="value.pickle")
        return Literal(blob=blob, digest=stored.digest)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.WhichOneof("value") != "blob" or literal.blob.format != FORMAT:
            raise literal_mismatch(f"Pickle[{type_name(_declared(python_type))}]", literal)
        try:
            with transfer.open_file(literal.blob.uri, literal.digest) as file:
                value = pickle.load(file)
        except (pickle.UnpicklingError, ImportError, AttributeError, EOFError) as error:
            remedy = "have the same packages where it is read as where it was written"
            raise ValueProblem(f"the pickle cannot be read: {error}", remedy) from error
        _check(value, python_type)
        return value


def _declared(python_type: Any) -> Any:
    return next(iter(element_types(python_type)), object)


def _check(value: Any, python_type: Any) -> None:
    declared = _declared(python_type)
    if isinstance(declared, type) and not hasattr(declared, "__origin__") and not isinstance(value, declared):
        raise mismatch(type_name(declared), value)


CONVERTER = _Converter()
