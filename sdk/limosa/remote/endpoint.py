"""Where a server is, and what a person uses there."""

import dataclasses
import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

from limosa.errors import LimosaError


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Admin's gRPC address."""

    host: str
    port: int
    secure: bool
    """With TLS."""

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Reads "https://host[:port]", "http://host[:port]" or "host:port" (TLS unless the host is loopback).

        Raises:
            LimosaError: It is none of these.
        """
        scheme, separator, rest = text.strip().partition("://")
        if not separator:
            scheme, rest = "", text.strip()
        try:
            parts = urlsplit(f"//{rest}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if (
            not host
            or scheme not in ("", "http", "https")
            or parts.path.strip("/")
            or (not scheme and port is None)
        ):
            raise LimosaError(
                code="BadEndpoint",
                message=f"{text!r} is not an address of admin",
                remedy="write https://host:port, http://host:port or host:port",
            )
        secure = scheme == "https" or (not scheme and not _is_loopback(host))
        return cls(host, port or (443 if secure else 80), secure)

    @property
    def address(self) -> str:
        """As gRPC wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        return _is_loopback(self.host)

    def __str__(self) -> str:
        return f"{'https' if self.secure else 'http'}://{self.address}"


@dataclasses.dataclass(frozen=True)
class Target:
    """One project-domain of one server, and the credential used there."""

    endpoint: Endpoint
    project: str
    domain: str
    token: str = dataclasses.field(default="", repr=False)
    context: str = ""
    """Name of the context it came from; empty where flags or the environment named it."""
    ca_certificate: Path | None = None
    selection: str = ""
    """Flags that choose it again, for commands shown to a person; empty where none are needed."""

    def describe(self) -> str:
        """One line for people."""
        name = f"{self.context} · " if self.context else ""
        return f"{name}{self.endpoint} · {self.project}/{self.domain}"


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
