"""numpy.ndarray: one array as a .npy object; read as a mapped file, of which only what is used is in memory."""

from typing import Any, get_args

from limosa.types.converter import TypeProblem, ValueProblem, literal_mismatch, mismatch
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal
from limosa_idl.core.v1alpha1.types_pb2 import BlobType, LiteralType

FORMAT = "npy"


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        scalar = _scalar(python_type)
        if scalar is not None and scalar.__name__ == "object_":
            raise TypeProblem(
                "an array of Python objects is not supported", "use list[T], or Pickle[numpy.ndarray]"
            )
        return LiteralType(blob=BlobType(format=FORMAT, dimensionality=BlobType.DIMENSIONALITY_SINGLE))

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        import numpy as np

        if type(value) not in (np.ndarray, np.memmap):
            remedy = "write numpy.asarray(…)" if hasattr(value, "__len__") else ""
            raise ValueProblem(mismatch("numpy.ndarray", value).message, remedy)
        _check(value.dtype, python_type)
        if value.dtype.hasobject:
            raise ValueProblem(
                "the array holds Python objects", "convert it: array.astype(float), astype(str), …"
            )
        path = transfer.scratch("array.npy")
        with path.open("wb") as file:
            np.save(file, value, allow_pickle=False)
        stored = transfer.upload_file(path, "array.npy")
        blob = Blob(uri=stored.uri, format=FORMAT, size=stored.size, name="array.npy")
        return Literal(blob=blob, digest=stored.digest)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        import numpy as np

        if literal.WhichOneof("value") != "blob" or literal.blob.multipart:
            raise literal_mismatch("numpy.ndarray", literal)
        path = transfer.download_file(literal.blob.uri, literal.blob.name or "array.npy", literal.digest)
        try:
            # Copy on write: the author may change the array, and the file stays as it is.
            array = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
        except ValueError as error:
            raise ValueProblem(
                f"{literal.blob.uri} is no .npy file: {error}", "write it with numpy.save"
            ) from error
        _check(array.dtype, python_type)
        return array


def _scalar(python_type: Any) -> Any:
    """The class of the elements that NDArray[numpy.float64] names; None where it names none."""
    arguments = get_args(python_type)
    dtype = get_args(arguments[1]) if len(arguments) == 2 else ()
    return dtype[0] if dtype and isinstance(dtype[0], type) else None


def _check(dtype: Any, python_type: Any) -> None:
    scalar = _scalar(python_type)
    if scalar is not None and not issubclass(dtype.type, scalar):
        name = scalar.__name__
        raise ValueProblem(
            f"expected an array of {name}, got one of {dtype}", f"write array.astype(numpy.{name})"
        )


CONVERTER = _Converter()
