"""Moving bytes between a pod and the object store, as converters ask for it."""

import hashlib
import itertools
from pathlib import Path
from typing import BinaryIO

from limosa.runtime.outcome import LaunchFailed
from limosa.types.transfer import Stored
from limosa_model import failures
from limosa_model.failures import Code
from limosa_store import Store

_CHUNK = 1024 * 1024


class LaunchTransfer:
    """Writes below one launch's data prefix; reads anything below the store's root."""

    def __init__(self, store: Store, data_prefix: str, scratch: Path) -> None:
        """Takes the store, the key prefix of this launch's data, and a directory of this pod."""
        self._store = store
        self._prefix = data_prefix
        self._scratch = scratch
        self._numbers = itertools.count()
        self._local: dict[str, Path] = {}

    def upload_file(self, path: Path, name: str) -> Stored:
        """Stores a file below the launch's data."""
        key = f"{self._prefix}/{next(self._numbers)}/{name}"
        size, digest = _measure(path)
        self._store.put(key, path)
        return Stored(self._store.uri(key), size, digest)

    def upload_directory(self, path: Path, name: str) -> Stored:
        """Stores every file below a directory; links are followed, as a reader would see them."""
        prefix = f"{self._prefix}/{next(self._numbers)}/{name}"
        total, whole = 0, hashlib.sha256()
        for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
            relative = file.relative_to(path).as_posix()
            size, digest = _measure(file)
            self._store.put(f"{prefix}/{relative}", file)
            whole.update(f"{relative}\0{digest}\n".encode())
            total += size
        return Stored(self._store.uri(prefix), total, "sha256:" + whole.hexdigest())

    def download_file(self, uri: str, name: str) -> Path:
        """A local copy; the same one for the same URI."""
        if uri not in self._local:
            target = self.scratch(name)
            self._copy(self._key(uri), target)
            self._local[uri] = target
        return self._local[uri]

    def download_directory(self, uri: str, name: str) -> Path:
        """A local copy of everything below a prefix; the same one for the same URI."""
        if uri not in self._local:
            target = self.scratch(name)
            target.mkdir()
            prefix = self._key(uri)
            for info in self._store.list(prefix):
                file = target / info.key[len(prefix) + 1 :]
                file.parent.mkdir(parents=True, exist_ok=True)
                self._copy(info.key, file)
            self._local[uri] = target
        return self._local[uri]

    def open_file(self, uri: str) -> BinaryIO:
        """Reads an object from its start."""
        return self._store.open_reader(self._key(uri))

    def scratch(self, name: str) -> Path:
        """A new path of this pod."""
        folder = self._scratch / f"data-{next(self._numbers)}"
        folder.mkdir()
        return folder / name

    def _copy(self, key: str, target: Path) -> None:
        with self._store.open_reader(key) as source, target.open("wb") as sink:
            while chunk := source.read(_CHUNK):
                sink.write(chunk)

    def _key(self, uri: str) -> str:
        key = self._store.key(uri)
        if key is None:
            message = (
                f"{uri} does not lie in this platform's store ({self._store.settings.url}): download it, and give "
                "the run the local file, which is uploaded; or read it in the task with a library of yours"
            )
            raise LaunchFailed(failures.user(Code.FILE_OUT_OF_REACH, message))
        return key


def _measure(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, "sha256:" + digest.hexdigest()
