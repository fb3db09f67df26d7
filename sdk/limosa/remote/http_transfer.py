"""Sending and fetching bytes at signed addresses, in flat memory."""

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from limosa.remote.errors import RemoteError
from limosa.types.checked import HashingSink

TIMEOUT_S = 120.0
CHUNK = 1 << 20


class TransferFailed(Exception):
    """One attempt failed; `again` says whether another may succeed."""

    def __init__(self, message: str, *, again: bool, status: int = 0) -> None:
        super().__init__(message)
        self.again = again
        self.status = status


def put(url: str, headers: Mapping[str, str], path: Path, size: int, ca_certificate: Path | None) -> None:
    """Sends a file. Raises TransferFailed."""
    with path.open("rb") as content:
        sent = {"Content-Length": str(size), "Content-Type": "application/octet-stream", **headers}
        request = urllib.request.Request(url, data=content, headers=sent, method="PUT")
        with _open(request, ca_certificate) as response:
            response.read()


def get(url: str, headers: Mapping[str, str], sink: HashingSink, ca_certificate: Path | None) -> None:
    """Fetches an object. Raises TransferFailed."""
    with open_stream(url, headers, ca_certificate) as response:
        expected = response.headers.get("Content-Length")
        received = 0
        try:
            while chunk := response.read(CHUNK):
                received += len(chunk)
                sink.write(chunk)
        except (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
            raise TransferFailed(f"the connection broke: {error}", again=True) from error
    if expected is not None and received != int(expected):
        raise TransferFailed(f"the connection broke after {received} of {expected} bytes", again=True)


def open_stream(
    url: str, headers: Mapping[str, str], ca_certificate: Path | None
) -> http.client.HTTPResponse:
    """An object's bytes as they come. Raises TransferFailed."""
    return _open(urllib.request.Request(url, headers=dict(headers)), ca_certificate)


def final_error(what: str, address: str, failed: TransferFailed) -> RemoteError:
    """The error after the last attempt."""
    host = urlsplit(address).netloc
    remedy = "try again; `limosa doctor` checks the object store"
    if failed.status in (413, 507):
        remedy = "the object store is full: free space there, then try again"
    return RemoteError(code=RemoteError.TRANSFER, message=f"{what}: {failed}", place=host, remedy=remedy)


def opener(url: str, ca_certificate: Path | None = None) -> urllib.request.OpenerDirector:
    """Opens addresses: without the environment's proxy on this machine, trusting a further certificate if given."""
    handlers: list[urllib.request.BaseHandler] = []
    if (urlsplit(url).hostname or "") in ("127.0.0.1", "::1", "localhost"):
        handlers.append(urllib.request.ProxyHandler({}))
    if ca_certificate is not None:
        context = ssl.create_default_context()
        context.load_verify_locations(cafile=ca_certificate)
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


def _open(request: urllib.request.Request, ca_certificate: Path | None) -> http.client.HTTPResponse:
    try:
        response: http.client.HTTPResponse = opener(request.full_url, ca_certificate).open(
            request, timeout=TIMEOUT_S
        )
    except urllib.error.HTTPError as error:
        with error:
            text = error.read(500).decode("utf-8", "replace")
        again = error.code >= 500 and error.code != 507
        raise TransferFailed(_explain(error.code, text), again=again, status=error.code) from error
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
        reason = getattr(error, "reason", None) or error
        raise TransferFailed(f"the object store does not answer ({reason})", again=True) from error
    return response


def _explain(status: int, text: str) -> str:
    known = {
        403: "the object store refused the signed address (is this machine's clock right?)",
        404: "the object is not there",
        413: "the object store takes no object of this size",
        507: "the object store has no space left",
    }
    if status in known:
        return known[status]
    return f"the object store answered {status}: {' '.join(text.split())[:200]}"
