"""Kubernetes resource quantities ("500m", "1.5Gi", "2e3")."""

import re
from fractions import Fraction

_SUFFIXES = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
_PATTERN = re.compile(
    r"(?P<number>\d+(?:\.\d*)?|\.\d+)(?:(?P<exponent>[eE][+-]?\d{1,3})|(?P<suffix>[a-zA-Z]*))"
)


class QuantityError(ValueError):
    """The text is no resource quantity; the message says what one looks like."""


def parse_quantity(text: str) -> Fraction:
    """The exact value of a quantity: cores for CPU, bytes for memory. Raises QuantityError."""
    match = _PATTERN.fullmatch(text.strip())
    if match is None or (match["suffix"] or "") not in _SUFFIXES:
        raise QuantityError(
            f"'{text}' is not a quantity: write a number with an optional unit, such as '500m', '2' or '1Gi'"
        )
    value = Fraction(match["number"])
    if match["exponent"]:
        return value * Fraction(10) ** int(match["exponent"][1:])
    return value * _SUFFIXES[match["suffix"] or ""]
