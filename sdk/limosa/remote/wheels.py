"""Wheels on their way to the store: what it lacks is fetched from where uv found it."""

import base64
import concurrent.futures
import contextlib
import http.client
import netrc
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from limosa.packages.lock import Wheel
from limosa.packages.resolution import Resolved
from limosa.remote.http_transfer import CHUNK, TIMEOUT_S, opener
from limosa.remote.transfer import ClientTransfer
from limosa.types.checked import HashingSink

_AT_ONCE = 4
"""Wheels that are fetched and sent at a time."""
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
"""uv's variables whose addresses may hold credentials."""


def upload_packages(
    transfer: ClientTransfer, locks: Iterable[Resolved], environ: Mapping[str, str]
) -> tuple[int, int]:
    """Sends the wheels that the store lacks, then the locks; gives how many wheels that were, and their bytes.

    Raises:
        LimosaError: A wheel cannot be had any more, or is not the one that its lock names.
        RemoteError: The server or the store refuses.
    """
    locks = list(locks)
    wanted = {wheel.sha256: (wheel, lock) for lock in locks for wheel in lock.lock.wheels}

    def send(wheel: Wheel, lock: Resolved) -> int:
        if transfer.has_wheel(wheel.sha256):
            return 0
        with tempfile.TemporaryDirectory(prefix="limosa-wheel-") as scratch:
            path = _fetch(wheel, lock, Path(scratch), environ)
            transfer.upload_wheel(wheel.sha256, path, wheel.file)
            return path.stat().st_size

    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as threads:
        sent = list(threads.map(lambda pair: send(*pair), wanted.values()))
    for text in dict.fromkeys(lock.lock.text() for lock in locks):
        transfer.upload_package_lock(text)
    return sum(1 for size in sent if size), sum(sent)


def _fetch(wheel: Wheel, lock: Resolved, scratch: Path, environ: Mapping[str, str]) -> Path:
    """A copy of a wheel here, checked; the file itself where it is on this machine."""
    address = lock.sources.get(wheel.sha256, "")
    if urlsplit(address).scheme == "file":
        path = Path(unquote(urlsplit(address).path))
    else:
        path = scratch / wheel.file
    try:
        if path.parent == scratch:
            with path.open("wb") as file:
                digest = _download(address, HashingSink(file), environ)
        else:
            digest = _digest_of(path)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        remedy = "look at the network and at the index's credentials (~/.netrc); a wheel that is gone: delete .limosa/locks"
        raise lock.declared.error("PackageIndex", f"{wheel.file} cannot be had: {reason}", remedy) from error
    if digest != wheel.sha256:
        told = f"{wheel.file} has the sha256 {digest}, its lock says {wheel.sha256}"
        raise lock.declared.error(
            "PackageHash", told, "look at what the index gives; then delete .limosa/locks"
        )
    return path


def _download(address: str, sink: HashingSink, environ: Mapping[str, str]) -> str:
    request = urllib.request.Request(address, headers=_authorization(address, environ))
    with opener(address).open(request, timeout=TIMEOUT_S) as response:
        while chunk := response.read(CHUNK):
            sink.write(chunk)
    return sink.digest.partition(":")[2]


def _digest_of(path: Path) -> str:
    with open(os.devnull, "wb") as nowhere, path.open("rb") as file:
        sink = HashingSink(nowhere)
        while chunk := file.read(CHUNK):
            sink.write(chunk)
    return sink.digest.partition(":")[2]


def _authorization(address: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What an index with a password is shown: from uv's variables, else from ~/.netrc."""
    host = urlsplit(address).hostname or ""
    for text in " ".join(environ.get(name, "") for name in _INDEXES).split():
        index = urlsplit(text.partition("=")[2] if "=" in text.partition("://")[0] else text)
        if index.hostname == host and index.username:
            return _basic(unquote(index.username), unquote(index.password or ""))
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        found = netrc.netrc(environ.get("NETRC")).authenticators(host)
        if found is not None:
            return _basic(found[0], found[2] or "")
    return {}


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
