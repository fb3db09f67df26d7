"""What a kind of computed node is."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import LiteralType


class Unfit(ValueError):
    """Inputs whose types, or values, make no sense for the kind; the message says why, for people."""


class ComputedKind(NamedTuple):
    """One kind. Both functions are pure, and raise Unfit."""

    takes: tuple[str, ...]
    """Names of its inputs, in the order in which a call may give them; all are required."""
    gives: Callable[[Mapping[str, LiteralType]], LiteralType]
    """The type of its output, from those of its inputs."""
    compute: Callable[[Mapping[str, Literal]], Literal]
    """Its output. The inputs stand inline, and are of types that `gives` has accepted."""
    by_length: bool = False
    """Whether the length of a list is enough: one that lies in the store stays there where its length is told beside it."""
