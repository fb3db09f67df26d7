"""One bucket: its objects' files, and beside them what S3 remembers of an object apart from its bytes."""

import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from limosa_sandbox.s3.errors import S3Error, no_such_key
from limosa_store.tree import ObjectTree, StoredFile

_NAME = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
_MAX_KEY_BYTES = 1024
DEFAULT_TYPE = "binary/octet-stream"
_KEPT = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
_USER = "x-amz-meta-"


@dataclass(frozen=True)
class StoredObject:
    """An object's file and the response headers its writer gave it."""

    file: StoredFile
    headers: dict[str, str]


class Bucket:
    """The directory of one bucket. All methods block on the file system."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = ObjectTree(root)
        self.uploads = root / "%uploads"
        self._metadata = root / "%meta"

    def exists(self) -> bool:
        """Says whether the bucket was created."""
        return self.root.is_dir()

    def is_empty(self) -> bool:
        """Says whether there is no object in it."""
        return next(self.tree.walk(), None) is None

    def remove(self) -> None:
        """Removes the bucket and all that is kept beside its objects."""
        shutil.rmtree(self.root)

    def get(self, key: str) -> StoredObject:
        """Returns an object, or raises NoSuchKey."""
        file = self.tree.find(key)
        if file is None:
            raise no_such_key(key)
        return StoredObject(file, self._read_headers(file))

    def find(self, key: str) -> StoredFile | None:
        """Returns an object's file, or None."""
        return self.tree.find(key)

    def publish(self, staged: Path, key: str, headers: dict[str, str], *, replace: bool) -> StoredFile | None:
        """Gives a received file its key; returns None when an object exists and `replace` is false."""
        file = self.tree.publish(staged, key, replace=replace)
        if file and headers:
            self._write_headers(file, headers)
        return file

    def delete(self, key: str) -> None:
        """Removes an object; no error where there is none."""
        if self.tree.delete(key):
            self._headers_path(key).unlink(missing_ok=True)

    def _headers_path(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self._metadata / digest[:2] / f"{digest[2:]}.json"

    def _read_headers(self, file: StoredFile) -> dict[str, str]:
        try:
            kept = json.loads(self._headers_path(file.key).read_text())
        except (FileNotFoundError, ValueError):
            return {}
        # Those of a version that was replaced, by a writer who gave none or by hand, no longer count.
        return dict(kept["headers"]) if kept["etag"] == file.etag else {}

    def _write_headers(self, file: StoredFile, headers: dict[str, str]) -> None:
        path = self._headers_path(file.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.urandom(6).hex()}")
        fresh.write_text(json.dumps({"key": file.key, "etag": file.etag, "headers": headers}))
        fresh.replace(path)


def check_bucket_name(name: str) -> None:
    """Refuses names that S3 refuses (which also keeps them inside the root directory)."""
    if not _NAME.match(name) or ".." in name:
        raise S3Error(400, "InvalidBucketName", f"{name!r} is not a valid bucket name.")


def check_key(key: str) -> None:
    """Refuses keys that S3 or the file system cannot hold."""
    if len(key.encode("utf-8", "surrogateescape")) > _MAX_KEY_BYTES:
        raise S3Error(400, "KeyTooLongError", f"The key is longer than {_MAX_KEY_BYTES} bytes.")
    if any(0xD800 <= ord(char) <= 0xDFFF for char in key):
        raise S3Error(400, "InvalidURI", "The key is not UTF-8.")
    if "\0" in key:
        raise S3Error(400, "InvalidArgument", "The key has a NUL character.")


def kept_headers(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Returns those headers of an upload that come back with the object."""
    kept = {name: value for name, value in headers if name in _KEPT or name.startswith(_USER)}
    encoding = kept.pop("content-encoding", "")
    encodings = [
        item for item in (part.strip() for part in encoding.split(",")) if item and item != "aws-chunked"
    ]
    if encodings:
        kept["content-encoding"] = ", ".join(encodings)
    if kept.get("content-type") in (DEFAULT_TYPE, "application/octet-stream"):
        del kept["content-type"]
    return kept
