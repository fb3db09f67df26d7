"""pandas.DataFrame: a table as one Parquet object, index included."""

from typing import Any

from limosa.types.converter import ValueProblem, literal_mismatch, mismatch
from limosa.types.parquet import dataset_type, read_table, write_table
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        return dataset_type()

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        import pandas as pd
        import pyarrow as pa

        if not isinstance(value, pd.DataFrame):
            raise mismatch("pandas.DataFrame", value)
        unnamed = [name for name in value.columns if not isinstance(name, str)]
        if unnamed:
            remedy = "rename the columns: frame.columns = frame.columns.map(str)"
            raise ValueProblem(f"column name {unnamed[0]!r} is no str; Parquet needs names", remedy)
        try:
            table = pa.Table.from_pandas(value)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ValueProblem(
                f"the frame does not fit Parquet: {error}", "give each column one type"
            ) from error
        return write_table(table, transfer)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.WhichOneof("value") != "structured_dataset":
            raise literal_mismatch("pandas.DataFrame", literal)
        return read_table(literal, transfer).to_pandas()


CONVERTER = _Converter()
