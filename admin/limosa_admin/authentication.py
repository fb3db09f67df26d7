"""From a token or a cookie to an identity."""

import threading
import time
from collections.abc import Callable

import sqlalchemy as sa

from limosa_admin.identity import Identity, Role
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.store import tokens
from limosa_admin.store.changes import TOKEN, Changes
from limosa_admin.store.database import Database
from limosa_model.attempt_tokens import call_key, is_attempt_token, is_genuine, read_token
from limosa_model.names import parse_epoch

_FRESH_S = 5.0
_MOST_CACHED = 10_000
_REMEDY = "log in again with `limosa config add`, or ask an admin for a token"


class Authenticator:
    """Knows who a token's bearer is; remembers it for a few seconds, or until tokens change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Identity]] = {}
        self._secret: bytes | None = None

    def forget_on(self, changes: Changes) -> None:
        """Forgets what it remembers whenever tokens change, for as long as `changes` lives."""
        changes.add(TOKEN, self._forget)

    def bearer(self, header: str) -> Identity:
        """Who sent an Authorization header. Raises RequestError(UNAUTHENTICATED)."""
        scheme, _, token = header.partition(" ")
        if not header:
            raise RequestError(Reason.UNAUTHENTICATED, f"no token was sent; {_REMEDY}")
        if scheme.lower() != "bearer" or not token.strip():
            message = "the Authorization header is not 'Bearer <token>'"
            raise RequestError(Reason.UNAUTHENTICATED, f"{message}; {_REMEDY}")
        return self.token(token.strip())

    def token(self, token: str) -> Identity:
        """Whose token it is. Raises RequestError(UNAUTHENTICATED)."""
        return self._attempt(token) if is_attempt_token(token) else self._find("token", token, tokens.find)

    def session(self, cookie: str) -> Identity:
        """Whose cookie it is. Raises RequestError(UNAUTHENTICATED)."""
        return self._find("session", cookie, tokens.find_session)

    def _attempt(self, token: str) -> Identity:
        """Which launch of an eager node it is; whether that still counts is for the service to say."""
        claims = read_token(token)
        if self._secret is None:
            self._secret = self._database.signing_key()
        try:
            key = (
                None if claims is None else call_key(self._secret, claims.run_uid, parse_epoch(claims.epoch))
            )
        except ValueError:
            key = None
        if claims is None or key is None or not is_genuine(token, key):
            message = "the token is of no attempt's of an eager node"
            raise RequestError(Reason.UNAUTHENTICATED, f"{message}; the operator makes them")
        subject = f"attempt {claims.launch + 1} of {claims.node_path} of run {claims.run_uid}"
        return Identity(0, subject, Role.ATTEMPT, frozenset(), claims)

    def _find(
        self, kind: str, secret: str, find: Callable[[sa.Connection, str], Identity | None]
    ) -> Identity:
        key = f"{kind} {tokens.digest(secret)}"
        with self._lock:
            found = self._known.get(key)
        if found is not None and found[0] > time.monotonic():
            return found[1]
        with self._database.transaction() as connection:
            identity = find(connection, secret)
        if identity is None:
            message = f"the {kind} is unknown, expired or revoked"
            raise RequestError(Reason.UNAUTHENTICATED, f"{message}; {_REMEDY}")
        with self._lock:
            if len(self._known) >= _MOST_CACHED:
                self._known.clear()
            self._known[key] = (time.monotonic() + _FRESH_S, identity)
        return identity

    def _forget(self) -> None:
        with self._lock:
            self._known.clear()


def authorise(identity: Identity, needed: Role, what: str) -> None:
    """Raises RequestError(FORBIDDEN) unless the identity's role may call what needs `needed`."""
    if not identity.has_role(needed):
        raise RequestError(
            Reason.FORBIDDEN,
            f"{identity.subject} has the role '{identity.role.value}' and {what} needs '{needed.value}'; "
            "use another token or ask an admin",
        )
