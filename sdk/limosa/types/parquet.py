"""Tables in the object store: Parquet, written and read through Arrow."""

from typing import Any

from limosa.types.converter import ValueProblem
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, StructuredDataset
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType, StructuredDatasetType

FORMAT = "parquet"
_NEEDS = "pip install 'limosa[frames]' where the task runs"


def dataset_type() -> LiteralType:
    """A dataset whose columns are not known before the run."""
    return LiteralType(structured_dataset=StructuredDatasetType(format=FORMAT))


def write_table(table: Any, transfer: TransferContext) -> Literal:
    """Stores an Arrow table; the literal has its columns and rows."""
    parquet = _parquet()
    path = transfer.scratch("table.parquet")
    parquet.write_table(table, path)
    stored = transfer.upload_file(path, "table.parquet")
    columns = [StructuredDataset.Column(name=field.name, type=str(field.type)) for field in table.schema]
    dataset = StructuredDataset(
        uri=stored.uri, format=FORMAT, columns=columns, rows=table.num_rows, size=stored.size
    )
    return Literal(structured_dataset=dataset, digest=stored.digest)


def read_table(literal: Literal, transfer: TransferContext) -> Any:
    """The Arrow table of a stored dataset; its file is mapped, not read as a whole."""
    parquet = _parquet()
    dataset = literal.structured_dataset
    if dataset.format not in ("", FORMAT):
        raise ValueProblem(f"{dataset.uri} is {dataset.format}, not {FORMAT}", "write it as Parquet")
    path = transfer.download_file(dataset.uri, "table.parquet", literal.digest)
    try:
        return parquet.read_table(path, memory_map=True)
    except (OSError, ValueError) as error:
        raise ValueProblem(f"{dataset.uri} is no readable Parquet file: {error}") from error


def _parquet() -> Any:
    try:
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise ValueProblem("tables need pyarrow, which is not installed", _NEEDS) from error
    return parquet
