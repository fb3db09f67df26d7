"""Directory: all objects below a prefix, travelling by reference; their bytes move when they are read."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limosa.types.transfer import TransferContext
    from limosa_idl.core.v1alpha1.literal_pb2 import Literal
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType


class Directory:
    """A directory that tasks hand to each other.

    Made from a local path to give it away; received, it downloads when its `path` is first asked for.
    """

    def __init__(self, path: "str | os.PathLike[str]") -> None:
        """Takes the path of a local directory. Raises LimosaError where it is an address."""
        self._path: Path | None = Path(path)
        if ":/" in str(path):
            from limosa.types.converter import refuse_address

            refuse_address("Directory", str(path))
        self._literal: Literal | None = None
        self._transfer: TransferContext | None = None

    @classmethod
    def from_literal(cls, literal: "Literal", transfer: "TransferContext") -> "Directory":
        """A directory that lies elsewhere."""
        made = cls.__new__(cls)
        made._path, made._literal, made._transfer = None, literal, transfer
        return made

    @property
    def uri(self) -> str:
        """Where the directory lies: a prefix's URI, or the local path."""
        return self._literal.blob.uri if self._literal is not None else str(self._path)

    @property
    def path(self) -> str:
        """Path of a local copy; downloads it the first time."""
        if self._path is None:
            assert self._transfer is not None
            assert self._literal is not None
            from limosa_store.uris import name_of

            name = self._literal.blob.name or name_of(self.uri)
            self._path = self._transfer.download_directory(self.uri, name, self._literal.digest)
        return str(self._path)

    def __fspath__(self) -> str:
        return self.path

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from limosa.types.pydantic_model import reference_schema

        return reference_schema(cls)

    def __repr__(self) -> str:
        return f"Directory({self.uri!r})"


class _Converter:
    def literal_type(self, python_type: Any) -> "LiteralType":
        from limosa_idl.core.v1alpha1.types_pb2 import BlobType, LiteralType

        return LiteralType(blob=BlobType(dimensionality=BlobType.DIMENSIONALITY_MULTIPART))

    def to_literal(self, value: Any, python_type: Any, transfer: "TransferContext") -> "Literal":
        from limosa.types.converter import ValueProblem, mismatch, written_first
        from limosa.types.transfer import reaches
        from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal

        if not isinstance(value, (str, os.PathLike)):
            raise mismatch("Directory", value)
        directory = value if isinstance(value, Directory) else Directory(value)
        if directory._literal is not None and reaches(directory.uri, directory._transfer, transfer):
            return directory._literal
        path = Path(directory.path)
        if not path.is_dir():
            if path.is_file():
                raise ValueProblem(f"the directory {path} is a file", "use File")
            raise ValueProblem(f"the directory {path} does not exist", written_first("directory", path))
        name = path.resolve().name
        stored = transfer.upload_directory(path, name)
        return Literal(
            blob=Blob(uri=stored.uri, multipart=True, size=stored.size, name=name), digest=stored.digest
        )

    def to_python(self, literal: "Literal", python_type: Any, transfer: "TransferContext") -> Directory:
        from limosa.types.converter import literal_mismatch

        if literal.WhichOneof("value") != "blob" or not literal.blob.multipart:
            raise literal_mismatch("Directory", literal)
        return Directory.from_literal(literal, transfer)


CONVERTER = _Converter()
