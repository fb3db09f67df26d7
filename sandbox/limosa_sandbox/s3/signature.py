"""Signature Version 4: who sent a request, and whether it is what they sent. Pure: the clock is given.

Both forms are read: the `Authorization` header, and the `X-Amz-*` query of a presigned URL. The region of
the scope is taken from the request, as services outside AWS do.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, unquote, unquote_plus

from limosa_sandbox.s3.errors import S3Error
from limosa_sandbox.s3.settings import Credential

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+),\s*SignedHeaders=(?P<headers>[^,\s]+),"
    r"\s*Signature=(?P<signature>[0-9a-f]{64})$"
)
_MAX_EXPIRES_S = 604_800


@dataclass(frozen=True)
class SignedRequest:
    """The parts of a request that its signature covers, as they came over the wire.

    Attributes:
        method: HTTP method.
        path: percent-encoded path, without the query.
        query: the raw query string.
        headers: lower-case names and values in order; a name may repeat.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str:
        """Returns a header's first value, or "" where it is absent."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True)
class Identity:
    """Who signed, and what is needed to verify a body that is signed chunk by chunk.

    Attributes:
        credential: whose key signed the request.
        payload: `x-amz-content-sha256`: a SHA-256 in hex, or one of S3's words for other ways.
        signing_key: the day's derived key.
        scope: `date/region/s3/aws4_request`.
        timestamp: the request's time as signed, `YYYYMMDDTHHMMSSZ`.
        signature: the request's signature in hex, which seeds those of the chunks.
    """

    credential: Credential
    payload: str
    signing_key: bytes
    scope: str
    timestamp: str
    signature: str


def authenticate(
    request: SignedRequest, credentials: Mapping[str, Credential], now: datetime, max_skew_s: float
) -> Identity:
    """Verifies a request's signature.

    Raises:
        S3Error: AccessDenied, InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed, …
    """
    query = parse_query(request.query)
    names = dict(query)
    if "X-Amz-Signature" in names:
        return _authenticate_query(request, query, names, credentials, now, max_skew_s)
    return _authenticate_header(request, query, credentials, now, max_skew_s)


def _authenticate_header(
    request: SignedRequest,
    query: list[tuple[str, str]],
    credentials: Mapping[str, Credential],
    now: datetime,
    max_skew_s: float,
) -> Identity:
    authorization = request.header("authorization")
    if any(name == "AWSAccessKeyId" for name, _ in query):
        raise S3Error(
            400, "InvalidRequest", "Signature Version 2 is not accepted; sign with version 4 (s3v4)."
        )
    if not authorization:
        raise S3Error(403, "AccessDenied", "The request is not signed.")
    match = _AUTHORIZATION.match(authorization)
    if not match:
        raise S3Error(400, "AuthorizationHeaderMalformed", "The Authorization header is not one of SigV4.")
    payload = request.header("x-amz-content-sha256")
    if not payload:
        raise S3Error(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    timestamp = request.header("x-amz-date")
    when = _parse_time(timestamp)
    if abs((now - when).total_seconds()) > max_skew_s:
        raise S3Error(
            403,
            "RequestTimeTooSkewed",
            f"The request's time {timestamp} and the server's {now:%Y%m%dT%H%M%SZ} differ too much.",
        )
    return _verify(request, query, credentials, match.groupdict(), timestamp, payload)


def _authenticate_query(
    request: SignedRequest,
    query: list[tuple[str, str]],
    names: Mapping[str, str],
    credentials: Mapping[str, Credential],
    now: datetime,
    max_skew_s: float,
) -> Identity:
    if names.get("X-Amz-Algorithm") != ALGORITHM:
        raise S3Error(400, "AuthorizationQueryParametersError", f"X-Amz-Algorithm must be {ALGORITHM}.")
    timestamp = names.get("X-Amz-Date", "")
    when = _parse_time(timestamp)
    expires = names.get("X-Amz-Expires", "")
    if not expires.isdigit() or not 1 <= int(expires) <= _MAX_EXPIRES_S:
        raise S3Error(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be 1 to 604800 seconds.")
    if now > when + timedelta(seconds=int(expires)):
        raise S3Error(403, "AccessDenied", "Request has expired")
    if when > now + timedelta(seconds=max_skew_s):
        raise S3Error(403, "AccessDenied", "Request is not valid yet")
    parts = {
        "credential": names.get("X-Amz-Credential", ""),
        "headers": names.get("X-Amz-SignedHeaders", ""),
        "signature": names["X-Amz-Signature"],
    }
    unsigned = [pair for pair in query if pair[0] != "X-Amz-Signature"]
    payload = names.get("X-Amz-Content-Sha256") or request.header("x-amz-content-sha256") or UNSIGNED
    return _verify(request, unsigned, credentials, parts, timestamp, payload)


def _verify(
    request: SignedRequest,
    query: list[tuple[str, str]],
    credentials: Mapping[str, Credential],
    parts: Mapping[str, str],
    timestamp: str,
    payload: str,
) -> Identity:
    access_key, _, scope = parts["credential"].partition("/")
    date, _, rest = scope.partition("/")
    region, _, tail = rest.partition("/")
    if tail != "s3/aws4_request" or not timestamp.startswith(date) or not region:
        raise S3Error(
            400, "AuthorizationHeaderMalformed", f"The credential scope {scope!r} is not one of S3."
        )
    credential = credentials.get(access_key)
    if credential is None:
        raise S3Error(403, "InvalidAccessKeyId", "The access key id does not exist in this sandbox.")
    if request.header("x-amz-security-token") or any(name == "X-Amz-Security-Token" for name, _ in query):
        raise S3Error(403, "InvalidToken", "This endpoint has no temporary credentials.")
    signed_headers = parts["headers"].split(";")
    if "host" not in signed_headers:
        raise S3Error(403, "AccessDenied", "The host header must be signed.")
    canonical = canonical_request(request, query, signed_headers, payload)
    key = signing_key(credential.secret_key, date, region)
    expected = sign(key, timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest())
    if not hmac.compare_digest(expected, parts["signature"]):
        raise S3Error(
            403,
            "SignatureDoesNotMatch",
            "The signature does not match the one calculated here; check the secret key and the signing method.",
        )
    return Identity(credential, payload, key, scope, timestamp, expected)


def canonical_request(
    request: SignedRequest, query: list[tuple[str, str]], signed_headers: list[str], payload: str
) -> str:
    """Returns the text whose hash is signed."""
    lines = []
    for name in signed_headers:
        values = [" ".join(value.split()) for key, value in request.headers if key == name]
        lines.append(f"{name}:{','.join(values)}\n")
    encoded = sorted((_encode(name), _encode(value)) for name, value in query)
    return "\n".join(
        (
            request.method,
            quote(unquote(request.path, errors="surrogateescape"), safe="/-_.~", errors="surrogateescape"),
            "&".join(f"{name}={value}" for name, value in encoded),
            "".join(lines),
            ";".join(signed_headers),
            payload,
        )
    )


def signing_key(secret_key: str, date: str, region: str) -> bytes:
    """Derives the key of one day and region."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def sign(key: bytes, timestamp: str, scope: str, digest: str, algorithm: str = ALGORITHM) -> str:
    """Signs a digest (or the lines of one chunk) in hex."""
    text = f"{algorithm}\n{timestamp}\n{scope}\n{digest}"
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def parse_query(query: str) -> list[tuple[str, str]]:
    """Splits a raw query into decoded names and values, in order; '+' is a blank, as S3 reads and signs it."""
    pairs = []
    for item in query.split("&"):
        if item:
            name, _, value = item.partition("=")
            pairs.append((unquote_plus(name), unquote_plus(value)))
    return pairs


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


def _parse_time(timestamp: str) -> datetime:
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise S3Error(403, "AccessDenied", "The request has no valid X-Amz-Date.") from None
