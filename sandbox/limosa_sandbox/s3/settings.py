"""Settings of the endpoint."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Credential:
    """An access key and what it opens.

    Attributes:
        access_key: the id clients send.
        secret_key: what they sign with.
        read: prefixes of `bucket/key` it may read and list; "" is everything.
        write: prefixes of `bucket/key` it may create, replace and delete.
    """

    access_key: str
    secret_key: str = field(repr=False)
    read: tuple[str, ...] = ("",)
    write: tuple[str, ...] = ("",)

    def may_read(self, path: str) -> bool:
        """Says whether `bucket/key`, or listing that prefix, is open for reading."""
        return any(path.startswith(prefix) for prefix in self.read + self.write)

    def may_write(self, path: str) -> bool:
        """Says whether `bucket/key` is open for writing."""
        return any(path.startswith(prefix) for prefix in self.write)


@dataclass(frozen=True)
class S3Settings:
    """Settings of one endpoint.

    Attributes:
        root: directory that holds one directory per bucket.
        credentials: by access key.
        host: loopback address to listen on.
        port: TCP port; 0 picks a free one.
        max_skew_s: seconds a signed request's clock may differ from this one's.
    """

    root: Path
    credentials: dict[str, Credential]
    host: str = "127.0.0.1"
    port: int = 0
    max_skew_s: float = 900.0


def read_credentials(path: Path) -> dict[str, Credential]:
    """Reads a JSON list of `{access_key, secret_key[, read, write]}`; prefixes are `bucket/key` strings."""
    entries = json.loads(path.read_text())
    found = [
        Credential(
            entry["access_key"],
            entry["secret_key"],
            tuple(entry.get("read", ("",))),
            tuple(entry.get("write", ("",))),
        )
        for entry in entries
    ]
    return {credential.access_key: credential for credential in found}
