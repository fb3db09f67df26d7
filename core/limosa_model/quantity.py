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

_MOST_CORES = 10**6
_MOST_BYTES = 2**63 - 1


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


def parse_amount(measure: str, text: str) -> "Fraction":
    """The value of a quantity that must fit what it measures, which the syntax alone does not show.

    Args:
        measure: "cpu", counted in cores; anything else is counted in bytes.
        text: The quantity.

    Raises:
        QuantityError: It is no quantity, has the unit of another measure, or is more than a node could ever have.
    """
    value = parse_quantity(text)
    suffix = text.strip().lstrip("0123456789.")
    if measure == "cpu":
        if suffix.isalpha() and suffix != "m":
            raise QuantityError(
                f"'{text}' is not an amount of cores: write cores, such as '2', '0.5' or '500m'"
            )
        if value > _MOST_CORES:
            raise QuantityError(f"'{text}' is more than the {_MOST_CORES} cores that one pod can ask for")
        return value
    if suffix in ("m", "u", "n") or 0 < value < 1:
        remedy = f"; '{text.strip()[:-1]}Mi' is mebibytes" if suffix == "m" else ""
        raise QuantityError(f"'{text}' is a fraction of a byte: write a unit such as Mi or Gi{remedy}")
    if value > _MOST_BYTES:
        raise QuantityError(f"'{text}' is more bytes than Kubernetes can count: at most {_MOST_BYTES}")
    return value
