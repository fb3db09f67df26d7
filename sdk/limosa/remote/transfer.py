"""A person's files: up to the store as inputs, down from it as outputs."""

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from limosa.bundle import Bundle
from limosa.errors import LimosaError
from limosa.remote import http_transfer
from limosa.remote.client import Client
from limosa.remote.http_transfer import TransferFailed
from limosa.types.checked import HashingSink, check, checked, digest_of_members, measure, members
from limosa.types.transfer import Stored
from limosa_idl.admin.v1alpha1.admin_pb2 import SignedTransfer
from limosa_store.uris import below

_PAUSES_S = (0.5, 1.5, 4.0)


class ClientTransfer:
    """Moves bytes with addresses that admin signs; what the store has already is not sent again."""

    def __init__(self, client: Client, scratch: Path | None = None) -> None:
        """Takes a client, and a directory for local copies (a temporary one by default)."""
        self._client = client
        self._ca = client.target.ca_certificate
        self._scratch = scratch
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._local: dict[str, Path] = {}
        self._count = 0

    def close(self) -> None:
        """Removes the local copies."""
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def upload_bundle(self, bundle: Bundle) -> bool:
        """Sends a code bundle; tells whether it was new to the store."""
        size = bundle.compressed_size
        return self._send(
            lambda: self._client.sign_bundle_upload(bundle.digest, size), bundle.path, size, "the code bundle"
        )[1]

    def has_wheel(self, digest: str) -> bool:
        """Whether the store has a wheel."""
        return self._client.sign_wheel_upload(digest, 0).exists

    def upload_wheel(self, digest: str, path: Path, name: str) -> None:
        """Sends a wheel whose sha256 (hex) is known."""
        size = path.stat().st_size
        self._send(lambda: self._client.sign_wheel_upload(digest, size), path, size, name)

    def upload_package_lock(self, text: bytes) -> None:
        """Sends the text of a lock of packages."""
        digest = hashlib.sha256(text).hexdigest()
        with tempfile.NamedTemporaryFile(prefix="limosa-lock-") as file:
            file.write(text)
            file.flush()
            self._send(
                lambda: self._client.sign_package_lock_upload(digest, len(text)),
                Path(file.name),
                len(text),
                "the lock of packages",
            )

    def upload_file(self, path: Path, name: str) -> Stored:
        """Sends a file as an input."""
        size, digest = _measure(path)
        signed, _ = self._send(
            lambda: self._client.sign_upload(digest.partition(":")[2], name, size), path, size, str(path)
        )
        return Stored(signed.uri, size, digest)

    def upload_directory(self, path: Path, name: str) -> Stored:
        """Sends every file below a directory; links are followed."""
        measured = {relative: (file, *_measure(file)) for relative, file in members(path)}
        if not measured:
            raise LimosaError(
                code="EmptyDirectory",
                message="the directory has no files",
                place=str(path),
                remedy="put a file in it, or name another",
            )
        whole = digest_of_members({relative: digest for relative, (_, _, digest) in measured.items()})
        prefix = ""
        for relative, (file, size, _) in measured.items():
            member = f"{name}/{relative}"
            signed, _ = self._send(
                lambda member=member, size=size: self._client.sign_upload(
                    whole.partition(":")[2], member, size
                ),  # type: ignore[misc]
                file,
                size,
                str(file),
            )
            prefix = signed.uri.rsplit("/", relative.count("/") + 1)[0]
        return Stored(prefix, sum(size for _, size, _ in measured.values()), whole)

    def download_file(self, uri: str, name: str, digest: str = "") -> Path:
        """A local copy of an object."""
        if uri not in self._local:
            self._local[uri] = self.fetch(uri, self.scratch(name), digest)
        return self._local[uri]

    def download_directory(self, uri: str, name: str, digest: str = "") -> Path:
        """A local copy of everything below a prefix."""
        if uri not in self._local:
            self._local[uri] = self.fetch_directory(uri, self.scratch(name), digest)
        return self._local[uri]

    def open_file(self, uri: str, digest: str = "") -> BinaryIO:
        """Reads an object from its start."""
        signed = self._client.sign_download(uri)
        try:
            stream = cast(BinaryIO, http_transfer.open_stream(signed.url, signed.headers, self._ca))
        except TransferFailed as failed:
            raise http_transfer.final_error(f"reading {uri} failed", signed.url, failed) from failed
        return checked(stream, uri, digest)

    def scratch(self, name: str) -> Path:
        """A new path in a temporary directory."""
        if self._scratch is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="limosa-")
            self._scratch = Path(self._temporary.name)
        folder = self._scratch / f"data-{self._count}"
        folder.mkdir(parents=True)
        self._count += 1
        return folder / name

    def fetch(self, uri: str, target: Path, digest: str = "") -> Path:
        """Copies an object to a path, which appears only when it is complete. Raises CorruptData for another digest."""
        self._fetch(uri, target, digest)
        return target

    def fetch_directory(self, uri: str, target: Path, digest: str = "") -> Path:
        """Copies everything below a prefix into a directory. Raises CorruptData likewise, once all is there."""
        target.mkdir(parents=True, exist_ok=True)
        base, digests = target.resolve(), {}
        for found in self._client.list_objects(uri.rstrip("/") + "/"):
            relative = below(uri, found.uri)
            if relative is None:
                continue  # a sibling whose name begins alike
            file = (target / relative).resolve()
            if base not in file.parents:
                raise LimosaError(
                    code="HostilePath",
                    message="an object's name leads out of the directory",
                    place=found.uri,
                    remedy="look at what wrote it; nothing was written outside",
                )
            digests[relative] = self._fetch(found.uri, file)
        check(uri, digest_of_members(digests), digest)
        return target

    def _fetch(self, uri: str, target: Path, digest: str = "") -> str:
        """Copies an object; gives its digest."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.part")
        try:
            for pause in (*_PAUSES_S, None):
                signed = self._client.sign_download(uri)
                try:
                    with partial.open("wb") as file:
                        sink = HashingSink(file)
                        http_transfer.get(signed.url, signed.headers, sink, self._ca)
                    check(uri, sink.digest, digest)
                    partial.replace(target)
                    return sink.digest
                except TransferFailed as failed:
                    if pause is None or not failed.again:
                        raise http_transfer.final_error(
                            f"fetching {uri} failed", signed.url, failed
                        ) from failed
                time.sleep(pause)
        except OSError as error:
            raise _local_error(target, error) from error
        finally:
            partial.unlink(missing_ok=True)
        raise AssertionError("the last attempt returns or raises")

    def _send(
        self, sign: Callable[[], SignedTransfer], path: Path, size: int, what: str
    ) -> tuple[SignedTransfer, bool]:
        for pause in (*_PAUSES_S, None):
            signed = sign()
            if signed.exists:
                return signed, False
            try:
                http_transfer.put(signed.url, signed.headers, path, size, self._ca)
                return signed, True
            except TransferFailed as failed:
                if pause is None or not failed.again:
                    raise http_transfer.final_error(
                        f"uploading {what} failed", signed.url, failed
                    ) from failed
            except OSError as error:
                raise _local_error(path, error) from error
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")


def _local_error(path: Path, error: OSError) -> LimosaError:
    return LimosaError(
        code="LocalFile",
        message=f"cannot use the file: {error.strerror or error}",
        place=str(path),
        remedy="check its permissions and the space on this machine",
    )


def _measure(path: Path) -> tuple[int, str]:
    try:
        return measure(path)
    except OSError as error:
        raise _local_error(path, error) from error
