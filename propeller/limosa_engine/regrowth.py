"""What a decoded state still waits for: graphs of dynamic nodes and calls, in whose terms the rest of it is written."""

import dataclasses
from collections import deque
from typing import Any

from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure

DIGEST_BYTES = 16
"""Bytes of a graph's sha256 that a state keeps: enough to tell that another one is read."""


def short_digest(digest: str) -> bytes:
    """What a state keeps of a digest "sha256:<hex>"."""
    return bytes.fromhex(digest.rpartition(":")[2])[:DIGEST_BYTES].ljust(DIGEST_BYTES, b"\0")


@dataclasses.dataclass(frozen=True)
class Section:
    """The encoded records of the nodes that one graph brought."""

    owner: int
    """Number of the dynamic or eager node."""
    digest: bytes
    """`short_digest` of the serialised graph."""
    nodes: int
    data: bytes
    call: str = ""
    """Id of the call, of an eager node."""

    @property
    def key(self) -> tuple[int, str]:
        """What tells it from others."""
        return self.owner, self.call


@dataclasses.dataclass
class Regrowth:
    """The part of a state that cannot be understood before its graphs are read."""

    encoded: bytes
    """The whole state: what it is encoded as until then."""
    codes: list[tuple[int, str]]
    """Its table of failures: kind and code."""
    sections: deque[Section]
    """In the order of growth; the first is the next one to be taken."""
    unseen: set[tuple[int, int]]
    """(node, position) of running items whose launch's pod had not been seen."""
    asked: dict[tuple[int, str], Section] = dataclasses.field(default_factory=dict)
    """Those whose graph was asked for."""
    read: dict[tuple[int, str], Closure] = dataclasses.field(default_factory=dict)
    """Graphs that were read."""
    over: set[tuple[int, str]] = dataclasses.field(default_factory=set)
    """Calls whose outcome is in the store."""
    left: list[Section] = dataclasses.field(default_factory=list)
    """Those to be asked for, once their node is known."""

    def __post_init__(self) -> None:
        """Everything is to be asked for."""
        self.left = list(self.sections)

    events: list[Any] = dataclasses.field(default_factory=list)
    """What happened meanwhile, in order."""
