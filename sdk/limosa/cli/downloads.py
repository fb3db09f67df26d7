"""Outputs as files of a directory."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from limosa.cli.following import fetched
from limosa.cli.run_sources import Fetcher
from limosa.errors import LimosaError
from limosa.render.outputs import json_text
from limosa.types.checked import measure
from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_model.values import in_order, to_plain
from limosa_store.uris import name_of

VALUES_FILE = "outputs.json"


class Downloads:
    """Fetches what literals refer to; nothing that is there is overwritten with other content unasked."""

    def __init__(self, transfer: Fetcher, directory: Path) -> None:
        """Takes what fetches, and where files go."""
        self._transfer = transfer
        self._directory = directory
        self._written: list[Path] = []

    def fetch(self, outputs: LiteralMap, variables: Sequence[Variable]) -> list[Path]:
        """Writes files, and `VALUES_FILE` with all outputs as `render_data` writes JSON; gives each path written.

        Raises:
            LimosaError: Stored bytes are not those the run wrote, a file is there with other content, or the directory
                cannot be written.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            plain = {}
            for variable in variables:
                if variable.name in outputs.literals:
                    literal = fetched(outputs.literals[variable.name], self._transfer)
                    plain[variable.name] = self._value(literal, variable.name)
            values = self._directory / VALUES_FILE
            text = json_text(plain)
            if values.exists() and values.read_bytes() != text.encode():
                raise _occupied(values)
            values.write_text(text, encoding="utf-8")
        except OSError as error:
            message = f"cannot write there: {error.strerror or error}"
            remedy = "name another directory: limosa download RUN DIRECTORY"
            raise LimosaError(
                code="LocalFile", message=message, place=str(self._directory), remedy=remedy
            ) from error
        return [*self._written, values]

    def _value(self, literal: Literal, place: str) -> Any:
        """Plain data, with local paths in place of references."""
        kind = literal.WhichOneof("value")
        if kind == "blob":
            return self._blob(literal, place)
        if kind == "structured_dataset":
            return self._file(literal.structured_dataset.uri, f"{place}.parquet", literal.digest)
        if kind == "union_value":
            return self._value(literal.union_value.value, place)
        if kind == "collection":
            return [self._value(item, f"{place}/{i}") for i, item in enumerate(literal.collection.literals)]
        if kind == "map_value":
            items = in_order(literal.map_value.literals, literal.map_value.order)
            return {key: self._value(item, f"{place}/{_safe(key)}") for key, item in items}
        if kind == "record":
            fields = in_order(literal.record.fields, literal.record.order)
            return {key: self._value(item, f"{place}/{_safe(key)}") for key, item in fields}
        return to_plain(literal)

    def _blob(self, literal: Literal, place: str) -> str:
        blob = literal.blob
        if blob.multipart:
            target = self._directory / place
            self._transfer.fetch_directory(blob.uri, target, literal.digest)
            self._written.append(target)
            return str(target)
        name = _safe(blob.name or name_of(blob.uri))
        return self._file(blob.uri, f"{place}/{name}", literal.digest)

    def _file(self, uri: str, name: str, digest: str) -> str:
        target = self._directory / name
        if target.exists() and digest.startswith("sha256:"):
            if not target.is_file() or measure(target)[1] != digest:
                raise _occupied(target)
            self._written.append(target)
            return str(target)
        self._transfer.fetch(uri, target, digest)
        self._written.append(target)
        return str(target)


def _occupied(path: Path) -> LimosaError:
    message = "a file is there with other content, which a download does not overwrite"
    remedy = "name another directory (limosa download RUN [NODE] DIRECTORY), or remove it first"
    return LimosaError(code="LocalFile", message=message, place=str(path), remedy=remedy)


def _safe(name: str) -> str:
    cleaned = re.sub(r"[\x00-\x1f/\\]", "_", name)
    return "_" if cleaned in ("", ".", "..") else cleaned
