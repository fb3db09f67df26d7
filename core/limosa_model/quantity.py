"""Kubernetes resource quantities ("500m", "1.5Gi", "2e3")."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction

_SUFFIXES = {
    "n": (1, 10**9),
    "u": (1, 10**6),
    "m": (1, 1000),
    "": (1, 1),
    "k": (10**3, 1),
    "M": (10**6, 1),
    "G": (10**9, 1),
    "T": (10**12, 1),
    "P": (10**15, 1),
    "E": (10**18, 1),
    "Ki": (2**10, 1),
    "Mi": (2**20, 1),
    "Gi": (2**30, 1),
    "Ti": (2**40, 1),
    "Pi": (2**50, 1),
    "Ei": (2**60, 1),
}
_PATTERN = re.compile(
    r"(?P<number>\d+(?:\.\d*)?|\.\d+)(?:(?P<exponent>[eE][+-]?\d{1,3})|(?P<suffix>[a-zA-Z]*))"
)


class QuantityError(ValueError):
    """The text is no resource quantity; the message says what one looks like."""


def parse_quantity(text: str) -> "Fraction":
    """The exact value of a quantity: cores for CPU, bytes for memory. Raises QuantityError."""
    # Most specs have no quantity at all: they do not pay for fractions.
    from fractions import Fraction

    match = _PATTERN.fullmatch(text.strip())
    if match is None or (match["suffix"] or "") not in _SUFFIXES:
        raise QuantityError(
            f"'{text}' is not a quantity: write a number with an optional unit, such as '500m', '2' or '1Gi'"
        )
    value = Fraction(match["number"])
    if match["exponent"]:
        return value * Fraction(10) ** int(match["exponent"][1:])
    return value * Fraction(*_SUFFIXES[match["suffix"] or ""])
