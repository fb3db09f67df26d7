"""One call as services see it."""

import dataclasses
import threading

import grpc

from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError


@dataclasses.dataclass(frozen=True)
class Call:
    """Who calls, and whether anybody still waits.

    Attributes:
        who: The caller; None only where a method is public and no valid token came.
        context: gRPC's view of the call.
        stopping: Set when the server shuts down; waiting calls end then.
    """

    who: Identity | None
    context: grpc.ServicerContext
    stopping: threading.Event

    @property
    def identity(self) -> Identity:
        """The caller of a method that is not public."""
        if self.who is None:
            raise RequestError(Reason.UNAUTHENTICATED, "this call needs a token")
        return self.who

    def is_wanted(self) -> bool:
        """Whether the client still waits and the server goes on."""
        return self.context.is_active() and not self.stopping.is_set()

    def waker(self) -> threading.Event:
        """An event that the end of the call sets too, so that nobody waits for a client that left."""
        event = threading.Event()
        if not self.context.add_callback(event.set):
            event.set()
        return event

    def check_wanted(self) -> None:
        """Ends a stream when the server shuts down, so that the client connects to the next one."""
        if self.stopping.is_set():
            raise RequestError(Reason.UNAVAILABLE, "this server is shutting down; connect again")


def wait(event: threading.Event, seconds: float) -> None:
    """Waits for an event and then clears it."""
    event.wait(max(seconds, 0.0))
    event.clear()
