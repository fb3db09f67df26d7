"""How each child process of the platform is run: its command and its whole environment."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from limosa_sandbox.postgres.identity import STOP_SIGNAL, choose_identity
from limosa_sandbox.postgres.server import PostgresSettings, server_command, stop_leftover
from limosa_sandbox.settings import SandboxSettings
from limosa_sandbox.supervisor.child import ChildSpec
from limosa_sandbox.supervisor.credentials import BUCKET, STORAGE_URL, AccessKey
from limosa_sandbox.supervisor.home import Home

# A person's own settings for other services must not reach the platform's processes.
_DROPPED_PREFIXES = ("LIMOSA_", "AWS_", "PG", "KUBE", "GRPC_", "OTEL_")
_DROPPED = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy", "PYTHONSTARTUP", "PYTHONINSPECT"})


def base_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns what every part gets of the environment the sandbox was started in."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_DROPPED_PREFIXES) and name not in _DROPPED and name.lower() not in _DROPPED
    }
    return {**kept, "PYTHONUNBUFFERED": "1"}


def postgres(settings: PostgresSettings, home: Home) -> ChildSpec:
    """Postgres; `make_data` comes before its first start."""
    return ChildSpec(
        name="postgres",
        command=server_command(settings),
        environment={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C", "TZ": "UTC"},
        log=home.logs / "postgres.log",
        stop_signal=STOP_SIGNAL,
        death_signal=STOP_SIGNAL,
        identity=choose_identity(),
        before_start=lambda: stop_leftover(settings),
    )


def storage(home: Home, environ: Mapping[str, str], port: int, keys: Path) -> ChildSpec:
    """The S3 endpoint."""
    options = [
        "--root",
        str(home.objects),
        "--credentials",
        str(keys),
        "--port",
        str(port),
        "--bucket",
        BUCKET,
    ]
    return ChildSpec(
        name="storage",
        command=[sys.executable, "-m", "limosa_sandbox.s3", *options],
        environment=base_environment(environ),
        log=home.logs / "storage.log",
    )


def admin(
    home: Home,
    environ: Mapping[str, str],
    ports: Mapping[str, int],
    database_url: str,
    tokens: Path,
    key: AccessKey,
) -> ChildSpec:
    """The control plane, the same as on a cluster."""
    listen = f"127.0.0.1:{ports['admin_http']}"
    return ChildSpec(
        name="admin",
        command=[sys.executable, "-m", "limosa_admin", "serve", "--migrate"],
        environment={
            **base_environment(environ),
            **_storage_environment(ports, key),
            "LIMOSA_DATABASE_URL": database_url,
            "LIMOSA_ADMIN_GRPC_LISTEN": f"127.0.0.1:{ports['admin_grpc']}",
            "LIMOSA_ADMIN_HTTP_LISTEN": listen,
            "LIMOSA_ADMIN_PUBLIC_URL": f"http://{listen}",
            "LIMOSA_ADMIN_BOOTSTRAP_TOKENS_FILE": str(tokens),
            "LIMOSA_SANDBOX": "1",
        },
        log=home.logs / "admin.log",
        stop_signal=signal.SIGTERM,
    )


def operator(
    home: Home,
    environ: Mapping[str, str],
    ports: Mapping[str, int],
    token: Path,
    key: AccessKey,
    settings: SandboxSettings,
) -> ChildSpec:
    """The operator, the same as on a cluster."""
    return ChildSpec(
        name="operator",
        command=[sys.executable, "-m", "limosa_propeller"],
        environment={
            **base_environment(environ),
            **_storage_environment(ports, key),
            "LIMOSA_ADMIN_ENDPOINT": f"127.0.0.1:{ports['admin_grpc']}",
            "LIMOSA_ADMIN_TOKEN_FILE": str(token),
            "LIMOSA_CLUSTER_NAME": "sandbox",
            "LIMOSA_TASK_IMAGE": settings.task_image,
            "LIMOSA_PACKAGES_VOLUME": json.dumps({"hostPath": {"path": str(home.packages)}}),
            "LIMOSA_LIVENESS_ENDPOINT": f"http://127.0.0.1:{ports['operator_health']}/healthz",
            "LIMOSA_LEASE_NAMESPACE": "default",
            "KUBECONFIG": str(home.kubeconfig),
        },
        log=home.logs / "operator.log",
    )


def _storage_environment(ports: Mapping[str, int], key: AccessKey) -> dict[str, str]:
    endpoint = f"http://127.0.0.1:{ports['storage']}"
    return {
        "LIMOSA_STORAGE_URL": STORAGE_URL,
        "LIMOSA_STORAGE_ENDPOINT": endpoint,
        "LIMOSA_STORAGE_PUBLIC_ENDPOINT": endpoint,
        "AWS_ACCESS_KEY_ID": key.access_key,
        "AWS_SECRET_ACCESS_KEY": key.secret_key,
        "AWS_REGION": "us-east-1",
    }
