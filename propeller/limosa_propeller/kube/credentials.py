"""Where the API server is and how to be known there."""

import base64
import dataclasses
import os
import ssl
import tempfile
from pathlib import Path
from typing import Any

import yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class CredentialsError(Exception):
    """No way to the API server; the message names the file and what is missing in it."""


@dataclasses.dataclass(frozen=True)
class Credentials:
    """One way to one API server."""

    server: str
    """URL without a trailing slash."""
    ssl_context: ssl.SSLContext | None
    """None for plain HTTP."""
    token: str = ""
    token_file: Path | None = None
    """Read again as it rotates; wins over `token`."""
    namespace: str = "default"

    def current_token(self) -> str:
        """The bearer token as it stands now; empty when certificates are used."""
        if self.token_file is not None:
            return self.token_file.read_text().strip()
        return self.token


def load_credentials(kubeconfig: str) -> Credentials:
    """Reads a kubeconfig, or the pod's service account where none is named. Raises CredentialsError."""
    if not kubeconfig and (SERVICE_ACCOUNT / "token").exists() and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _in_cluster()
    path = Path(kubeconfig or "~/.kube/config").expanduser()
    try:
        config = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise CredentialsError(f"kubeconfig {path} cannot be read: {error}") from error
    try:
        context = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", context["cluster"])["cluster"]
        user = _named(config, "users", context["user"])["user"] or {}
        return _from_parts(path, context, cluster, user)
    except (KeyError, TypeError) as error:
        raise CredentialsError(f"kubeconfig {path} has no {error}") from error


def _in_cluster() -> Credentials:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return Credentials(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ssl_context=ssl.create_default_context(cafile=str(SERVICE_ACCOUNT / "ca.crt")),
        token_file=SERVICE_ACCOUNT / "token",
        namespace=(SERVICE_ACCOUNT / "namespace").read_text().strip(),
    )


def _named(config: Any, section: str, name: str) -> Any:
    for entry in config[section]:
        if entry["name"] == name:
            return entry
    raise KeyError(f"{section} entry '{name}'")


def _from_parts(path: Path, context: Any, cluster: Any, user: Any) -> Credentials:
    if "exec" in user or "auth-provider" in user:
        raise CredentialsError(
            f"kubeconfig {path} logs in through a plugin; the operator needs a token or a client certificate "
            "(create a service account and use its token)"
        )
    server = cluster["server"].rstrip("/")
    token_file = Path(path.parent, user["tokenFile"]) if user.get("tokenFile") else None
    return Credentials(
        server=server,
        ssl_context=_ssl_context(path.parent, cluster, user) if server.startswith("https:") else None,
        token=user.get("token", ""),
        token_file=token_file,
        namespace=context.get("namespace", "default"),
    )


def _ssl_context(folder: Path, cluster: Any, user: Any) -> ssl.SSLContext:
    authority = cluster.get("certificate-authority-data")
    context = ssl.create_default_context(
        cafile=str(Path(folder, cluster["certificate-authority"]))
        if cluster.get("certificate-authority")
        else None,
        cadata=base64.b64decode(authority).decode() if authority else None,
    )
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if user.get("client-certificate"):
        context.load_cert_chain(
            str(Path(folder, user["client-certificate"])), str(Path(folder, user["client-key"]))
        )
    elif user.get("client-certificate-data"):
        # The standard library reads certificates from files only.
        with tempfile.NamedTemporaryFile() as file:
            file.write(base64.b64decode(user["client-certificate-data"]) + b"\n")
            file.write(base64.b64decode(user["client-key-data"]))
            file.flush()
            context.load_cert_chain(file.name)
    return context
