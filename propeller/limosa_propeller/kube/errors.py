"""What the API server, or the way to it, answered instead of the object."""

from typing import Any


class ApiError(Exception):
    """A request did not succeed.

    Attributes:
        status: HTTP status; 0 when no answer came (refused, reset, timed out), so that a write may have happened.
        reason: The Status object's reason ("AlreadyExists", "NotFound", "Forbidden" …); empty without one.
        message: For people.
        retry_after: Seconds the server asked to wait; None when it did not say.
        name: Of the object that the answer is about; empty where it is about the request as such.
        causes: Reasons of the causes that the Status object lists ("NamespaceTerminating" …).
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        retry_after: float | None = None,
        *,
        name: str = "",
        causes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"{status or 'no answer'} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.name = name
        self.causes = causes

    @property
    def transient(self) -> bool:
        """Whether the same request may succeed later without anyone changing anything."""
        return self.status in (0, 408, 429) or self.status >= 500

    @classmethod
    def from_response(cls, status: int, body: Any, retry_after: str | None) -> "ApiError":
        """Reads a Status object, or whatever a proxy put in its place."""
        document = body if isinstance(body, dict) else {}
        details = document.get("details") or {}
        seconds = details.get("retryAfterSeconds") or retry_after
        return cls(
            status,
            str(document.get("reason") or ""),
            str(document.get("message") or body or "")[:2000],
            float(seconds) if seconds is not None and str(seconds).isdigit() else None,
            name=str(details.get("name") or ""),
            causes=tuple(str(cause.get("reason") or "") for cause in details.get("causes") or ()),
        )


class NotLeaderError(Exception):
    """A write was about to be sent by a process whose leadership has run out."""
