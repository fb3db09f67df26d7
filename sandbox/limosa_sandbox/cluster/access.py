"""Access: who may talk to the server, and what it answers about permissions.

There is one user, who knows the token and may do everything. The token travels as a bearer token, or as the first part of the path
(``/bearer/<token>/…``), because kubectl sends no credentials over plain HTTP except in the server's address.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Object

PATH_PREFIX = "/bearer/"
_OPEN = ("/healthz", "/readyz", "/livez", "/version")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Gate:
    """Lets requests in that come from this machine and know the token."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._header = f"Bearer {token}".encode()

    def admit(self, path: str, headers: Mapping[str, str]) -> str:
        """Return the path of a permitted request, without the token.

        Raises:
            ApiError: 403 for a foreign Host or Origin, 401 without the token.
        """
        host = headers.get("Host")
        if host is not None and not _is_loopback(host):
            raise ApiError(403, f"the Host {host!r} is not this machine; use 127.0.0.1 or localhost")
        origin = headers.get("Origin")
        if origin is not None and not _is_loopback(urlsplit(origin).netloc):
            raise ApiError(403, f"the Origin {origin!r} is not this machine")
        if path.startswith(PATH_PREFIX):
            token, _, rest = path[len(PATH_PREFIX) :].partition("/")
            if hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self._token.encode()):
                return "/" + rest
        given = headers.get("Authorization")
        if given is not None and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._header):
            return path
        if path in _OPEN:
            return path
        raise ApiError(401, "Unauthorized")


def _is_loopback(netloc: str) -> bool:
    name = netloc.rpartition(":")[0] if netloc.count(":") == 1 else netloc.partition("]")[0].lstrip("[")
    return (name or netloc).lower() in _LOOPBACK


def review(kind: str, obj: Object) -> Object:
    """Answer an access review: everything is allowed to the one user."""
    spec = obj.get("spec") or {}
    if kind == "SelfSubjectAccessReview":
        if not spec.get("resourceAttributes") and not spec.get("nonResourceAttributes"):
            raise ApiError(
                422, "spec: exactly one of resourceAttributes or nonResourceAttributes must be specified"
            )
        status: Object = {"allowed": True, "reason": "the sandbox has one user, who may do everything"}
    else:
        if not spec.get("namespace"):
            raise ApiError(400, "no namespace on request")
        status = {
            "incomplete": False,
            "resourceRules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
            "nonResourceRules": [{"nonResourceURLs": ["*"], "verbs": ["*"]}],
        }
    return {
        "kind": kind,
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": spec,
        "status": status,
    }
