"""Multipart uploads: parts wait in `%uploads/<id>/` until they become one object, atomically.

A completed upload leaves a note of its result for a day, so that a client whose answer was lost may ask again.
"""

import json
import re
import shutil
import time
from dataclasses import dataclass
from os import urandom
from pathlib import Path

from limosa_sandbox.s3.bucket import Bucket
from limosa_sandbox.s3.documents import parse, texts
from limosa_sandbox.s3.errors import S3Error, invalid_argument
from limosa_store.tree import StoredFile

_MIN_PART_BYTES = 5 << 20
_MAX_PARTS = 10_000
_ABANDONED_AFTER_S = 7 * 24 * 3600.0
_UPLOAD_ID = re.compile(r"^[0-9a-f]{32}$")


@dataclass(frozen=True)
class Part:
    """A part that was received: number from 1, bytes, MD5 in hex as its etag, Unix seconds."""

    number: int
    size: int
    etag: str
    modified: float
    path: Path


class Upload:
    """One upload of one key."""

    def __init__(self, bucket: Bucket, upload_id: str, key: str) -> None:
        if not _UPLOAD_ID.match(upload_id):
            raise _no_such_upload()
        self._bucket = bucket
        self.id = upload_id
        self.key = key
        self._folder = bucket.uploads / upload_id
        self._note = self._read()
        if self._note["key"] != key:
            raise _no_such_upload()

    @classmethod
    def create(cls, bucket: Bucket, key: str, headers: dict[str, str]) -> "Upload":
        """Starts an upload whose object will have these headers."""
        upload_id = urandom(16).hex()
        folder = bucket.uploads / upload_id
        folder.mkdir(parents=True)
        (folder / "upload.json").write_text(json.dumps({"key": key, "headers": headers}))
        return cls(bucket, upload_id, key)

    @property
    def completed_etag(self) -> str:
        """The etag of the object this upload became, or "" while it is open."""
        return str(self._note.get("etag", ""))

    def _read(self) -> dict[str, object]:
        try:
            note: dict[str, object] = json.loads((self._folder / "upload.json").read_text())
        except FileNotFoundError:
            raise _no_such_upload() from None
        return note

    def add(self, number: int, staged: Path, etag: str) -> None:
        """Keeps a received part; one of the same number is replaced."""
        if not 1 <= number <= _MAX_PARTS:
            staged.unlink(missing_ok=True)
            raise invalid_argument(f"partNumber must be 1 to {_MAX_PARTS}.")
        if not self._folder.is_dir():
            staged.unlink(missing_ok=True)
            raise _no_such_upload()
        staged.replace(self._folder / f"{number:05d}-{etag}")
        for part in self.parts():
            if part.number == number and part.etag != etag:
                part.path.unlink(missing_ok=True)

    def parts(self) -> list[Part]:
        """Returns the parts received so far, by number."""
        found = []
        for path in sorted(self._folder.glob("[0-9]*-*")):
            number, _, etag = path.name.partition("-")
            status = path.stat()
            found.append(Part(int(number), status.st_size, etag, status.st_mtime, path))
        return found

    def complete(self, wanted: list[tuple[int, str]], *, replace: bool) -> StoredFile | None:
        """Joins the parts into the object; None when one exists and `replace` is false.

        Raises:
            S3Error: InvalidPart, InvalidPartOrder, EntityTooSmall.
        """
        parts = self._select(wanted)
        staged = self._bucket.tree.stage()
        try:
            with staged.open("xb") as target:
                for part in parts:
                    with part.path.open("rb") as source:
                        shutil.copyfileobj(source, target, 1 << 20)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        headers = self._note["headers"]
        assert isinstance(headers, dict)
        file = self._bucket.publish(staged, self.key, headers, replace=replace)
        if file:
            self._finish(file, parts)
        return file

    def _select(self, wanted: list[tuple[int, str]]) -> list[Part]:
        received = {part.number: part for part in self.parts()}
        numbers = [number for number, _ in wanted]
        if not wanted or numbers != sorted(set(numbers)):
            raise S3Error(400, "InvalidPartOrder", "The parts must be listed once each, in ascending order.")
        for number, etag in wanted:
            if number not in received or received[number].etag != etag:
                raise S3Error(400, "InvalidPart", f"Part {number} was not received, or not with that ETag.")
        parts = [received[number] for number in numbers]
        if any(part.size < _MIN_PART_BYTES for part in parts[:-1]):
            raise S3Error(400, "EntityTooSmall", "Every part but the last must have 5 MiB or more.")
        return parts

    def _finish(self, file: StoredFile, parts: list[Part]) -> None:
        note = self._folder / "upload.json"
        fresh = self._folder / "done.json"
        fresh.write_text(json.dumps({"key": self.key, "etag": file.etag}))
        fresh.replace(note)
        for part in self.parts():
            part.path.unlink(missing_ok=True)

    def abort(self) -> None:
        """Drops the upload and its parts."""
        shutil.rmtree(self._folder, ignore_errors=True)


def parse_completion(data: bytes) -> list[tuple[int, str]]:
    """Reads a CompleteMultipartUpload document: part numbers and etags."""
    found = []
    for node in parse(data, "CompleteMultipartUpload").findall("Part"):
        number, etag = texts(node, ("PartNumber", "ETag"))
        if not number.isdigit():
            raise S3Error(400, "MalformedXML", "A part has no number.")
        found.append((int(number), etag.strip('"')))
    return found


def sweep(bucket: Bucket) -> int:
    """Drops uploads that nobody finished for a week, and notes of finished ones; returns how many."""
    count = 0
    for folder in bucket.uploads.glob("*"):
        if folder.stat().st_mtime < time.time() - _ABANDONED_AFTER_S:
            shutil.rmtree(folder, ignore_errors=True)
            count += 1
    return count


def _no_such_upload() -> S3Error:
    return S3Error(404, "NoSuchUpload", "The upload does not exist; it may have been aborted or completed.")
