"""Objects as plain files: which file holds which key, and how one appears atomically and durably.

A key is the path of its file, so that a person finds what they expect; three things need an escape.
Characters a file name cannot hold are written `%XX`. The parts "", "." and ".." are written `%empty`,
`%2E` and `%2E%2E`. And a key may be an object and a prefix at once (`a` and `a/b`), which a file system
cannot hold: the later one of the two gets the name `a%file` or `a%dir`. No key ever yields a bare
`%staging`, where files are written before they get their name.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_STAGING = "%staging"
_FILE, _DIR = "%file", "%dir"
_UNSAFE = re.compile(r"[%\x00-\x1f\x7f\\]")
_ESCAPED = re.compile(r"%([0-9A-F]{2})")
_STALE_AFTER_S = 24 * 3600.0


@dataclass(frozen=True)
class StoredFile:
    """An object's file as it stood when looked at: key, path, bytes, etag, mtime in Unix seconds."""

    key: str
    path: Path
    size: int
    etag: str
    modified: float


class ObjectTree:
    """The files of one store root. Several threads and processes may work on one tree at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._staging = root / _STAGING

    def find(self, key: str) -> StoredFile | None:
        """Returns the object's file, or None where there is none."""
        for path in self._candidates(key):
            found = _stored(key, path)
            if found:
                return found
        return None

    def stage(self) -> Path:
        """Returns a fresh path to write an object's bytes to, on the file system of the tree."""
        self._staging.mkdir(parents=True, exist_ok=True)
        return self._staging / os.urandom(12).hex()

    def publish(self, staged: Path, key: str, *, replace: bool) -> StoredFile | None:
        """Gives a staged file its name, atomically and durably.

        Args:
            staged: a complete file from `stage`; it is gone afterwards in every case.
            key: the object's key.
            replace: whether an object that exists is replaced.

        Returns:
            The object, or None when one exists and `replace` is false.
        """
        try:
            stamp = time.time_ns()
            os.utime(staged, ns=(stamp, stamp))
            _sync(staged)
            return self._link(staged, key, replace=replace)
        finally:
            staged.unlink(missing_ok=True)

    def _link(self, staged: Path, key: str, *, replace: bool) -> StoredFile | None:
        for attempt in range(10):
            existing = self.find(key)
            if existing and not replace:
                return None
            destination = existing.path if existing else self._new_path(key)
            try:
                if replace:
                    os.replace(staged, destination)
                else:
                    os.link(staged, destination)
            except FileExistsError:
                # Another writer was first, or a directory of that name appeared: look again.
                if attempt == 9:
                    return None
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                # A directory on the way was pruned, or its name taken, since it was chosen.
                if attempt == 9 or not staged.exists():
                    raise
            else:
                _sync(destination.parent)
                return _stored(key, destination)
        return None

    def delete(self, key: str) -> bool:
        """Removes an object durably; returns whether there was one. Directories stay: see `prune`."""
        found = self.find(key)
        if not found:
            return False
        found.path.unlink(missing_ok=True)
        _sync(found.path.parent)
        return True

    def walk(self, prefix: str = "", start_after: str = "") -> Iterator[StoredFile]:
        """Yields objects whose key starts with the string `prefix` and is greater than `start_after`.

        The order is that of the keys' UTF-8 bytes (Python orders `str` the same way).
        """
        folder, _, _ = prefix.rpartition("/")
        folders = self._folders(folder.split("/")) if "/" in prefix else [self.root]
        yield from self._walk(folders, folder + "/" if "/" in prefix else "", prefix, start_after)

    def _walk(self, folders: list[Path], at: str, prefix: str, start_after: str) -> Iterator[StoredFile]:
        entries: dict[str, list[Path]] = {}
        for folder in folders:
            for name, is_dir in _entries(folder):
                part = _unescape(name)
                if part is not None:
                    entries.setdefault(part + "/" if is_dir else part, []).append(folder / name)
        for part in sorted(entries):
            key = at + part
            if part.endswith("/"):
                wanted = key.startswith(prefix) or prefix.startswith(key)
                if wanted and (key > start_after or start_after.startswith(key)):
                    yield from self._walk(entries[part], key, prefix, start_after)
            elif key.startswith(prefix) and key > start_after:
                for path in entries[part]:
                    found = _stored(key, path)
                    if found:
                        yield found
                        break

    def prune(self, prefix: str) -> None:
        """Removes the empty directories at and below the path `prefix`."""
        for folder in self._folders(prefix.split("/")) if prefix else [self.root]:
            for parent, names, _ in os.walk(folder, topdown=False):
                for name in names:
                    _remove_if_empty(Path(parent, name))
            if folder != self.root:
                _remove_if_empty(folder)

    def sweep(self, older_than_s: float = _STALE_AFTER_S) -> int:
        """Removes what writers that died left unpublished; returns how many files."""
        count = 0
        limit = time.time() - older_than_s
        for name, is_dir in _entries(self._staging):
            path = self._staging / name
            if not is_dir and path.lstat().st_mtime < limit:
                path.unlink(missing_ok=True)
                count += 1
        return count

    def _candidates(self, key: str) -> Iterator[Path]:
        parts = [_escape(part) for part in key.split("/")]
        yield self.root.joinpath(*parts)
        for folder in self._folders(key.split("/")[:-1]):
            yield folder / parts[-1]
            yield folder / (parts[-1] + _FILE)

    def _folders(self, parts: list[str]) -> list[Path]:
        """Returns the one or more existing directories that hold the keys below these key parts."""
        folders = [self.root]
        for part in parts:
            name = _escape(part)
            found = [folder / variant for folder in folders for variant in (name, name + _DIR)]
            folders = [folder for folder in found if folder.is_dir()]
        return folders

    def _new_path(self, key: str) -> Path:
        """Returns where a new object goes, with its directories made durably."""
        *parents, last = (_escape(part) for part in key.split("/"))
        folder = self.root
        folder.mkdir(parents=True, exist_ok=True)
        for name in parents:
            folder = _make_folder(folder, name)
        plain = folder / last
        return folder / (last + _FILE) if plain.is_dir() else plain


def _make_folder(parent: Path, name: str) -> Path:
    for variant in (name, name + _DIR):
        folder = parent / variant
        if folder.is_dir():
            return folder
        try:
            folder.mkdir()
        except FileExistsError:
            if folder.is_dir():
                return folder
            continue
        _sync(parent)
        return folder
    raise NotADirectoryError(f"{parent / name} is taken by a file")


def _escape(part: str) -> str:
    if part in ("", ".", ".."):
        return {"": "%empty", ".": "%2E", "..": "%2E%2E"}[part]
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", part)


def _unescape(name: str) -> str | None:
    """Returns the key part a file name stands for, or None for a file that is no object."""
    for suffix in (_FILE, _DIR):
        name = name.removesuffix(suffix)
    if name == "%empty":
        return ""
    part = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name)
    return part if _escape(part) == name else None


def _entries(folder: Path) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as found:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in found]
    except FileNotFoundError:
        return []


def _stored(key: str, path: Path) -> StoredFile | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if path.is_dir():
        return None
    # Not a hash: publish() stamps each version with the clock's nanoseconds, so equal means same version.
    etag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    return StoredFile(key, path, status.st_size, etag, status.st_mtime)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
