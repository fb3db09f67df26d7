"""Iterator[T], Generator and Iterable: items one by one, as one object with a line of JSON for each.

Neither side holds more than an item: what a task yields is written while it runs, and read while the next one asks.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_origin

from limosa.types.converter import TypeProblem, ValueProblem, literal_mismatch, mismatch, type_name
from limosa.types.iteration import items_of
from limosa.types.json_data import JsonData
from limosa.types.registry import element_types, literal_type, to_literal, to_python
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_JSON, SIMPLE_TYPE_NONE, BlobType, LiteralType
from limosa_model.plain import PlainError, from_plain
from limosa_model.values import to_plain

FORMAT = "jsonl"


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        problem = _not_in_a_line(literal_type(_element(python_type)))
        if problem:
            raise TypeProblem(
                f"the items of {type_name(python_type)} are lines of JSON, {problem[0]}", problem[1]
            )
        return LiteralType(blob=BlobType(format=FORMAT, dimensionality=BlobType.DIMENSIONALITY_SINGLE))

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
            raise mismatch(type_name(python_type), value)
        element = _element(python_type)
        path = transfer.scratch("items.jsonl")
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for position, item in enumerate(items_of(value)):
                try:
                    data = to_plain(to_literal(item, element, transfer))
                except (ValueProblem, ValueError) as error:
                    raise ValueProblem.inside(f"[{position}]", error) from error
                file.write(json.dumps(data, ensure_ascii=False) + "\n")
        stored = transfer.upload_file(path, "items.jsonl")
        blob = Blob(uri=stored.uri, format=FORMAT, size=stored.size, name="items.jsonl")
        return Literal(blob=blob, digest=stored.digest)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        if literal.WhichOneof("value") != "blob" or literal.blob.multipart:
            raise literal_mismatch(type_name(python_type), literal)
        lines = _Lines(literal, _element(python_type), transfer)
        return lines if (get_origin(python_type) or python_type) is Iterable else iter(lines)


class _Lines:
    """The items of an object, read anew by each loop."""

    def __init__(self, literal: Literal, element: Any, transfer: TransferContext) -> None:
        self._literal = literal
        self._element = element
        self._transfer = transfer

    def __iter__(self) -> Iterator[Any]:
        type_ = literal_type(self._element)
        uri = self._literal.blob.uri
        with self._transfer.open_file(uri, self._literal.digest) as stream:
            for number, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                try:
                    item = to_python(from_plain(json.loads(line), type_), self._element, self._transfer)
                except (PlainError, ValueProblem, ValueError) as error:
                    message = f"{uri}, line {number}: {error}"
                    raise ValueProblem(
                        message, f"write one {type_name(self._element)} as JSON a line"
                    ) from error
                yield item


def _element(python_type: Any) -> Any:
    arguments = element_types(python_type)
    return JsonData if not arguments or arguments[0] in (Any, dict, list) else arguments[0]


def _not_in_a_line(type_: LiteralType) -> tuple[str, str] | None:
    """Why the JSON of a value would not say what the value is, and what to use; None where it does."""
    kind = type_.WhichOneof("kind")
    if kind in ("blob", "structured_dataset"):
        return "which hold no files or frames", "use list[T]"
    if kind in ("collection", "map_value"):
        return _not_in_a_line(getattr(type_, kind))
    if kind == "record":
        return next((found for field in type_.record.fields if (found := _not_in_a_line(field.type))), None)
    if kind == "union_type":
        some = [one.type for one in type_.union_type.variants if one.type.simple != SIMPLE_TYPE_NONE]
        if len(some) > 1 or some[0].simple == SIMPLE_TYPE_JSON:
            return "which do not say which of several types an item has", "use items of one type, or dict"
        return _not_in_a_line(some[0])
    return None


CONVERTER = _Converter()
