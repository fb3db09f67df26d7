"""How a launch can end."""

from typing import NamedTuple

from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap


class LaunchFailed(Exception):
    """Carries a failure from where it is known to where it is recorded."""

    def __init__(self, failure: Failure) -> None:
        """Takes the failure as it will be recorded, without its origin."""
        super().__init__(failure.message)
        self.failure = failure


class Preempted(BaseException):
    """SIGTERM arrived; derives from BaseException so that `except Exception` in the author's code lets it pass."""


class Committed(NamedTuple):
    """This launch's commit is the node item's result."""

    commit_digest: str
    outputs: LiteralMap | None
    """None where they are offloaded."""


class Superseded(NamedTuple):
    """Another launch committed first; nothing this one did counts."""


class Failed(NamedTuple):
    """The launch ends without a commit."""

    failure: Failure


class Prepared(NamedTuple):
    """Everything is laid out for the container that runs next."""


Outcome = Committed | Superseded | Failed | Prepared
