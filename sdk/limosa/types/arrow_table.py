"""pyarrow.Table: a table as one Parquet object."""

from typing import Any

from limosa.types.converter import literal_mismatch, mismatch
from limosa.types.parquet import dataset_type, read_table, write_table
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return dataset_type()

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        import pyarrow as pa

        if not isinstance(value, pa.Table):
            raise mismatch("pyarrow.Table", value)
        return write_table(value, transfer)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.WhichOneof("value") != "structured_dataset":
            raise literal_mismatch("pyarrow.Table", literal)
        return read_table(literal, transfer)


CONVERTER = _Converter()
