"""Checkpoints: what an attempt of a task keeps so that the next one need not begin from nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class CheckpointStore(Protocol):
    """Where checkpoints lie: one object for each attempt."""

    def uri(self) -> str:
        """Where this attempt keeps its own."""
        ...

    def previous(self) -> Iterator[str]:
        """URIs of the attempts before this one, the latest first."""
        ...

    def fetch(self, uri: str, target: Path) -> bool:
        """Copies a checkpoint into a file; False where there is none."""
        ...

    def keep(self, source: Path) -> None:
        """Replaces this attempt's checkpoint by a file, at once or not at all."""
        ...


class Checkpoint:
    """The checkpoint of the running attempt: one blob, replaced as a whole by each write.

    An attempt reads what the latest attempt before it wrote; one that wrote nothing is passed over. Checkpoints live as long
    as the data of their run. For a directory make an archive first (`shutil.make_archive`).
    """

    def __init__(self, store: CheckpointStore, scratch: Path) -> None:
        """Takes the store and a directory of this attempt."""
        self._store = store
        self._scratch = scratch

    @property
    def uri(self) -> str:
        """Where this attempt's checkpoint lies once it is written."""
        return self._store.uri()

    def read(self) -> bytes | None:
        """What the attempt before kept; None where there is nothing, as in a first attempt."""
        found = self.restore(self._scratch / "checkpoint.read")
        if found is None:
            return None
        data = found.read_bytes()
        found.unlink()
        return data

    def write(self, data: bytes) -> None:
        """Keeps bytes; they are durable once this returns."""
        path = self._scratch / "checkpoint.write"
        self._scratch.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._store.keep(path)
        path.unlink()

    def restore(self, path: "str | Path") -> Path | None:
        """Copies what the attempt before kept into a file and gives its path; None where there is nothing."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        return target if any(self._store.fetch(uri, target) for uri in self._store.previous()) else None

    def save(self, path: "str | Path") -> None:
        """Keeps a file, however large; it is durable once this returns."""
        self._store.keep(Path(path))


class DirectoryCheckpoints:
    """Checkpoints of a run on this machine: a file in the directory of each attempt."""

    def __init__(self, own: Path, previous: list[Path]) -> None:
        """Takes this attempt's file, and those before it, the latest first."""
        self._own = own
        self._previous = previous

    def uri(self) -> str:
        """Where this attempt keeps its own."""
        return self._own.absolute().as_uri()

    def previous(self) -> Iterator[str]:
        """URIs of the attempts before, the latest first."""
        return (path.absolute().as_uri() for path in self._previous)

    def fetch(self, uri: str, target: Path) -> bool:
        """Copies a file that is there."""
        found = next(
            (path for path in self._previous if path.absolute().as_uri() == uri and path.is_file()), None
        )
        if found is not None:
            shutil.copyfile(found, target)
        return found is not None

    def keep(self, source: Path) -> None:
        """Replaces the file in one step."""
        self._own.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._own.with_name(self._own.name + ".new")
        shutil.copyfile(source, fresh)
        fresh.replace(self._own)
