"""Inputs as a person writes them (text, JSON, files) into literals, by type."""

import json
from pathlib import Path
from typing import Any

from limosa.errors import LimosaError
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1 import types_pb2
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, UnionValue
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType
from limosa_model import values
from limosa_model.plain import PlainError, from_plain
from limosa_model.types import describe

_JSON_KINDS = {"collection", "map_value", "record"}
_JSON_SIMPLE = (types_pb2.SIMPLE_TYPE_STRUCT, types_pb2.SIMPLE_TYPE_JSON)
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class InputValues:
    """Converts inputs; local files they name are uploaded by the transfer it was given."""

    def __init__(self, transfer: TransferContext) -> None:
        """Takes what uploads files."""
        self._transfer = transfer

    def from_text(self, text: str, type_: LiteralType, place: str) -> Literal:
        """A value from one argument of the command line.

        Lists, dicts and records are JSON, or "@path" of a file with it. Raises LimosaError naming the place.
        """
        try:
            return self._from_text(text, type_, place)
        except PlainError as error:
            raise bad_input(place, error) from error
        except RecursionError as error:
            raise _too_deep(place) from error

    def from_data(self, data: Any, type_: LiteralType, place: str) -> Literal:
        """A value from parsed JSON, YAML or TOML. Raises LimosaError naming the place."""
        try:
            return self._from_data(data, type_, "")
        except PlainError as error:
            raise bad_input(place, error) from error
        except RecursionError as error:
            raise _too_deep(place) from error

    def _from_text(self, text: str, type_: LiteralType, place: str) -> Literal:
        kind = type_.WhichOneof("kind")
        if kind == "union_type":
            return self._union_from_text(text, type_, place)
        if kind in ("blob", "structured_dataset"):
            return self._reference(text, type_, "")
        if kind == "simple" and type_.simple not in _JSON_SIMPLE:
            if type_.simple == types_pb2.SIMPLE_TYPE_BYTES and text.startswith("@"):
                return values.bytes_(_bytes_of(Path(text[1:])))
            return from_plain(_scalar(text, type_), type_)
        if kind in _JSON_KINDS or kind == "simple":
            return self._from_data(_json_or_file(text, type_), type_, "")
        return from_plain(text, type_)

    def _union_from_text(self, text: str, type_: LiteralType, place: str) -> Literal:
        def as_written(variant: types_pb2.UnionType.Variant) -> int:
            # Every text is a str, and many are base64, so that other variants are tried first.
            return variant.type.simple in (types_pb2.SIMPLE_TYPE_STRING, types_pb2.SIMPLE_TYPE_BYTES)

        for variant in sorted(type_.union_type.variants, key=as_written):
            # Beside other types "1" and "yes" are theirs.
            if variant.type.simple == types_pb2.SIMPLE_TYPE_BOOLEAN and text.lower() not in ("true", "false"):
                continue
            try:
                value = self._from_text(text, variant.type, place)
            except PlainError:
                continue
            return Literal(union_value=UnionValue(tag=variant.tag, value=value))
        raise PlainError("", f"expected {describe(type_)}, got {text!r}")

    def _from_data(self, data: Any, type_: LiteralType, place: str) -> Literal:
        """As `from_plain`, but a path stands for the file or directory it names."""
        if not _refers(type_):
            return from_plain(data, type_, place)
        kind = type_.WhichOneof("kind")
        if kind in ("blob", "structured_dataset"):
            return self._reference(data, type_, place)
        if kind == "collection" and isinstance(data, list):
            items = [self._from_data(x, type_.collection, f"{place}[{i}]") for i, x in enumerate(data)]
            return values.collection(items)
        if kind == "map_value" and isinstance(data, dict):
            entries = {
                str(key): self._from_data(x, type_.map_value, f"{place}[{key!r}]") for key, x in data.items()
            }
            return values.literal_map(entries)
        if kind == "record" and isinstance(data, dict):
            return self._record(data, type_, place)
        if kind == "union_type":
            for variant in type_.union_type.variants:
                try:
                    value = self._from_data(data, variant.type, place)
                except PlainError:
                    continue
                return Literal(union_value=UnionValue(tag=variant.tag, value=value))
        return from_plain(data, type_, place)

    def _record(self, data: dict[str, Any], type_: LiteralType, place: str) -> Literal:
        uploaded = {
            field.name: self._from_data(data[field.name], field.type, f"{place}.{field.name}")
            for field in type_.record.fields
            if field.name in data and _refers(field.type)
        }
        plain = {name: value for name, value in data.items() if name not in uploaded}
        rest = LiteralType()
        rest.CopyFrom(type_)
        del rest.record.fields[:]
        rest.record.fields.extend(field for field in type_.record.fields if field.name not in uploaded)
        fields = dict(from_plain(plain, rest, place).record.fields)
        fields.update(uploaded)
        return values.record({field.name: fields[field.name] for field in type_.record.fields})

    def _reference(self, data: Any, type_: LiteralType, place: str) -> Literal:
        if not isinstance(data, str) or "://" in data:
            return from_plain(data, type_, place)
        path = Path(data).expanduser()
        if not path.exists():
            meant = "; an address begins with s3://" if data.startswith(("s3:", "s3/")) else ""
            message = f"expected the path or URI of a {describe(type_)}; there is no file {data}{meant}"
            raise PlainError(place, message)
        if not path.is_dir() and not path.is_file():
            raise PlainError(
                place,
                f"expected a {describe(type_)}; {data} is a device, pipe or socket: write a file of it first",
            )
        if type_.WhichOneof("kind") == "structured_dataset":
            return self._dataset(path, place)
        if type_.blob.dimensionality == types_pb2.BlobType.DIMENSIONALITY_MULTIPART:
            return self._directory(path, place)
        if path.is_dir():
            raise PlainError(place, f"expected a File; {data} is a directory")
        stored = self._transfer.upload_file(path, path.name)
        literal = Literal(digest=stored.digest)
        literal.blob.uri, literal.blob.size, literal.blob.name = stored.uri, stored.size, path.name
        literal.blob.format = type_.blob.format or path.suffix.lstrip(".")
        return literal

    def _directory(self, path: Path, place: str) -> Literal:
        if not path.is_dir():
            raise PlainError(place, f"expected a Directory; {path} is a file")
        name = path.resolve().name
        stored = self._transfer.upload_directory(path, name)
        literal = Literal(digest=stored.digest)
        literal.blob.uri, literal.blob.size, literal.blob.name = stored.uri, stored.size, name
        literal.blob.multipart = True
        return literal

    def _dataset(self, path: Path, place: str) -> Literal:
        from limosa.types.converter import ValueProblem
        from limosa.types.parquet import write_table

        suffix = path.suffix.lower()
        try:
            if suffix in (".csv", ".tsv"):
                from pyarrow import csv

                options = csv.ParseOptions(delimiter="\t" if suffix == ".tsv" else ",")
                return write_table(csv.read_csv(path, parse_options=options), self._transfer)
            if suffix not in (".parquet", ".pq"):
                raise PlainError(place, f"{path}: a frame is read from .parquet, .pq, .csv or .tsv")
            from pyarrow import parquet

            return write_table(parquet.read_table(path), self._transfer)
        except ModuleNotFoundError as error:
            raise PlainError(place, "a frame from a file needs pyarrow: pip install pyarrow") from error
        except (OSError, ValueError, ValueProblem) as error:
            raise PlainError(place, f"{path} is not a readable Parquet or CSV file: {error}") from error


def bad_input(place: str, error: PlainError) -> LimosaError:
    """The error a person sees for a value that does not fit."""
    return LimosaError(code="BadInput", message=str(error), place=place)


def _too_deep(place: str) -> LimosaError:
    return LimosaError("BadInput", "its lists or objects are nested too deeply", place, "make it flatter")


def read_inputs_file(name: str) -> dict[str, Any]:
    """The object in a JSON, YAML or TOML file of inputs; "-" is JSON on standard input. Raises LimosaError."""
    if name == "-":
        import sys

        return _object(_parse_json(sys.stdin.read(), "standard input"), "standard input")
    path = Path(name)
    text = _read(path)
    if path.suffix == ".toml":
        from limosa.config.toml import read_toml

        return read_toml(path)
    if path.suffix in (".yaml", ".yml"):
        return _object(_parse_yaml(text, name), name)
    return _object(_parse_json(text, name), name)


def _refers(type_: LiteralType) -> bool:
    """Whether values of the type may be, or hold, files."""
    kind = type_.WhichOneof("kind")
    if kind in ("blob", "structured_dataset"):
        return True
    if kind == "collection":
        return _refers(type_.collection)
    if kind == "map_value":
        return _refers(type_.map_value)
    if kind == "record":
        return any(_refers(field.type) for field in type_.record.fields)
    return kind == "union_type" and any(_refers(variant.type) for variant in type_.union_type.variants)


def _scalar(text: str, type_: LiteralType) -> Any:
    simple = type_.simple
    try:
        if simple == types_pb2.SIMPLE_TYPE_INTEGER:
            return int(text)
        if simple == types_pb2.SIMPLE_TYPE_FLOAT:
            return float(text)
    except ValueError as error:
        raise PlainError("", f"expected {describe(type_)}, got {text!r}") from error
    if simple == types_pb2.SIMPLE_TYPE_BOOLEAN:
        if text.lower() not in _BOOLEANS:
            raise PlainError("", f"expected bool (true or false), got {text!r}")
        return _BOOLEANS[text.lower()]
    if simple == types_pb2.SIMPLE_TYPE_NONE:
        if text.lower() not in ("none", "null"):
            raise PlainError("", f"expected None, got {text!r}")
        return None
    return text


def _json_or_file(text: str, type_: LiteralType) -> Any:
    if text.startswith("@"):
        name = text[1:]
        try:
            content = _read(Path(name))
        except LimosaError as error:
            raise PlainError("", f"{name}: {error.message}") from None
        return _parse_yaml(content, name) if name.endswith((".yaml", ".yml")) else _parse_json(content, name)
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except _GivenTwice as error:
        raise PlainError("", str(error)) from None
    except ValueError as error:
        example = "[1, 2]" if type_.WhichOneof("kind") == "collection" else '{"name": 1}'
        raise PlainError(
            "", f"expected {describe(type_)} as JSON, such as '{example}', or @file; got {text!r} ({error})"
        ) from error
    if type_.WhichOneof("kind") == "collection" and not isinstance(data, list):
        raise PlainError("", f"expected {describe(type_)}, all in one value, such as '[1, 2]'; got {text!r}")
    return data


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise LimosaError(code="BadInput", message=f"cannot read it: {why}", place=str(path)) from error


def _bytes_of(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise PlainError("", f"{path}: cannot read it: {error.strerror or error}") from error


class _GivenTwice(ValueError):
    """A name that stands twice in one object: which of the two values is meant is not known."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _GivenTwice(f"'{name}' is given twice in one object; leave one of the two out")
        found[name] = value
    return found


def _parse_json(text: str, place: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except _GivenTwice as error:
        raise LimosaError(code="BadInput", message=str(error), place=place) from error
    except ValueError as error:
        raise LimosaError(code="BadInput", message=f"it is not JSON: {error}", place=place) from error
    except RecursionError as error:
        raise _too_deep(place) from error


def _parse_yaml(text: str, place: str) -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        remedy = "pip install pyyaml, or write it as JSON"
        raise LimosaError(
            code="BadInput", message="reading YAML needs PyYAML", place=place, remedy=remedy
        ) from error

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            # Of values alone: what `<<` merges in may be overridden.
            _once([(key.value, None) for key, _ in node.value if key.tag == "tag:yaml.org,2002:str"])
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader)
    except _GivenTwice as error:
        raise LimosaError(code="BadInput", message=str(error), place=place) from error
    except yaml.YAMLError as error:
        raise LimosaError(code="BadInput", message=f"it is not YAML: {error}", place=place) from error
    except RecursionError as error:
        raise _too_deep(place) from error


def _object(data: Any, place: str) -> dict[str, Any]:
    if not isinstance(data, dict):
        message = f"inputs must be an object of names and values, not {type(data).__name__}"
        raise LimosaError(code="BadInput", message=message, place=place)
    return data
