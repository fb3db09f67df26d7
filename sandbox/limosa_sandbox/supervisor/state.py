"""`<home>/state.json`: what the command line knows of a sandbox. Written atomically, readable by its owner only.

It holds secrets (tokens, passwords). Its keys, all always present:

| key | meaning |
|---|---|
| `version` | 1 |
| `phase` | `starting`, `ready`, `stopping`, `stopped`, `failed` |
| `step` | what start-up waits for, in words; empty when ready |
| `error` | why it failed, with a remedy; else empty |
| `pid`, `pid_started` | the supervisor's process id, and when it started (Unix seconds) |
| `home` | the directory |
| `admin_endpoint` | `host:port` of admin's gRPC server |
| `admin_url` | base URL of admin's pages |
| `admin_token` | bearer token of the person who started the sandbox |
| `kubernetes_url`, `kubeconfig` | the embedded cluster's API server, and the file for kubectl |
| `storage_url`, `storage_endpoint` | `s3://…` root of the store, and its endpoint |
| `database_url` | Postgres, with password |
| `namespaces` | those made for the default project's domains |
| `parts` | by name: `pid`, `started` (Unix seconds), `state` (`starting`, `running`, `restarting`, `stopped`), `restarts`, `log` |
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

STARTING, READY, STOPPING, STOPPED, FAILED = "starting", "ready", "stopping", "stopped", "failed"


@dataclass
class PartState:
    """One process of the sandbox."""

    pid: int = 0
    state: str = STARTING
    restarts: int = 0
    started: float = 0.0
    log: str = ""


@dataclass
class SandboxState:
    """The content of the state file; the module's docstring explains the fields."""

    home: str
    pid: int
    pid_started: float
    phase: str = STARTING
    step: str = ""
    error: str = ""
    admin_endpoint: str = ""
    admin_url: str = ""
    admin_token: str = field(default="", repr=False)
    kubernetes_url: str = ""
    kubeconfig: str = ""
    storage_url: str = ""
    storage_endpoint: str = ""
    database_url: str = field(default="", repr=False)
    namespaces: list[str] = field(default_factory=list)
    parts: dict[str, PartState] = field(default_factory=dict)
    version: int = 1

    def save(self, path: Path) -> None:
        """Replaces the file; a reader sees the old or the new one."""
        write_private(path, json.dumps(asdict(self), indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replaces a file atomically with one that only its owner can read."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
