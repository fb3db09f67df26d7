"""Where the objects are and with which credentials: one frozen value made at the edge."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from limosa_store.errors import ErrorCode, StoreError

DEFAULT_REGION = "us-east-1"
_UNSAID = frozenset({"secret_key", "session_token", "ca_certificate"})


class StoreSettings(NamedTuple):
    """Settings of one store.

    Attributes:
        url: `s3://bucket/root` or `file:///directory`; every key is relative to it.
        endpoint: base URL of the S3 service as this process reaches it; empty for AWS.
        public_endpoint: base URL as people's clients reach it, for signed URLs; empty: no signed URLs
            for the public.
        region: signing region.
        access_key: access key id; empty: the ambient cloud identity (web identity, container, instance).
        secret_key: secret of `access_key`.
        session_token: token of temporary credentials, or empty.
        ca_certificate: PEM text trusted in addition to the system's roots, or empty.
        retry_timeout_s: seconds after which retries of one request end.
        max_retries: retries of one request for errors that may pass.
        request_timeout_s: seconds one request may take; a large object takes many requests.
    """

    url: str
    endpoint: str = ""
    public_endpoint: str = ""
    region: str = DEFAULT_REGION
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    ca_certificate: str = ""
    retry_timeout_s: float = 30.0
    max_retries: int = 8
    request_timeout_s: float = 120.0

    def __repr__(self) -> str:
        shown = ((name, value) for name, value in zip(self._fields, self, strict=True) if name not in _UNSAID)
        return f"StoreSettings({', '.join(f'{name}={value!r}' for name, value in shown)})"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "StoreSettings":
        """Reads the settings from environment variables.

        A `LIMOSA_STORAGE_*` name wins over the `AWS_*` name beside it, so that a task's own AWS
        settings and the platform's can stand in one environment.

        | setting | names |
        |---|---|
        | url | `LIMOSA_STORAGE_URL` (required) |
        | endpoint | `LIMOSA_STORAGE_ENDPOINT`, `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` |
        | public_endpoint | `LIMOSA_STORAGE_PUBLIC_ENDPOINT` |
        | region | `LIMOSA_STORAGE_REGION`, `AWS_REGION`, `AWS_DEFAULT_REGION` |
        | access_key | `LIMOSA_STORAGE_ACCESS_KEY_ID`, `AWS_ACCESS_KEY_ID` |
        | secret_key | `LIMOSA_STORAGE_SECRET_ACCESS_KEY`, `AWS_SECRET_ACCESS_KEY` |
        | session_token | `LIMOSA_STORAGE_SESSION_TOKEN`, `AWS_SESSION_TOKEN` |
        | ca_certificate | `LIMOSA_STORAGE_CA_CERTIFICATE` (PEM text) |

        Raises:
            StoreError: INVALID_SETTINGS when no URL is set or it is malformed.
        """
        own_keys = bool(environ.get("LIMOSA_STORAGE_ACCESS_KEY_ID"))
        key_names = "LIMOSA_STORAGE_" if own_keys else "AWS_"
        settings = cls(
            url=environ.get("LIMOSA_STORAGE_URL", ""),
            endpoint=_first(environ, "LIMOSA_STORAGE_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
            public_endpoint=environ.get("LIMOSA_STORAGE_PUBLIC_ENDPOINT", ""),
            region=_first(environ, "LIMOSA_STORAGE_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")
            or DEFAULT_REGION,
            access_key=environ.get(f"{key_names}ACCESS_KEY_ID", ""),
            secret_key=environ.get(f"{key_names}SECRET_ACCESS_KEY", ""),
            session_token=environ.get(f"{key_names}SESSION_TOKEN", ""),
            ca_certificate=environ.get("LIMOSA_STORAGE_CA_CERTIFICATE", ""),
        )
        if not settings.url:
            raise StoreError(
                ErrorCode.INVALID_SETTINGS,
                "no object store is configured: set LIMOSA_STORAGE_URL to s3://<bucket>/<root> or file:///<directory>",
            )
        settings.location()
        return settings

    def to_env(self) -> dict[str, str]:
        """Returns the `LIMOSA_STORAGE_*` variables that `from_env` reads back to these settings."""
        variables = {
            "LIMOSA_STORAGE_URL": self.url,
            "LIMOSA_STORAGE_ENDPOINT": self.endpoint,
            "LIMOSA_STORAGE_PUBLIC_ENDPOINT": self.public_endpoint,
            "LIMOSA_STORAGE_REGION": self.region,
            "LIMOSA_STORAGE_ACCESS_KEY_ID": self.access_key,
            "LIMOSA_STORAGE_SECRET_ACCESS_KEY": self.secret_key,
            "LIMOSA_STORAGE_SESSION_TOKEN": self.session_token,
            "LIMOSA_STORAGE_CA_CERTIFICATE": self.ca_certificate,
        }
        return {name: value for name, value in variables.items() if value}

    def location(self) -> tuple[str, str, str]:
        """Returns (scheme, bucket, root): root is a key prefix without slashes around, or a directory.

        Raises:
            StoreError: INVALID_SETTINGS when the URL is neither `s3://bucket[/root]` nor `file:///dir`.
        """
        parts = urlsplit(self.url)
        if parts.scheme == "s3" and parts.netloc and not parts.query and not parts.fragment:
            return "s3", parts.netloc, parts.path.strip("/")
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
            return "file", "", unquote(parts.path)
        raise StoreError(
            ErrorCode.INVALID_SETTINGS,
            f"storage URL {self.url!r} is not one of s3://<bucket>/<root>, file:///<directory>",
        )


def _first(environ: Mapping[str, str], *names: str) -> str:
    for name in names:
        if environ.get(name):
            return environ[name]
    return ""
