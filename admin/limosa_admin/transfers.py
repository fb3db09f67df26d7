"""Signed transfers: addresses that let a person's client read or write one object for a short time."""

import base64
import binascii
import datetime as dt
import hashlib
import hmac
import json
import time

from google.protobuf.timestamp_pb2 import Timestamp

from limosa_admin.request_errors import Reason, RequestError, not_found
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_model import layout
from limosa_store import Store

EXPIRES_S = 900
PAGE = 1000
_DIGITS = frozenset("0123456789abcdef")
_CONTENT_KEYS = {
    "code_bundle": layout.code_key,
    "package_wheel": layout.wheel_key,
    "package_lock": layout.package_lock_key,
}
"""Where what has no name of its own goes, by its digest."""


class Transfers:
    """Signs for the store's public endpoint; where there is none, for this server's own address.

    Attributes:
        store: The objects.
    """

    def __init__(self, store: Store, signing_key: bytes, public_url: str, max_upload_bytes: int) -> None:
        self.store = store
        self._signing_key = signing_key
        self._public_url = public_url
        self._max_upload_bytes = max_upload_bytes

    def sign_upload(self, request: pb.SignUploadRequest) -> pb.SignedTransfer:
        """Where to put code, packages or an input file."""
        key = _upload_key(request)
        uri = self.store.uri(key)
        if request.size > self._max_upload_bytes:
            message = f"{uri} has {request.size} bytes; at most {self._max_upload_bytes} are taken"
            raise RequestError(Reason.INVALID, message)
        # The address holds the digest of the content, so what is there need not be sent again.
        known = self.store.head(key)
        if known is not None and (request.WhichOneof("target") != "upload" or known.size == request.size):
            return pb.SignedTransfer(uri=uri, exists=True)
        return self._sign("PUT", key, request.size)

    def sign_download(self, key: str) -> pb.SignedTransfer:
        """Where to get an object. Raises RequestError(NOT_FOUND)."""
        if self.store.head(key) is None:
            raise not_found(self.store.uri(key))
        return self._sign("GET", key, 0)

    def key_of(self, uri: str) -> str:
        """Key of a URI below the root. Raises RequestError(INVALID)."""
        key = self.store.key(uri)
        if key is None or key.count("/") < 2:
            root = self.store.settings.url
            raise RequestError(Reason.INVALID, f"'{uri}' is not an object of a project below {root}")
        return key

    def list_objects(
        self, prefix: str, after: str | None
    ) -> tuple[list[pb.ListObjectsResponse.Object], str | None]:
        """A page of what lies below a prefix, and the key to go on after (None at the end)."""
        found: list[pb.ListObjectsResponse.Object] = []
        last: str | None = None
        for info in self.store.list(prefix, start_after=after):
            if len(found) == PAGE:
                return found, last
            last = info.key
            found.append(pb.ListObjectsResponse.Object(uri=self.store.uri(info.key), size=info.size))
        return found, None

    def open_ticket(self, method: str, ticket: str) -> tuple[str, int]:
        """Key and size that a ticket of this server is good for. Raises RequestError(FORBIDDEN)."""
        text, _, signature = ticket.partition(".")
        try:
            body, given = _unpad(text), _unpad(signature)
        except (binascii.Error, ValueError):
            body, given = b"", b""
        if not body or not hmac.compare_digest(given, self._signature(body)):
            raise RequestError(
                Reason.FORBIDDEN, "the address is not one this server signed; ask for a new one"
            )
        content = json.loads(body)
        if content["method"] != method:
            raise RequestError(
                Reason.FORBIDDEN, f"the address was signed for {content['method']}, not {method}"
            )
        if content["expires"] < time.time():
            raise RequestError(Reason.FORBIDDEN, "the address has expired; ask for a new one")
        return content["key"], content["size"]

    def _sign(self, method: str, key: str, size: int) -> pb.SignedTransfer:
        url = self.store.sign(method, key, EXPIRES_S, public=True)
        if url is None:
            url = f"{self._public_url}/api/v1/objects/{self._ticket(method, key, size)}"
        expires_at = Timestamp()
        expires_at.FromDatetime(dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=EXPIRES_S))
        return pb.SignedTransfer(url=url, uri=self.store.uri(key), expires_at=expires_at)

    def _ticket(self, method: str, key: str, size: int) -> str:
        content = {"method": method, "key": key, "size": size, "expires": int(time.time()) + EXPIRES_S}
        body = json.dumps(content, separators=(",", ":")).encode()
        return f"{_pad(body)}.{_pad(self._signature(body))}"

    def _signature(self, body: bytes) -> bytes:
        return hmac.new(self._signing_key, body, hashlib.sha256).digest()


def project_of(key: str) -> str:
    """The project that owns a key."""
    return key.split("/", 1)[0]


def _upload_key(request: pb.SignUploadRequest) -> str:
    target = request.WhichOneof("target")
    if target is None:
        raise RequestError(Reason.INVALID, "name a code_bundle, a package_wheel, a package_lock or an upload")
    digest: str = request.upload.digest if target == "upload" else getattr(request, target)
    if len(digest) != 64 or not _DIGITS.issuperset(digest):
        raise RequestError(Reason.INVALID, f"'{digest[:80]}' is not a sha256 in lower-case hex")
    if target in _CONTENT_KEYS:
        return _CONTENT_KEYS[target](request.project, request.domain, digest)
    name = request.upload.name
    if not name or any(part in ("", ".", "..") for part in name.split("/")):
        raise RequestError(Reason.INVALID, f"'{name[:200]}' is not a relative file name without '..'")
    return layout.upload_key(request.project, request.domain, digest, name)


def _pad(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unpad(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
