"""Page tokens: where the next page of a list begins, opaque to clients."""

import base64
import binascii

from limosa_admin.request_errors import Reason, RequestError

DEFAULT_LIMIT = 50
MOST = 200


def encode(position: int | str | None) -> str:
    """The token for a position; empty for None, the end."""
    return "" if position is None else base64.urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def decode(token: str) -> str | None:
    """The position of a token, None for the first page. Raises RequestError(INVALID)."""
    if not token:
        return None
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _foreign() from error


def decode_number(token: str) -> int | None:
    """The position of a token of a list that is ordered by a number."""
    position = decode(token)
    if position is None:
        return None
    if not position.isdigit() or len(position) > 18:
        raise _foreign()
    return int(position)


def page_limit(given: int) -> int:
    """Entries of a page; 0 means the default. Raises RequestError(INVALID) above the most."""
    if given > MOST:
        raise RequestError(
            Reason.INVALID, f"limit {given} is too large; ask for at most {MOST} and go on by page"
        )
    return given or DEFAULT_LIMIT


def _foreign() -> RequestError:
    message = "the page token is not one this server gave; begin again without one"
    return RequestError(Reason.INVALID, message)
