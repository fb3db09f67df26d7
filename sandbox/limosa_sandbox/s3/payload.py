"""A request's body on its way to a file: framing, signatures and checksums are verified while it streams."""

import base64
import hashlib
import hmac
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from limosa_sandbox.s3.errors import S3Error, invalid_argument
from limosa_sandbox.s3.signature import UNSIGNED, Identity, SignedRequest, sign

_STREAMING = "STREAMING-"
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_MAX_LINE = 8_192
_MAX_CHUNK = 64 << 20


class Reader(Protocol):
    """What is read from: an asyncio or aiohttp stream."""

    async def readany(self) -> bytes:
        """Returns some bytes, or b"" at the end."""
        ...


@dataclass(frozen=True)
class Received:
    """A body that was written to a file completely: its size in bytes and MD5 in hex."""

    size: int
    md5: str


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


async def receive(request: SignedRequest, identity: Identity, body: Reader, target: Path) -> Received:
    """Writes a body to `target`, verifying all that the request says about it.

    CRC32, SHA1 and SHA256 checksums are verified. CRC32C and CRC64NVME need native code that is not here:
    they are accepted unverified, beside the signature and length, which always hold.

    Raises:
        S3Error: BadDigest, IncompleteBody, SignatureDoesNotMatch, XAmzContentSHA256Mismatch.
    """
    trailers: dict[str, str] = {}
    streaming = identity.payload.startswith(_STREAMING)
    pieces = _Chunks(body, identity, trailers).pieces() if streaming else _plain(body)
    md5 = hashlib.md5(usedforsecurity=False)
    checks = _checksums(request)
    sha256 = None if streaming or identity.payload == UNSIGNED else hashlib.sha256()
    size = 0
    with target.open("xb") as file:
        async for piece in pieces:
            file.write(piece)
            size += len(piece)
            md5.update(piece)
            if sha256:
                sha256.update(piece)
            for check in checks.values():
                check.update(piece)
    if sha256 and sha256.hexdigest() != identity.payload:
        raise S3Error(400, "XAmzContentSHA256Mismatch", "The body's SHA-256 is not the one that was signed.")
    _verify_length(request, size, streaming)
    _verify_digests(request, trailers, md5.digest(), checks)
    return Received(size, md5.hexdigest())


async def read_small(request: SignedRequest, identity: Identity, body: Reader, limit: int = 2 << 20) -> bytes:
    """Returns a body that is a small document.

    Raises:
        S3Error: as `receive`, and EntityTooLarge above `limit` bytes.
    """
    trailers: dict[str, str] = {}
    streaming = identity.payload.startswith(_STREAMING)
    pieces = _Chunks(body, identity, trailers).pieces() if streaming else _plain(body)
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > limit:
            raise S3Error(413, "EntityTooLarge", f"The document is larger than {limit} bytes.")
    if not streaming and identity.payload not in (UNSIGNED, hashlib.sha256(data).hexdigest()):
        raise S3Error(400, "XAmzContentSHA256Mismatch", "The body's SHA-256 is not the one that was signed.")
    checks = _checksums(request)
    for check in checks.values():
        check.update(bytes(data))
    _verify_digests(request, trailers, hashlib.md5(data, usedforsecurity=False).digest(), checks)
    return bytes(data)


def _checksums(request: SignedRequest) -> dict[str, "_Digest"]:
    named = {name for name, _ in request.headers if name.startswith("x-amz-checksum-")}
    named |= {name.strip().lower() for name in request.header("x-amz-trailer").split(",")}
    makers: dict[str, _Digest] = {}
    if "x-amz-checksum-crc32" in named:
        makers["x-amz-checksum-crc32"] = _Crc32()
    if "x-amz-checksum-sha1" in named:
        makers["x-amz-checksum-sha1"] = hashlib.sha1(usedforsecurity=False)
    if "x-amz-checksum-sha256" in named:
        makers["x-amz-checksum-sha256"] = hashlib.sha256()
    return makers


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


def _verify_length(request: SignedRequest, size: int, streaming: bool) -> None:
    declared = request.header("x-amz-decoded-content-length" if streaming else "content-length")
    if declared and (not declared.isdigit() or int(declared) != size):
        raise S3Error(400, "IncompleteBody", f"The body has {size} bytes where {declared} were announced.")


def _verify_digests(
    request: SignedRequest, trailers: dict[str, str], md5: bytes, checks: dict[str, _Digest]
) -> None:
    wanted_md5 = request.header("content-md5")
    if wanted_md5 and _decode(wanted_md5) != md5:
        raise S3Error(400, "BadDigest", "The Content-MD5 is not that of the body received.")
    for name, check in checks.items():
        wanted = trailers.get(name) or request.header(name)
        if not wanted:
            raise S3Error(400, "MalformedTrailerError", f"The trailer {name} was announced and is absent.")
        if _decode(wanted) != check.digest():
            raise S3Error(400, "BadDigest", f"{name} is not that of the body received.")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise S3Error(400, "InvalidDigest", f"{text!r} is not a digest in base64.") from None


async def _plain(body: Reader) -> AsyncIterator[bytes]:
    while piece := await body.readany():
        yield piece


class _Chunks:
    """The aws-chunked framing: `<hex size>[;chunk-signature=…]`, data, …, an empty chunk, trailers."""

    def __init__(self, body: Reader, identity: Identity, trailers: dict[str, str]) -> None:
        self._body = body
        self._identity = identity
        self._trailers = trailers
        self._signed = "AWS4-HMAC-SHA256" in identity.payload
        self._has_trailer = identity.payload.endswith("-TRAILER")
        self._previous = identity.signature
        self._buffer = bytearray()

    async def pieces(self) -> AsyncIterator[bytes]:
        while True:
            size, signature = self._parse_header(await self._line())
            digest = hashlib.sha256() if self._signed else None
            left = size
            while left:
                piece = await self._some(left)
                left -= len(piece)
                if digest:
                    digest.update(piece)
                yield piece
            if digest:
                self._verify_chunk(signature, digest.hexdigest())
            if size == 0:
                break
            if await self._line():
                raise S3Error(400, "IncompleteBody", "A chunk is longer than announced.")
        await self._read_trailers()

    def _parse_header(self, line: bytes) -> tuple[int, str]:
        size_text, _, extension = line.decode("latin-1").partition(";")
        try:
            size = int(size_text, 16)
        except ValueError:
            raise invalid_argument("The body is not in aws-chunked encoding.") from None
        if not 0 <= size <= _MAX_CHUNK:
            raise invalid_argument(f"A chunk of {size} bytes is larger than {_MAX_CHUNK}.")
        return size, extension.removeprefix("chunk-signature=").strip()

    def _verify_chunk(self, signature: str, digest: str) -> None:
        lines = f"{self._previous}\n{_EMPTY_SHA256}\n{digest}"
        self._previous = self._check(lines, signature, "AWS4-HMAC-SHA256-PAYLOAD")

    def _check(self, lines: str, signature: str, algorithm: str) -> str:
        identity = self._identity
        expected = sign(identity.signing_key, identity.timestamp, identity.scope, lines, algorithm)
        if not hmac.compare_digest(expected, signature):
            raise S3Error(403, "SignatureDoesNotMatch", "The signature of a chunk does not match its bytes.")
        return expected

    async def _read_trailers(self) -> None:
        raw = b""
        signature = ""
        while line := await self._line(at_end=True):
            name, _, value = line.decode("latin-1").partition(":")
            if name.lower() == "x-amz-trailer-signature":
                signature = value.strip()
            else:
                self._trailers[name.strip().lower()] = value.strip()
                raw += f"{name.strip().lower()}:{value.strip()}\n".encode("latin-1")
        if self._signed and self._has_trailer:
            lines = f"{self._previous}\n{hashlib.sha256(raw).hexdigest()}"
            self._check(lines, signature, "AWS4-HMAC-SHA256-TRAILER")

    async def _line(self, *, at_end: bool = False) -> bytes:
        while b"\r\n" not in self._buffer:
            if len(self._buffer) > _MAX_LINE:
                raise invalid_argument("A line of the chunked body is too long.")
            if not await self._fill():
                if at_end and not self._buffer.strip():
                    return b""
                raise S3Error(400, "IncompleteBody", "The body ended inside a chunk.")
        line, _, rest = bytes(self._buffer).partition(b"\r\n")
        self._buffer = bytearray(rest)
        return line

    async def _some(self, limit: int) -> bytes:
        if not self._buffer and not await self._fill():
            raise S3Error(400, "IncompleteBody", "The body ended inside a chunk.")
        piece = bytes(self._buffer[:limit])
        del self._buffer[: len(piece)]
        return piece

    async def _fill(self) -> bool:
        more = await self._body.readany()
        self._buffer += more
        return bool(more)
