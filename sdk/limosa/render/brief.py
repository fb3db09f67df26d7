"""A value in one line, as short as a screen needs it."""

from collections.abc import Iterable

from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_model.values import summarize

_REFERENCES = ("blob", "structured_dataset", "offloaded")
_WHOLE = 1 << 30
_LEAST_HEAD = 8
"""Characters of a long address that are kept before its file name: the scheme and the beginning of the bucket."""


def declared(literals: LiteralMap, variables: Iterable[Variable]) -> list[tuple[str, Literal]]:
    """Values in the order in which their author declared them; those that nobody declared come last."""
    places = {variable.name: place for place, variable in enumerate(variables)}
    return sorted(literals.literals.items(), key=lambda one: (places.get(one[0], len(places)), one[0]))


def brief(literal: Literal, width: int) -> str:
    """One line of at most `width` characters; an address is cut in its middle, so that the file's name is kept."""
    if literal.WhichOneof("value") not in _REFERENCES:
        return summarize(literal, width)
    text = summarize(literal, _WHOLE)
    if len(text) <= width:
        return text
    address, space, rest = text.partition(" ")
    name = address[address.rstrip("/").rfind("/") :] + space + rest
    tail = name[-max(width - _LEAST_HEAD - 1, 0) :]
    return text[: max(width - 1 - len(tail), 0)] + "…" + tail
