"""Moving bytes between Python values and wherever literals refer to."""

from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol

from limosa.errors import LimosaError

if TYPE_CHECKING:
    from pathlib import Path


class Stored(NamedTuple):
    """Bytes that are durable now."""

    uri: str
    """Absolute. Of a directory: the prefix, without a slash at its end."""
    size: int
    """Bytes; of a directory, of all its files."""
    digest: str
    """Content as "sha256:<hex>"; of a directory, over its sorted names and contents. Empty where not known."""


class TransferContext(Protocol):
    """How converters reach bytes: on a person's machine, in a pod, or in a local run.

    Values are read and written as files, so that memory stays flat. Failures of the store raise that side's own
    errors; converters let them pass.
    """

    def upload_file(self, path: "Path", name: str) -> Stored:
        """Makes a local file durable under a name."""
        ...

    def upload_directory(self, path: "Path", name: str) -> Stored:
        """Makes all files below a local directory durable."""
        ...

    def download_file(self, uri: str, name: str, digest: str = "") -> "Path":
        """A local copy of one object; fetched once per URI. Raises CorruptData where a digest is given and it has another."""
        ...

    def download_directory(self, uri: str, name: str, digest: str = "") -> "Path":
        """A local copy of everything below a prefix; likewise."""
        ...

    def open_file(self, uri: str, digest: str = "") -> BinaryIO:
        """Reads one object from its start, in flat memory; where a digest is given, the end of a whole read checks it."""
        ...

    def scratch(self, name: str) -> "Path":
        """A new path in a temporary directory, its last part being `name`."""
        ...


def reaches(uri: str, source: "TransferContext | None", target: "TransferContext") -> bool:
    """Whether whoever reads through `target` finds a URI that came through `source`; file:// is found on one side only."""
    return not uri.startswith("file://") or type(source) is type(target)


class NoTransfer:
    """Where no bytes can be moved: in a spec, which holds values and no files."""

    def __init__(self, place: str, remedy: str) -> None:
        """Takes what refers to the file, and what the author can do instead."""
        self._place = place
        self._remedy = remedy

    def __getattr__(self, name: str) -> Any:
        raise LimosaError(
            "FileInSpec", f"{self._place} is or holds a file, which a spec cannot", remedy=self._remedy
        )
