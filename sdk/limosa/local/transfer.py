"""Bytes of local runs: files below one directory, referred to by file:// URIs."""

import functools
import itertools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from limosa.errors import CorruptData, LimosaError
from limosa.types.checked import KEPT_RUNS, check, checked, copy, digest_of_members, measure, members
from limosa.types.transfer import Stored


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
        size, digest = measure(kept)
        return Stored(kept.as_uri(), size, digest)

    def upload_directory(self, path: Path, name: str) -> Stored:
        """Keeps a directory with everything below it."""
        kept = self._keep(path, name, _copy_tree)
        total, digests = 0, {}
        for relative, file in members(kept):
            size, digests[relative] = measure(file)
            total += size
        return Stored(kept.as_uri(), total, digest_of_members(digests))

    def download_file(self, uri: str, name: str, digest: str = "") -> Path:
        """A private copy of a file."""
        if uri not in self._copies:
            self._copies[uri] = copied_file(uri, self.scratch(name), digest)
        return self._copies[uri]

    def download_directory(self, uri: str, name: str, digest: str = "") -> Path:
        """A private copy of a directory."""
        if uri not in self._copies:
            self._copies[uri] = copied_directory(uri, self.scratch(name), digest)
        return self._copies[uri]

    def open_file(self, uri: str, digest: str = "") -> BinaryIO:
        """Reads a file from its start."""
        return checked(local_path(uri).open("rb"), uri, digest, _verify)

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


_copy_tree = functools.partial(shutil.copytree, ignore=shutil.ignore_patterns(KEPT_RUNS))


def _verify(uri: str, found: str, expected: str) -> None:
    """Compares digests; a file that is the person's own, which a run reads where it lies, was changed by the person."""
    try:
        check(uri, found, expected)
    except CorruptData as error:
        path = local_path(uri)
        if KEPT_RUNS in path.parts:
            raise
        files = [file for _, file in members(path)] if path.is_dir() else []
        last = max(files, key=lambda file: file.stat().st_mtime, default=None)
        detail = f" (changed last: {last.relative_to(path)})" if last is not None else ""
        message = f"{path} changed after the run began{detail}"
        remedy = "leave it as it is until the run has ended, or pass a copy"
        raise LimosaError("InputChanged", message, remedy=remedy) from error


def copied_file(uri: str, target: Path, digest: str) -> Path:
    """Copies the file of a file:// URI to a path.

    Raises:
        LimosaError: It is not there, or the person changed it.
        CorruptData: It is one that a run keeps, and its digest is another.
    """
    with local_path(uri).open("rb") as source:
        _verify(uri, copy(source, target), digest)
    return target


def copied_directory(uri: str, target: Path, digest: str) -> Path:
    """Copies a directory to a path, which may be there; likewise."""
    source, digests = local_path(uri), dict[str, str]()

    def take(path: str, into: str) -> None:
        with open(path, "rb") as stream:
            digests[Path(path).relative_to(source).as_posix()] = copy(stream, Path(into))

    _copy_tree(source, target, copy_function=take, dirs_exist_ok=True)
    _verify(uri, digest_of_members(digests), digest)
    return target
