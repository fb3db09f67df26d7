"""File: one object that travels by reference; its bytes move when they are read."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import IO

    from limosa.types.transfer import TransferContext
    from limosa_idl.core.v1alpha1.literal_pb2 import Literal
    from limosa_idl.core.v1alpha1.types_pb2 import LiteralType


class File:
    """A file that tasks hand to each other.

    Made from a local path to give it away (`return File("model.json")`); received, it downloads when its `path` is first
    asked for, or streams through `open`.
    """

    def __init__(self, path: "str | os.PathLike[str]") -> None:
        """Takes the path of a local file. Raises LimosaError where it is an address."""
        self._path: Path | None = Path(path)
        if ":/" in str(path):
            from limosa.types.converter import refuse_address

            refuse_address("File", str(path))
        self._literal: Literal | None = None
        self._transfer: TransferContext | None = None

    @classmethod
    def from_literal(cls, literal: "Literal", transfer: "TransferContext") -> "File":
        """A file that lies elsewhere."""
        made = cls.__new__(cls)
        made._path, made._literal, made._transfer = None, literal, transfer
        return made

    @property
    def uri(self) -> str:
        """Where the file lies: an object's URI, or the local path."""
        return self._literal.blob.uri if self._literal is not None else str(self._path)

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        if self._literal is not None:
            from limosa_store.uris import name_of

            return self._literal.blob.name or name_of(self._literal.blob.uri)
        assert self._path is not None
        return self._path.name

    @property
    def path(self) -> str:
        """Path of a local copy; downloads it the first time."""
        if self._path is None:
            assert self._transfer is not None
            self._path = self._transfer.download_file(self.uri, self.name, self._digest)
        return str(self._path)

    def open(self, mode: str = "r", encoding: str | None = None) -> "IO[Any]":
        """Reads the file from its start, without a local copy where there is none yet; "r" or "rb"."""
        if mode not in ("r", "rb", "rt"):
            raise ValueError(
                f"a File is opened for reading, not with mode {mode!r}; to write, make a new local file"
            )
        if self._path is not None:
            return open(self._path, mode, encoding=encoding)
        assert self._transfer is not None
        stream = self._transfer.open_file(self.uri, self._digest)
        if mode == "rb":
            return stream
        import io

        return io.TextIOWrapper(stream, encoding=encoding or "utf-8")

    @property
    def _digest(self) -> str:
        return self._literal.digest if self._literal is not None else ""

    def __fspath__(self) -> str:
        return self.path

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from limosa.types.pydantic_model import reference_schema

        return reference_schema(cls)

    def __repr__(self) -> str:
        return f"File({self.uri!r})"


class _Converter:
    def literal_type(self, python_type: Any) -> "LiteralType":
        from limosa_idl.core.v1alpha1.types_pb2 import BlobType, LiteralType

        return LiteralType(blob=BlobType(dimensionality=BlobType.DIMENSIONALITY_SINGLE))

    def to_literal(self, value: Any, python_type: Any, transfer: "TransferContext") -> "Literal":
        from limosa.types.converter import ValueProblem, mismatch, written_first
        from limosa.types.transfer import reaches
        from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal

        if not isinstance(value, (str, os.PathLike)):
            raise mismatch("File", value)
        file = value if isinstance(value, File) else File(value)
        if file._literal is not None and reaches(file.uri, file._transfer, transfer):
            return file._literal
        path = Path(file.path)
        if not path.is_file():
            if path.is_dir():
                raise ValueProblem(f"the file {path} is a directory", "use Directory")
            raise ValueProblem(f"the file {path} does not exist", written_first("file", path))
        stored = transfer.upload_file(path, path.name)
        blob = Blob(uri=stored.uri, format=path.suffix.lstrip("."), size=stored.size, name=path.name)
        return Literal(blob=blob, digest=stored.digest)

    def to_python(self, literal: "Literal", python_type: Any, transfer: "TransferContext") -> File:
        from limosa.types.converter import literal_mismatch

        if literal.WhichOneof("value") != "blob" or literal.blob.multipart:
            raise literal_mismatch("File", literal)
        return File.from_literal(literal, transfer)


CONVERTER = _Converter()
