"""Moving bytes between a pod and the object store, as converters ask for it."""

import contextlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from limosa.runtime.outcome import LaunchFailed
from limosa.types.checked import check, checked, copy, digest_of_members, measure, members
from limosa.types.converter import ValueProblem
from limosa.types.transfer import Stored
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.layout import run_of
from limosa_model.references import references
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
        self._inputs: dict[str, str] = {}

    def name_inputs(self, literals: LiteralMap) -> None:
        """Takes the inputs of the launch, so that what one of them refers to in vain is told by its name."""
        for name, literal in literals.literals.items():
            self._inputs.update((uri, name) for uri, _ in references([literal]))

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
            with self._telling(uri, digest):
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
            if not digests:
                self._check_kept(uri)
                if not digest:
                    raise self._missing(uri, "nothing lies below", "")
            check(uri, digest_of_members(digests), digest)
            self._local[uri] = target
        return self._local[uri]

    def open_file(self, uri: str, digest: str = "") -> BinaryIO:
        """Reads an object from its start."""
        with self._telling(uri, digest):
            return checked(self._store.open_reader(self._key(uri)), uri, digest)

    def scratch(self, name: str) -> Path:
        """A new path of this pod."""
        folder = self._scratch / f"data-{next(self._numbers)}"
        folder.mkdir()
        return folder / name

    def _copy(self, key: str, target: Path) -> str:
        with self._store.open_reader(key) as source:
            return copy(source, target)

    @contextlib.contextmanager
    def _telling(self, uri: str, digest: str) -> Iterator[None]:
        """An address that a person wrote may be wrong; what a run of ours has written (it has a digest) must be there."""
        try:
            yield
        except StoreError as error:
            if error.code is ErrorCode.NOT_FOUND:
                self._check_kept(uri)
            if digest or error.code not in (ErrorCode.NOT_FOUND, ErrorCode.UNAUTHORISED):
                raise
            print(error, file=sys.stderr)
            hidden = error.code is ErrorCode.UNAUTHORISED
            may = ", or the platform's access key may not read it" if hidden else ""
            raise self._missing(uri, "there is no object", may) from error

    def _check_kept(self, uri: str) -> None:
        """Of what is missing: whether it went with the whole run that made it. Raises LaunchFailed."""
        maker = run_of(self._key(uri))
        if maker is None or next(iter(self._store.list(maker.prefix)), None) is not None:
            return
        raise LaunchFailed(failures.user(Code.RUN_DELETED, f"{self._place(uri)}{maker.deletion(uri)}"))

    def _missing(self, uri: str, what: str, more: str) -> LaunchFailed:
        remedy = (
            "Copy the address from `limosa outputs RUN`, or give a file of your machine, which is uploaded; what a run "
            "gave is fetched with `limosa download RUN`."
        )
        return LaunchFailed(
            failures.user(Code.OBJECT_MISSING, f"{self._place(uri)}{what} {uri}{more}", remedy=remedy)
        )

    def _place(self, uri: str) -> str:
        name = self._inputs.get(uri)
        return f"input '{name}': " if name else ""

    def _key(self, uri: str) -> str:
        key = self._store.key(uri)
        if key is None:
            message = (
                f"{self._place(uri)}{uri} does not lie in this platform's store ({self._store.settings.url}): download it, and give "
                "the run the local file, which is uploaded; or read it in the task with a library of yours"
            )
            raise LaunchFailed(failures.user(Code.FILE_OUT_OF_REACH, message))
        return key
