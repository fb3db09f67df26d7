"""Bytes of local runs: files below one directory, referred to by file:// URIs."""

import hashlib
import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from limosa.errors import LimosaError
from limosa.types.transfer import Stored

_CHUNK = 1024 * 1024


class LocalTransfer:
    """Stores values of a local run; what is read is a private copy, as in a pod."""

    def __init__(self, data: Path | None, scratch: Path) -> None:
        """Names the places.

        Args:
            data: Where stored values are copied to; None refers to them where they lie, as for inputs of a run.
            scratch: For copies and for files that converters write.
        """
        self._data = data
        self._scratch = scratch
        self._numbers = itertools.count()
        self._copies: dict[str, Path] = {}

    def upload_file(self, path: Path, name: str) -> Stored:
        """Keeps a file."""
        kept = self._keep(path, name, shutil.copyfile)
        size, digest = _measure(kept)
        return Stored(kept.as_uri(), size, digest)

    def upload_directory(self, path: Path, name: str) -> Stored:
        """Keeps a directory with everything below it."""
        kept = self._keep(path, name, shutil.copytree)
        total, whole = 0, hashlib.sha256()
        for file in sorted(entry for entry in kept.rglob("*") if entry.is_file()):
            size, digest = _measure(file)
            whole.update(f"{file.relative_to(kept).as_posix()}\0{digest}\n".encode())
            total += size
        return Stored(kept.as_uri(), total, "sha256:" + whole.hexdigest())

    def download_file(self, uri: str, name: str) -> Path:
        """A private copy of a file."""
        if uri not in self._copies:
            target = self.scratch(name)
            shutil.copyfile(local_path(uri), target)
            self._copies[uri] = target
        return self._copies[uri]

    def download_directory(self, uri: str, name: str) -> Path:
        """A private copy of a directory."""
        if uri not in self._copies:
            target = self.scratch(name)
            shutil.copytree(local_path(uri), target)
            self._copies[uri] = target
        return self._copies[uri]

    def open_file(self, uri: str) -> BinaryIO:
        """Reads a file from its start."""
        return local_path(uri).open("rb")

    def scratch(self, name: str) -> Path:
        """A new path below the scratch directory."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self._scratch)) / name

    def _keep(self, path: Path, name: str, copy: Callable[[Path, Path], object]) -> Path:
        if self._data is None:
            return path.resolve()
        target = (self._data / str(next(self._numbers)) / name).resolve()
        target.parent.mkdir(parents=True)
        copy(path, target)
        return target


def local_path(uri: str) -> Path:
    """The path of a file:// URI. Raises LimosaError when it is another kind, or gone."""
    parts = urlsplit(uri)
    if parts.scheme != "file":
        message = f"{uri} does not lie on this machine, where the workflow runs"
        raise LimosaError("RemoteFile", message, remedy="download it first, or run with --remote")
    path = Path(unquote(parts.path))
    if not path.exists():
        raise LimosaError("MissingFile", f"{uri} is not there any more")
    return path


def _measure(path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return size, "sha256:" + digest.hexdigest()
