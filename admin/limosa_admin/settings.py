"""Settings: one frozen value, read from the environment at the start and passed down."""

import dataclasses
from collections.abc import Mapping
from urllib.parse import urlsplit

from limosa_model.names import DOMAINS
from limosa_store import StoreSettings


class SettingsError(ValueError):
    """A setting is missing or makes no sense; the message names it and the remedy."""


@dataclasses.dataclass(frozen=True)
class AdminSettings:
    """How one admin process is set up.

    Attributes:
        database_url: SQLAlchemy or libpq URL of the Postgres database.
        store: Where the objects are.
        grpc_listen: "host:port" for gRPC; port 0 takes a free one.
        http_listen: "host:port" for pages and transfers.
        public_url: Base URL under which people reach the pages; empty: made from `http_listen`.
        bootstrap_tokens_file: JSON list of {token, subject, role, projects} that are valid from the start; or empty.
        sandbox: The operator's cluster is the embedded one.
        domains: Domains that may be used.
        max_active_runs: Runs of one project-domain that clusters work on at a time; 0: no limit.
        reclaim_after_s: Seconds without a word from a cluster after which others may claim its runs; 0: only when a
            person says so.
        max_child_depth: How many runs may stand above a child run; 0: none are launched.
        max_message_bytes: Largest gRPC message taken or sent.
        max_upload_bytes: Largest object taken through this server.
        unary_threads: Unary calls served at a time.
        long_poll_threads: Waiting Sync calls at a time.
        stream_threads: Streams (watches, logs) at a time.
        drain_s: Seconds that calls under way get when the server stops.
    """

    database_url: str = dataclasses.field(repr=False)
    store: StoreSettings
    grpc_listen: str = "127.0.0.1:8089"
    http_listen: str = "127.0.0.1:8088"
    public_url: str = ""
    bootstrap_tokens_file: str = ""
    sandbox: bool = False
    domains: tuple[str, ...] = DOMAINS
    max_active_runs: int = 0
    reclaim_after_s: int = 0
    max_child_depth: int = 5
    max_message_bytes: int = 16 * 1024 * 1024
    max_upload_bytes: int = 5 * 1024**3
    unary_threads: int = 24
    long_poll_threads: int = 16
    stream_threads: int = 96
    drain_s: float = 5.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "AdminSettings":
        """Reads the settings; the object store's are described at `StoreSettings.from_env`.

        | setting | name |
        |---|---|
        | database_url | `LIMOSA_DATABASE_URL` (required) |
        | grpc_listen, http_listen | `LIMOSA_ADMIN_GRPC_LISTEN`, `LIMOSA_ADMIN_HTTP_LISTEN` |
        | public_url | `LIMOSA_ADMIN_PUBLIC_URL` |
        | bootstrap_tokens_file | `LIMOSA_ADMIN_BOOTSTRAP_TOKENS_FILE` |
        | sandbox | `LIMOSA_SANDBOX` ("1") |
        | domains | `LIMOSA_ADMIN_DOMAINS` (comma-separated) |
        | max_active_runs | `LIMOSA_ADMIN_MAX_ACTIVE_RUNS` |
        | reclaim_after_s | `LIMOSA_ADMIN_RECLAIM_AFTER_S` |
        | max_child_depth | `LIMOSA_ADMIN_MAX_CHILD_DEPTH` |
        | max_upload_bytes | `LIMOSA_ADMIN_MAX_UPLOAD_BYTES` |

        Raises:
            SettingsError: A setting is missing or malformed.
            StoreError: The object store's settings are.
        """
        settings = cls(
            database_url=database_url(environ),
            store=StoreSettings.from_env(environ),
            grpc_listen=environ.get("LIMOSA_ADMIN_GRPC_LISTEN", cls.grpc_listen),
            http_listen=environ.get("LIMOSA_ADMIN_HTTP_LISTEN", cls.http_listen),
            public_url=environ.get("LIMOSA_ADMIN_PUBLIC_URL", "").rstrip("/"),
            bootstrap_tokens_file=environ.get("LIMOSA_ADMIN_BOOTSTRAP_TOKENS_FILE", ""),
            sandbox=environ.get("LIMOSA_SANDBOX", "") == "1",
            domains=_list(environ, "LIMOSA_ADMIN_DOMAINS", DOMAINS),
            max_active_runs=_count(environ, "LIMOSA_ADMIN_MAX_ACTIVE_RUNS", cls.max_active_runs),
            reclaim_after_s=_count(environ, "LIMOSA_ADMIN_RECLAIM_AFTER_S", cls.reclaim_after_s),
            max_child_depth=_count(environ, "LIMOSA_ADMIN_MAX_CHILD_DEPTH", cls.max_child_depth),
            max_upload_bytes=_count(environ, "LIMOSA_ADMIN_MAX_UPLOAD_BYTES", cls.max_upload_bytes),
        )
        for name, listen in (("GRPC", settings.grpc_listen), ("HTTP", settings.http_listen)):
            split_listen(f"LIMOSA_ADMIN_{name}_LISTEN", listen)
        return settings


def database_url(environ: Mapping[str, str]) -> str:
    """The database's URL in SQLAlchemy's spelling; SettingsError where it is missing or not Postgres."""
    url = environ.get("LIMOSA_DATABASE_URL", "")
    if not url:
        raise SettingsError(
            "no database is configured: set LIMOSA_DATABASE_URL to postgresql://user:password@host/database"
        )
    scheme, separator, rest = url.partition("://")
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg2") or not separator:
        raise SettingsError(f"LIMOSA_DATABASE_URL has the scheme '{scheme}'; only postgresql:// is supported")
    return f"postgresql+psycopg2://{rest}"


def split_listen(name: str, value: str) -> tuple[str, int]:
    """Reads "host:port" ("[::1]:80" for IPv6); SettingsError names the setting."""
    try:
        parts = urlsplit(f"//{value}")
        if parts.hostname and parts.port is not None:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise SettingsError(f"{name}='{value}' is not <host>:<port>, such as 127.0.0.1:8089")


def _list(environ: Mapping[str, str], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    given = tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())
    return given or default


def _count(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not text.isdigit():
        raise SettingsError(f"{name}='{text}' is not a whole number, 0 or more")
    return int(text)
