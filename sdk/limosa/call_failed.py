"""What a call inside an eager task raises when what it called has failed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limosa_idl.core.v1alpha1.failure_pb2 import Failure, FailureOrigin


class CallFailed(Exception):
    """A task, workflow or launch plan that an eager task called has failed for good, its retries spent.

    Attributes:
        code: Stable identifier ("UserException", "OOMKilled", "GateTimeout").
        kind: "USER" or "SYSTEM": whose fault it was.
        message: What happened, for people.
        node: Path of the node that failed; items of a map as "n0/e2[3]".
        called: Name of what was called.
    """

    def __init__(self, called: str, place: str, failure: "Failure") -> None:
        """Takes what was called, where, and why it failed."""
        from limosa_idl.core.v1alpha1.failure_pb2 import FailureKind

        origin = failure.origin
        index = f"[{origin.index}]" if origin.HasField("index") else ""
        self.called = called
        self.code = failure.code
        self.kind = FailureKind.Name(failure.kind).removeprefix("FAILURE_KIND_")
        self.message = failure.message
        self.node = f"{origin.node_path}{index}"
        self._cause = failure.cause if failure.HasField("cause") else origin
        where = f" at {self.node}" if self.node else ""
        super().__init__(f"{place}: {called} failed{where}: {failure.message} ({failure.code})")

    @property
    def cause(self) -> "FailureOrigin":
        """Where it failed first: a call may be of an eager task, of which a call failed."""
        return self._cause
