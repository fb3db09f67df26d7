"""The object verbs: GET, HEAD, PUT, DELETE, copy and multipart, from a verified request to an answer."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import unquote

from limosa_sandbox.s3.bucket import (
    DEFAULT_TYPE,
    Bucket,
    StoredObject,
    check_bucket_name,
    check_key,
    kept_headers,
)
from limosa_sandbox.s3.conditions import check_read, check_write, must_be_absent, precondition_failed
from limosa_sandbox.s3.documents import document, element, parse, timestamp
from limosa_sandbox.s3.errors import S3Error, invalid_argument
from limosa_sandbox.s3.multipart import Upload, parse_completion
from limosa_sandbox.s3.payload import Reader, read_small, receive
from limosa_sandbox.s3.signature import Identity, SignedRequest
from limosa_store.tree import StoredFile

_T = TypeVar("_T")
_READ_BYTES = 1 << 20
_LOCKS = 64
_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")
_OVERRIDES = (
    "content-type",
    "content-disposition",
    "content-encoding",
    "content-language",
    "cache-control",
    "expires",
)


@dataclass
class Answer:
    """An HTTP answer: status, headers, and a body as bytes, or `length` bytes as a stream or not at all."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    length: int | None = None


@dataclass(frozen=True)
class Call:
    """A verified request for one bucket and key ("" for the bucket itself)."""

    request: SignedRequest
    query: Mapping[str, str]
    identity: Identity
    body: Reader
    bucket_name: str
    bucket: Bucket
    key: str


class Objects:
    """The object verbs over one root directory; writers of one key take turns."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._locks = [asyncio.Lock() for _ in range(_LOCKS)]

    def _lock(self, call: Call) -> asyncio.Lock:
        return self._locks[hash((call.bucket_name, call.key)) % _LOCKS]

    async def get(self, call: Call) -> Answer:
        """GetObject and HeadObject."""
        found = call.bucket.get(call.key)
        check_read(call.request, found.file)
        headers = _object_headers(found, call.query)
        part = _range(call.request.header("range"), found.file.size)
        start, length = part or (0, found.file.size)
        answer = Answer(200, headers, length=length)
        if part:
            answer.status = 206
            headers["content-range"] = f"bytes {start}-{start + length - 1}/{found.file.size}"
        if call.request.method == "GET":
            file = found.file.path.open("rb")
            if length <= _READ_BYTES:
                with file:
                    file.seek(start)
                    answer.body = file.read(length)
            else:
                answer.stream = _stream(file, start, length)
        return answer

    async def put(self, call: Call) -> Answer:
        """PutObject, or CopyObject where a source is named."""
        if call.request.header("x-amz-copy-source"):
            return await self._copy(call)
        staged = await self._receive(call)
        file = await self._publish(call, staged, kept_headers(call.request.headers))
        return Answer(200, {"etag": f'"{file.etag}"'})

    async def _receive(self, call: Call) -> Path:
        staged = call.bucket.tree.stage()
        try:
            await receive(call.request, call.identity, call.body, staged)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        return staged

    async def _publish(self, call: Call, staged: Path, headers: dict[str, str]) -> StoredFile:
        try:
            create = must_be_absent(call.request)
            async with self._lock(call):
                check_write(call.request, call.key, call.bucket.find(call.key))
                file = await _in_thread(
                    lambda: call.bucket.publish(staged, call.key, headers, replace=not create)
                )
        finally:
            staged.unlink(missing_ok=True)
        if file is None:
            raise precondition_failed()
        return file

    async def _copy(self, call: Call) -> Answer:
        source = self._source(call)
        staged = call.bucket.tree.stage()
        await _in_thread(lambda: _copy_range(source.file.path, staged, 0, source.file.size))
        replaced = call.request.header("x-amz-metadata-directive") == "REPLACE"
        headers = kept_headers(call.request.headers) if replaced else source.headers
        file = await self._publish(call, staged, headers)
        return Answer(
            200,
            {"content-type": "application/xml"},
            document(
                "CopyObjectResult",
                element("LastModified", timestamp(file.modified)),
                element("ETag", f'"{file.etag}"'),
            ),
        )

    def _source(self, call: Call) -> StoredObject:
        path = unquote(call.request.header("x-amz-copy-source").partition("?")[0]).lstrip("/")
        name, _, key = path.partition("/")
        check_bucket_name(name)
        check_key(key)
        if not call.identity.credential.may_read(path):
            raise S3Error(403, "AccessDenied", "The access key may not read the source.")
        source = Bucket(self._root / name).get(key)
        wanted = call.request.header("x-amz-copy-source-if-match").strip('"')
        if wanted and wanted != source.file.etag:
            raise precondition_failed()
        return source

    async def delete(self, call: Call) -> Answer:
        """DeleteObject."""
        async with self._lock(call):
            if call.request.header("if-match"):
                check_write(call.request, call.key, call.bucket.find(call.key))
            await _in_thread(lambda: call.bucket.delete(call.key))
        return Answer(204)

    async def delete_many(self, call: Call) -> Answer:
        """DeleteObjects: up to 1,000 keys, each with an answer of its own."""
        tree = parse(await read_small(call.request, call.identity, call.body), "Delete")
        keys = [node.findtext("Key") or "" for node in tree.findall("Object")]
        quiet = (tree.findtext("Quiet") or "").lower() == "true"
        if not 1 <= len(keys) <= 1000:
            raise S3Error(400, "MalformedXML", "Between 1 and 1,000 keys can be deleted at a time.")
        parts = []
        for key in keys:
            if not call.identity.credential.may_write(f"{call.bucket_name}/{key}"):
                denied = (
                    element("Key", key)
                    + element("Code", "AccessDenied")
                    + element("Message", "Access Denied")
                )
                parts.append(f"<Error>{denied}</Error>")
                continue
            check_key(key)
            await _in_thread(lambda key=key: call.bucket.delete(key))  # type: ignore[misc]
            if not quiet:
                parts.append(f"<Deleted>{element('Key', key)}</Deleted>")
        return Answer(200, {"content-type": "application/xml"}, document("DeleteResult", *parts))

    async def create_upload(self, call: Call) -> Answer:
        """CreateMultipartUpload."""
        upload = Upload.create(call.bucket, call.key, kept_headers(call.request.headers))
        body = document(
            "InitiateMultipartUploadResult",
            element("Bucket", call.bucket_name),
            element("Key", call.key),
            element("UploadId", upload.id),
        )
        return Answer(200, {"content-type": "application/xml"}, body)

    async def put_part(self, call: Call) -> Answer:
        """UploadPart and UploadPartCopy."""
        upload = Upload(call.bucket, call.query["uploadId"], call.key)
        number = call.query.get("partNumber", "")
        if not number.isdigit():
            raise invalid_argument("partNumber must be a number.")
        if call.request.header("x-amz-copy-source"):
            return await self._copy_part(call, upload, int(number))
        staged = call.bucket.tree.stage()
        try:
            received = await receive(call.request, call.identity, call.body, staged)
            upload.add(int(number), staged, received.md5)
        finally:
            staged.unlink(missing_ok=True)
        return Answer(200, {"etag": f'"{received.md5}"'})

    async def _copy_part(self, call: Call, upload: Upload, number: int) -> Answer:
        source = self._source(call)
        part = _range(call.request.header("x-amz-copy-source-range"), source.file.size)
        start, length = part or (0, source.file.size)
        staged = call.bucket.tree.stage()
        etag = await _in_thread(lambda: _copy_range(source.file.path, staged, start, length))
        upload.add(number, staged, etag)
        return Answer(
            200,
            {"content-type": "application/xml"},
            document("CopyPartResult", element("ETag", f'"{etag}"')),
        )

    async def complete_upload(self, call: Call) -> Answer:
        """CompleteMultipartUpload; asking again after success answers the same."""
        upload = Upload(call.bucket, call.query["uploadId"], call.key)
        wanted = parse_completion(await read_small(call.request, call.identity, call.body))
        etag = upload.completed_etag
        if not etag:
            create = must_be_absent(call.request)
            async with self._lock(call):
                check_write(call.request, call.key, call.bucket.find(call.key))
                file = await _in_thread(lambda: upload.complete(wanted, replace=not create))
            if file is None:
                raise precondition_failed()
            etag = file.etag
        body = document(
            "CompleteMultipartUploadResult",
            element("Bucket", call.bucket_name),
            element("Key", call.key),
            element("ETag", f'"{etag}"'),
        )
        return Answer(200, {"content-type": "application/xml"}, body)

    async def abort_upload(self, call: Call) -> Answer:
        """AbortMultipartUpload."""
        Upload(call.bucket, call.query["uploadId"], call.key).abort()
        return Answer(204)

    async def list_parts(self, call: Call) -> Answer:
        """ListParts, all in one page."""
        upload = Upload(call.bucket, call.query["uploadId"], call.key)
        parts = [
            "<Part>"
            + element("PartNumber", part.number)
            + element("LastModified", timestamp(part.modified))
            + element("ETag", f'"{part.etag}"')
            + element("Size", part.size)
            + "</Part>"
            for part in upload.parts()
        ]
        head = [element("Bucket", call.bucket_name), element("Key", call.key), element("UploadId", upload.id)]
        body = document("ListPartsResult", *head, element("IsTruncated", False), *parts)
        return Answer(200, {"content-type": "application/xml"}, body)


async def _in_thread(work: Callable[[], _T]) -> _T:
    return await asyncio.to_thread(work)


def _object_headers(found: StoredObject, query: Mapping[str, str]) -> dict[str, str]:
    headers = {
        "content-type": DEFAULT_TYPE,
        **found.headers,
        "etag": f'"{found.file.etag}"',
        "last-modified": formatdate(found.file.modified, usegmt=True),
        "accept-ranges": "bytes",
    }
    for name in _OVERRIDES:
        if query.get(f"response-{name}"):
            headers[name] = query[f"response-{name}"]
    return headers


def _range(header: str, size: int) -> tuple[int, int] | None:
    """Returns (start, length) of a Range header; None without one, or for one that S3 ignores.

    Raises:
        S3Error: InvalidRange when it lies outside the object.
    """
    match = _RANGE.match(header.strip())
    if not match or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    if not first:
        start, end = max(0, size - int(last)), size - 1
    elif last and int(last) < int(first):
        return None
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start >= size or end < start:
        raise S3Error(416, "InvalidRange", f"The range {header} is outside the object's {size} bytes.")
    return start, end - start + 1


async def _stream(file: BinaryIO, start: int, length: int) -> AsyncIterator[bytes]:
    with file:
        file.seek(start)
        while length > 0:
            piece = await asyncio.to_thread(file.read, min(length, _READ_BYTES))
            if not piece:
                return
            length -= len(piece)
            yield piece


def _copy_range(source: Path, staged: Path, start: int, length: int) -> str:
    md5 = hashlib.md5(usedforsecurity=False)
    with source.open("rb") as reader, staged.open("xb") as writer:
        reader.seek(start)
        while length > 0:
            piece = reader.read(min(length, _READ_BYTES))
            if not piece:
                break
            writer.write(piece)
            md5.update(piece)
            length -= len(piece)
    return md5.hexdigest()
