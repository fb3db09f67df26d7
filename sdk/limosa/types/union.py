"""Unions and Optional: the value, tagged with the variant it belongs to."""

from typing import Any

from limosa.types.converter import TypeProblem, ValueProblem, literal_mismatch, mismatch, type_name
from limosa.types.registry import element_types, literal_type, meant, to_literal, to_python
from limosa.types.transfer import TransferContext
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, UnionValue
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType, UnionType
from limosa_model.types import choose_variant


class _Converter:
    def literal_type(self, python_type: Any) -> LiteralType:
        union = UnionType()
        for variant in _variants(python_type):
            tag = type_name(variant)
            if any(tag == other.tag for other in union.variants):
                raise TypeProblem(f"two variants of the union are called {tag}", "rename one of the classes")
            union.variants.add(tag=tag, type=literal_type(variant))
        return LiteralType(union_type=union)

    def to_literal(self, value: Any, python_type: Any, transfer: TransferContext) -> Literal:
        exact = [variant for variant in _variants(python_type) if _is_exactly(value, variant)]
        others = [variant for variant in _variants(python_type) if variant not in exact]
        told: Exception | None = None
        for variant in (*exact, *others):
            try:
                literal = to_literal(value, variant, transfer)
            except (ValueProblem, ValueError) as error:
                # It is of this variant, and a part of it does not fit: to say that it is of none would help nobody.
                if told is None and (variant in exact or (isinstance(error, ValueProblem) and error.path)):
                    told = error
                continue
            return Literal(union_value=UnionValue(tag=type_name(variant), value=literal))
        raise told or mismatch(_describe(python_type), value)

    def to_python(self, literal: Literal, python_type: Any, transfer: TransferContext) -> Any:
        by_tag = {type_name(variant): variant for variant in _variants(python_type)}
        inner, tag = literal, ""
        if literal.WhichOneof("value") == "union_value":
            inner, tag = literal.union_value.value, literal.union_value.tag
        else:
            chosen = choose_variant(literal, self.literal_type(python_type).union_type)
            tag = chosen.tag if chosen is not None else ""
        if tag not in by_tag:
            raise literal_mismatch(_describe(python_type), literal)
        return to_python(inner, by_tag[tag], transfer)


def _variants(python_type: Any) -> list[Any]:
    return [meant(variant) for variant in element_types(python_type)]


def _is_exactly(value: Any, variant: Any) -> bool:
    return type(value) is variant or (variant is None and value is None)


def _describe(python_type: Any) -> str:
    return " | ".join(type_name(variant) for variant in _variants(python_type))


CONVERTER = _Converter()
