"""Python types and literals: one converter in one file for each type.

Belongs here: what a Python type is called on the wire, how its values become
literals and come back. Does not belong here: moving bytes (a `TransferContext`
does), or rules over literals that admin and engine need too (`limosa_model`).

A converter's module loads when its type is first met, so that a script pays for
the types it uses. Other packages add theirs through the entry point group
`limosa.types`; see `limosa.types.converter`.
"""

from limosa.types.converter import Converter, TypeProblem, ValueProblem
from limosa.types.registry import find, literal_type, register, to_literal, to_python
from limosa.types.transfer import Stored, TransferContext

__all__ = [
    "Converter",
    "Stored",
    "TransferContext",
    "TypeProblem",
    "ValueProblem",
    "find",
    "literal_type",
    "register",
    "to_literal",
    "to_python",
]
