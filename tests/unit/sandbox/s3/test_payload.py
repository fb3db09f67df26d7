import base64
import hashlib
import zlib
from pathlib import Path

import pytest

from limosa_sandbox.s3.errors import S3Error
from limosa_sandbox.s3.payload import read_small, receive
from limosa_sandbox.s3.settings import Credential
from limosa_sandbox.s3.signature import Identity, SignedRequest, sign, signing_key

SCOPE = "20260101/us-east-1/s3/aws4_request"
STAMP = "20260101T000000Z"
KEY = signing_key("secret", "20260101", "us-east-1")
EMPTY = hashlib.sha256(b"").hexdigest()
DATA = bytes(range(256)) * 300


class Body:
    """A stream that hands out its bytes in pieces of one size."""

    def __init__(self, data: bytes, piece: int) -> None:
        self._pieces = [data[start : start + piece] for start in range(0, len(data), piece)]

    async def readany(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


def identity(payload: str) -> Identity:
    return Identity(Credential("AK", "secret"), payload, KEY, SCOPE, STAMP, "f" * 64)


def request(**headers: str) -> SignedRequest:
    return SignedRequest(
        "PUT", "/b/k", "", tuple((name.replace("_", "-"), value) for name, value in headers.items())
    )


def signed_chunks(data: bytes, size: int, trailer: bytes = b"", trailer_payload: bool = False) -> bytes:
    previous, out = "f" * 64, b""
    for start in [*range(0, len(data), size), len(data)]:
        piece = data[start : start + size] if start < len(data) else b""
        lines = f"{previous}\n{EMPTY}\n{hashlib.sha256(piece).hexdigest()}"
        previous = sign(KEY, STAMP, SCOPE, lines, "AWS4-HMAC-SHA256-PAYLOAD")
        out += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + (b"\r\n" if piece else b"")
    if trailer_payload:
        digest = hashlib.sha256(trailer + b"\n").hexdigest()
        signature = sign(KEY, STAMP, SCOPE, f"{previous}\n{digest}", "AWS4-HMAC-SHA256-TRAILER")
        out += trailer + b"\r\nx-amz-trailer-signature:" + signature.encode() + b"\r\n"
    return out + b"\r\n"


def unsigned_chunks(data: bytes, size: int, trailer: bytes = b"") -> bytes:
    out = b""
    for start in range(0, len(data), size):
        piece = data[start : start + size]
        out += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    return out + b"0\r\n" + (trailer + b"\r\n" if trailer else b"") + b"\r\n"


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


async def refusal(message: SignedRequest, payload: str, body: bytes, target: Path) -> str:
    with pytest.raises(S3Error) as caught:
        await receive(message, identity(payload), Body(body, 1000), target)
    return caught.value.code


@pytest.mark.parametrize("piece", [1, 7, 4096, 1 << 20])
@pytest.mark.parametrize("chunk", [8192, 65536])
async def test_framing_is_removed_wherever_it_is_cut(tmp_path: Path, piece: int, chunk: int) -> None:
    data = DATA[: 3000 if piece == 1 else None]
    cases = [
        ("UNSIGNED-PAYLOAD", data, request()),
        (hashlib.sha256(data).hexdigest(), data, request(content_length=str(len(data)))),
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            signed_chunks(data, chunk),
            request(x_amz_decoded_content_length=str(len(data))),
        ),
        (
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            unsigned_chunks(data, chunk, b"x-amz-checksum-crc32:" + crc32(data).encode()),
            request(x_amz_trailer="x-amz-checksum-crc32"),
        ),
        (
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            signed_chunks(data, chunk, b"x-amz-checksum-crc32:" + crc32(data).encode(), trailer_payload=True),
            request(x_amz_trailer="x-amz-checksum-crc32"),
        ),
    ]
    for number, (payload, body, message) in enumerate(cases):
        target = tmp_path / str(number)
        received = await receive(message, identity(payload), Body(body, piece), target)
        assert target.read_bytes() == data
        assert received.size == len(data)
        assert received.md5 == hashlib.md5(data).hexdigest()


async def test_bytes_that_are_not_what_was_signed_are_refused(tmp_path: Path) -> None:
    assert (
        await refusal(request(), hashlib.sha256(b"x").hexdigest(), b"y", tmp_path / "1")
        == "XAmzContentSHA256Mismatch"
    )
    forged = signed_chunks(DATA, 8192).replace(DATA[:100], bytes(100), 1)
    assert (
        await refusal(request(), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", forged, tmp_path / "2")
        == "SignatureDoesNotMatch"
    )


async def test_bodies_that_end_early_are_refused(tmp_path: Path) -> None:
    whole = signed_chunks(DATA, 8192)
    for number, end in enumerate((10, 5000, len(whole) // 2, len(whole) - 100)):
        code = await refusal(
            request(), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", whole[:end], tmp_path / str(number)
        )
        assert code == "IncompleteBody"
    assert (
        await refusal(request(content_length="11"), "UNSIGNED-PAYLOAD", b"ten bytes!", tmp_path / "c")
        == "IncompleteBody"
    )
    declared = request(x_amz_decoded_content_length="5")
    assert (
        await refusal(
            declared, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", unsigned_chunks(b"four", 9), tmp_path / "d"
        )
        == "IncompleteBody"
    )


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content_md5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"content_md5": "not base64!"}, "InvalidDigest"),
        ({"x_amz_checksum_crc32": crc32(b"other")}, "BadDigest"),
        ({"x_amz_checksum_sha1": base64.b64encode(bytes(20)).decode()}, "BadDigest"),
        ({"x_amz_checksum_sha256": base64.b64encode(bytes(32)).decode()}, "BadDigest"),
        ({"x_amz_trailer": "x-amz-checksum-crc32"}, "MalformedTrailerError"),
    ],
)
async def test_checksums_are_verified(tmp_path: Path, headers: dict[str, str], code: str) -> None:
    assert await refusal(request(**headers), "UNSIGNED-PAYLOAD", b"data", tmp_path / "x") == code
    good = request(
        content_md5=base64.b64encode(hashlib.md5(b"data").digest()).decode(),
        x_amz_checksum_crc32=crc32(b"data"),
        x_amz_checksum_sha256=base64.b64encode(hashlib.sha256(b"data").digest()).decode(),
    )
    assert (await receive(good, identity("UNSIGNED-PAYLOAD"), Body(b"data", 2), tmp_path / "y")).size == 4


async def test_framing_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for number, body in enumerate((b"zz\r\n", b"-5\r\nabc", b"fffffffffff\r\n", b"a" * 20_000)):
        code = await refusal(request(), "STREAMING-UNSIGNED-PAYLOAD-TRAILER", body, tmp_path / str(number))
        assert code == "InvalidArgument"
    longer = b"2\r\nabc\r\n0\r\n\r\n"
    assert (
        await refusal(request(), "STREAMING-UNSIGNED-PAYLOAD-TRAILER", longer, tmp_path / "l")
        == "IncompleteBody"
    )


async def test_documents_have_a_limit() -> None:
    who = identity("UNSIGNED-PAYLOAD")
    assert await read_small(request(), who, Body(b"<x/>", 2)) == b"<x/>"
    with pytest.raises(S3Error, match="EntityTooLarge"):
        await read_small(request(), who, Body(b"x" * 100, 10), limit=50)
    with pytest.raises(S3Error, match="XAmzContentSHA256Mismatch"):
        await read_small(request(), identity(EMPTY), Body(b"x", 10))
