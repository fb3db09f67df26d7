"""Resource quantities such as ``100m``, ``1.5`` or ``2Gi``."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

_QUANTITY = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i))?$")
_SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(10**3), "M": Decimal(10**6),
    "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18), "Ki": Decimal(2**10),
    "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


@lru_cache(maxsize=4096)
def parse_quantity(value: str | int | float) -> Decimal:
    """Return a quantity's amount in its base unit (cores, bytes, pieces).

    Raises:
        ValueError: The text is not a quantity.
    """
    match = _QUANTITY.match(str(value))
    if match is None:
        raise ValueError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )  # fmt: skip
    number, exponent, suffix = match.groups()
    amount = Decimal(number + (exponent or ""))
    return amount * _SUFFIXES[suffix] if suffix else amount


def canonical(amount: Decimal) -> str:
    """Return an amount as Kubernetes would print it, binary suffixes where they divide it."""
    if amount != amount.to_integral_value():
        return f"{int((amount * 1000).to_integral_value())}m"
    whole = int(amount)
    if whole >= 1024 and whole % 1024 == 0:
        for suffix in ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"):
            whole //= 1024
            if whole % 1024 or suffix == "Ei":
                return f"{whole}{suffix}"
    return str(whole)
