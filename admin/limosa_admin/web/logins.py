"""Browser logins: a link with a token becomes a cookie."""

import datetime as dt
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from limosa_admin.authentication import Authenticator
from limosa_admin.identity import Identity
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.store import tokens
from limosa_admin.store.changes import TOKEN
from limosa_admin.store.database import Database, notify
from limosa_admin.web import return_path

COOKIE = "limosa_session"
HOW = (
    "open the address that `limosa demo status` prints (sandbox on this machine), or `/login?token=TOKEN` of this "
    "site with your own token (any other; an admin has one for you)"
)
"""How a person logs in, the end of every message that says that they have to."""


class Logins:
    """Opens and closes sessions. Addresses take a one-time link's secret, or a token itself."""

    def __init__(self, database: Database, authenticator: Authenticator, public_url: str) -> None:
        self._database = database
        self._authenticator = authenticator
        self._public_url = public_url

    async def log_in(self, request: Request) -> Response:
        """Sets the cookie and goes on to `next`, else to the page that asked for the login.

        The secret leaves the address bar with that. A used link is good enough for who is logged in already.
        """
        secret = request.query_params.get("token", "")
        response = RedirectResponse(return_path.take(request, request.query_params.get("next")), 303)
        return_path.forget(response)
        session = await run_in_threadpool(self._open_session, secret) if secret else None
        if session is None:
            if await run_in_threadpool(self._is_open, request.cookies.get(COOKIE, "")):
                return response
            why = (
                "this login link was used already or has expired" if secret else "the address lacks its token"
            )
            raise RequestError(Reason.UNAUTHENTICATED, f"{why}; {HOW}")
        response.set_cookie(
            COOKIE,
            session,
            max_age=int(tokens.SESSION_LIFE.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=urlsplit(self._public_url).scheme == "https",
        )
        return response

    async def log_out(self, request: Request) -> Response:
        """Ends the session."""
        cookie = request.cookies.get(COOKIE)
        if cookie:
            await run_in_threadpool(self._close_session, cookie)
        response = RedirectResponse("/", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    async def make_link(self, request: Request) -> Response:
        """A login address for the caller's identity, good for one use: {"url", "expires_at"}."""
        identity: Identity = request.state.identity
        secret, expires_at = await run_in_threadpool(self._open_link, identity)
        url = f"{self._public_url}/login?token={secret}"
        path = return_path.local(request.query_params.get("next", "/"))
        if path != "/":
            url += f"&next={quote(path, safe='/')}"
        return JSONResponse({"url": url, "expires_at": expires_at.isoformat()})

    def _open_session(self, secret: str) -> str | None:
        with self._database.transaction() as connection:
            identity = tokens.use_link(connection, secret) or tokens.find(connection, secret)
            if identity is None:
                return None
            return tokens.open_login(connection, "session", identity.token_id)[0]

    def _is_open(self, cookie: str) -> bool:
        with self._database.transaction() as connection:
            return tokens.find_session(connection, cookie) is not None

    def _open_link(self, identity: Identity) -> tuple[str, dt.datetime]:
        with self._database.transaction() as connection:
            return tokens.open_login(connection, "link", identity.token_id)

    def _close_session(self, cookie: str) -> None:
        with self._database.transaction() as connection:
            tokens.close_session(connection, cookie)
            notify(connection, TOKEN)
