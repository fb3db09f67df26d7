"""Moving bytes between a pod and the object store, as converters ask for it."""

import itertools
from pathlib import Path
from typing import BinaryIO

from limosa.runtime.outcome import LaunchFailed
from limosa.types.checked import check, checked, copy, digest_of_members, measure, members
from limosa.types.converter import ValueProblem
from limosa.types.transfer import Stored
from limosa_model import failures
from limosa_model.failures import Code
from limosa_store import ErrorCode, Store, StoreError


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
        size, digest = measure(path)
        self._put(key, path, name)
        return Stored(self._store.uri(key), size, digest)

    def upload_directory(self, path: Path, name: str) -> Stored:
        """Stores every file below a directory; links are followed, as a reader would see them."""
        prefix = f"{self._prefix}/{next(self._numbers)}/{name}"
        total, digests = 0, {}
        for relative, file in members(path):
            size, digests[relative] = measure(file)
            self._put(f"{prefix}/{relative}", file, relative)
            total += size
        return Stored(self._store.uri(prefix), total, digest_of_members(digests))

    def _put(self, key: str, path: Path, name: str) -> None:
        try:
            self._store.put(key, path)
        except StoreError as error:
            if error.code is not ErrorCode.INVALID_KEY:
                raise
            why = "it has a control character, is not Unicode, or has a part of more than 200 bytes"
            raise ValueProblem(
                f"the store cannot hold a file of the name {name[:80]!r}", f"rename it: {why}"
            ) from error

    def download_file(self, uri: str, name: str, digest: str = "") -> Path:
        """A local copy; the same one for the same URI."""
        if uri not in self._local:
            target = self.scratch(name)
            check(uri, self._copy(self._key(uri), target), digest)
            self._local[uri] = target
        return self._local[uri]

    def download_directory(self, uri: str, name: str, digest: str = "") -> Path:
        """A local copy of everything below a prefix; the same one for the same URI."""
        if uri not in self._local:
            target = self.scratch(name)
            target.mkdir()
            prefix, digests = self._key(uri), {}
            for info in self._store.list(prefix):
                relative = info.key[len(prefix) + 1 :]
                file = target / relative
                file.parent.mkdir(parents=True, exist_ok=True)
                digests[relative] = self._copy(info.key, file)
            check(uri, digest_of_members(digests), digest)
            self._local[uri] = target
        return self._local[uri]

    def open_file(self, uri: str, digest: str = "") -> BinaryIO:
        """Reads an object from its start."""
        return checked(self._store.open_reader(self._key(uri)), uri, digest)

    def scratch(self, name: str) -> Path:
        """A new path of this pod."""
        folder = self._scratch / f"data-{next(self._numbers)}"
        folder.mkdir()
        return folder / name

    def _copy(self, key: str, target: Path) -> str:
        with self._store.open_reader(key) as source:
            return copy(source, target)

    def _key(self, uri: str) -> str:
        key = self._store.key(uri)
        if key is None:
            message = (
                f"{uri} does not lie in this platform's store ({self._store.settings.url}): download it, and give "
                "the run the local file, which is uploaded; or read it in the task with a library of yours"
            )
            raise LaunchFailed(failures.user(Code.FILE_OUT_OF_REACH, message))
        return key
