"""Random credentials of one sandbox, made at its first start and kept in files only their owner can read."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from limosa_model import layout
from limosa_sandbox.supervisor.home import Home
from limosa_sandbox.supervisor.state import write_private

BUCKET, ROOT = "limosa", "data"
STORAGE_URL = f"s3://{BUCKET}/{ROOT}"


@dataclass(frozen=True)
class AccessKey:
    """A pair for the S3 endpoint."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    """Every secret of a sandbox.

    Attributes:
        postgres_password: of the one database user.
        kubernetes_token: bearer token of the embedded cluster's API.
        person_token: admin's bearer token for the person who started the sandbox.
        operator_token: admin's bearer token for the operator.
        storage: the platform's own key, for all objects.
        namespaces: keys of pods, by namespace; each opens its project-domain only.
    """

    postgres_password: str = field(repr=False)
    kubernetes_token: str = field(repr=False)
    person_token: str = field(repr=False)
    operator_token: str = field(repr=False)
    storage: AccessKey
    namespaces: dict[str, AccessKey]


def load_credentials(home: Home, namespaces: list[str]) -> Credentials:
    """Reads the credentials, making what is missing."""
    path = home.secrets / "credentials.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    keys = kept.get("namespaces", {})
    credentials = Credentials(
        postgres_password=kept.get("postgres_password") or secrets.token_urlsafe(24),
        kubernetes_token=kept.get("kubernetes_token") or secrets.token_urlsafe(32),
        person_token=kept.get("person_token") or secrets.token_urlsafe(32),
        operator_token=kept.get("operator_token") or secrets.token_urlsafe(32),
        storage=_key(kept.get("storage")),
        namespaces={**{name: _key(key) for name, key in keys.items()}, **_missing(keys, namespaces)},
    )
    if asdict(credentials) != kept:
        write_private(path, json.dumps(asdict(credentials), indent=1) + "\n")
    return credentials


def _missing(keys: dict[str, object], namespaces: list[str]) -> dict[str, AccessKey]:
    return {name: _key(None) for name in namespaces if name not in keys}


def _key(kept: dict[str, str] | None) -> AccessKey:
    if kept:
        return AccessKey(kept["access_key"], kept["secret_key"])
    return AccessKey("LMS" + secrets.token_hex(8).upper(), secrets.token_urlsafe(30))


def write_storage_keys(home: Home, credentials: Credentials, projects: dict[str, tuple[str, str]]) -> Path:
    """Writes the endpoint's list of keys; `projects` tells each namespace's project and domain."""
    entries: list[dict[str, object]] = [asdict(credentials.storage)]
    for namespace, key in credentials.namespaces.items():
        if namespace in projects:
            base = f"{BUCKET}/{ROOT}/{layout.project_prefix(*projects[namespace])}/"
            entries.append({**asdict(key), "read": [base], "write": [f"{base}runs/"]})
    return _write(home, "storage.json", entries)


def write_bootstrap_tokens(home: Home, credentials: Credentials) -> Path:
    """Writes the tokens that admin accepts from its first start on."""
    return _write(
        home,
        "bootstrap-tokens.json",
        [
            {"token": credentials.person_token, "subject": "you", "role": "admin", "projects": []},
            {
                "token": credentials.operator_token,
                "subject": "propeller",
                "role": "operator",
                "projects": [],
            },
        ],
    )


def write_operator_token(home: Home, credentials: Credentials) -> Path:
    """Writes the operator's token as a file of its own."""
    path = home.secrets / "operator-token"
    write_private(path, credentials.operator_token)
    return path


def _write(home: Home, name: str, entries: list[dict[str, object]]) -> Path:
    path = home.secrets / name
    write_private(path, json.dumps(entries, indent=1) + "\n")
    return path
