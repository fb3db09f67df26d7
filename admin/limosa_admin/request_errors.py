"""What the server says to a request it does not carry out."""

import difflib
import enum
from collections.abc import Sequence

from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_model import failures
from limosa_model.problems import Problem


class Reason(enum.Enum):
    """Why a request was refused. Each transport maps it to its own status codes."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"
    EXISTS = "exists"
    PRECONDITION = "precondition"
    EXHAUSTED = "exhausted"
    UNAVAILABLE = "unavailable"
    TOO_LATE = "too late"
    DAMAGED = "damaged"


class RequestError(Exception):
    """A request that is not carried out, with a message that names thing, place and remedy.

    Attributes:
        reason: What programs decide on.
        message: For people.
        failure: Travels beside the status where it says more.
    """

    def __init__(self, reason: Reason, message: str, failure: Failure | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.failure = failure


def invalid(what: str, problems: Sequence[Problem]) -> RequestError:
    """A refusal that lists problems, one a line: "[Code] place: message; remedy"."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    shown = [f"  [{problem.code}] {problem}" for problem in problems[:50]]
    if len(problems) > len(shown):
        shown.append(f"  … and {len(problems) - len(shown)} more")
    return RequestError(Reason.INVALID, f"{what}: {count}\n" + "\n".join(shown))


def not_found(what: str, remedy: str = "") -> RequestError:
    """Nothing of that name exists."""
    return RequestError(Reason.NOT_FOUND, f"{what} does not exist" + (f"; {remedy}" if remedy else ""))


def damaged(what: str) -> RequestError:
    """An object of a run is not what was written."""
    message = f"{what} is damaged: the object in the store is not what was written; run the workflow again"
    failure = failures.system(failures.Code.CORRUPT_DATA, message, retryable=False)
    return RequestError(Reason.DAMAGED, message, failure)


def nearest(name: str, known: Sequence[str]) -> str:
    """A remedy for a name that does not exist: the nearest known one, else some of those there are."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    if not known:
        return "nothing of the kind is registered there; check project and domain, or register it first"
    shown = ", ".join(known[:5])
    return f"there are {shown}" + (f" and {len(known) - 5} more" if len(known) > 5 else "")


def check(problem: str | None) -> None:
    """Refuses a request with a problem's text; None passes."""
    if problem:
        raise RequestError(Reason.INVALID, problem)
