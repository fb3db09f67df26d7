"""Tokens, and the browser logins that stand for them. Only digests are kept."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from limosa_admin.identity import Identity, Role
from limosa_admin.store.changes import TOKEN
from limosa_admin.store.database import notify
from limosa_admin.store.schema import logins, tokens

SESSION_LIFE = dt.timedelta(days=7)
LINK_LIFE = dt.timedelta(minutes=15)


def digest(secret: str) -> str:
    """What is kept of a secret. Tokens are random and long, so a plain hash cannot be reversed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """A fresh token."""
    return "lim_" + secrets.token_urlsafe(32)


def find(connection: sa.Connection, secret: str) -> Identity | None:
    """The bearer of a token, None when it is unknown or expired."""
    return _identity(connection, sa.select(tokens).where(tokens.c.sha256 == digest(secret)))


def create(
    connection: sa.Connection,
    secret: str,
    subject: str,
    role: Role,
    projects: Sequence[str] = (),
    expires_at: dt.datetime | None = None,
    *,
    bootstrap: bool = False,
) -> int:
    """Makes a token valid, or changes what an existing one is good for; returns its id."""
    values = {
        "subject": subject,
        "role": role.value,
        "projects": list(projects),
        "expires_at": expires_at,
        "bootstrap": bootstrap,
    }
    statement = insert(tokens).values(sha256=digest(secret), **values)
    statement = statement.on_conflict_do_update(index_elements=["sha256"], set_=values)
    notify(connection, TOKEN)
    return int(connection.execute(statement.returning(tokens.c.id)).scalar_one())


def revoke(connection: sa.Connection, token_id: int) -> bool:
    """Ends a token and the logins made with it; False when there is none of that id."""
    notify(connection, TOKEN)
    return connection.execute(sa.delete(tokens).where(tokens.c.id == token_id)).rowcount > 0


def keep_bootstrap(connection: sa.Connection, kept: Sequence[int]) -> None:
    """Ends the bootstrap tokens that the file no longer holds."""
    connection.execute(sa.delete(tokens).where(tokens.c.bootstrap, tokens.c.id.not_in(kept)))
    notify(connection, TOKEN)


def list_all(connection: sa.Connection) -> Sequence[sa.RowMapping]:
    """Every token: id, subject, role, projects, created_at, expires_at; oldest first."""
    return connection.execute(sa.select(tokens).order_by(tokens.c.id)).mappings().all()


def open_login(connection: sa.Connection, kind: str, token_id: int) -> tuple[str, dt.datetime]:
    """A secret that stands for a token, and when it ends.

    Args:
        connection: An open transaction.
        kind: "session", for a cookie, or "link", good for one use.
        token_id: The token it stands for.
    """
    secret = secrets.token_urlsafe(32)
    now = dt.datetime.now(dt.timezone.utc)
    expires_at = now + (SESSION_LIFE if kind == "session" else LINK_LIFE)
    connection.execute(sa.delete(logins).where(logins.c.expires_at < now))
    row = {"sha256": digest(secret), "kind": kind, "token_id": token_id, "expires_at": expires_at}
    connection.execute(sa.insert(logins).values(row))
    return secret, expires_at


def find_session(connection: sa.Connection, secret: str) -> Identity | None:
    """The identity behind a cookie, None when it ended."""
    joined = sa.select(tokens).join(logins, logins.c.token_id == tokens.c.id)
    valid = (
        logins.c.sha256 == digest(secret),
        logins.c.kind == "session",
        logins.c.expires_at > sa.func.now(),
    )
    return _identity(connection, joined.where(*valid))


def use_link(connection: sa.Connection, secret: str) -> Identity | None:
    """The identity behind a login link, which is used up by this; None when it was used or ended."""
    used = sa.delete(logins).where(logins.c.sha256 == digest(secret), logins.c.kind == "link")
    row = connection.execute(used.returning(logins.c.token_id, logins.c.expires_at > sa.func.now())).first()
    if row is None or not row[1]:
        return None
    return _identity(connection, sa.select(tokens).where(tokens.c.id == row[0]))


def close_session(connection: sa.Connection, secret: str) -> None:
    """Ends a cookie."""
    connection.execute(sa.delete(logins).where(logins.c.sha256 == digest(secret)))


def _identity(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> Identity | None:
    valid = sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > sa.func.now())
    row = connection.execute(query.where(valid)).mappings().first()
    if row is None:
        return None
    return Identity(row["id"], row["subject"], Role(row["role"]), frozenset(row["projects"]))
