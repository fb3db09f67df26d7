"""The HTTP application: routes behind roles, security headers, errors."""

import logging
import pathlib
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from limosa_admin.access import HTTP_ROUTES, check_registry
from limosa_admin.authentication import Authenticator, authorise
from limosa_admin.identity import Identity, Role
from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.rpc.server import Parts
from limosa_admin.settings import split_listen
from limosa_admin.structured_log import request_id
from limosa_admin.web import error_page
from limosa_admin.web.events import Events
from limosa_admin.web.logins import COOKIE, HOW, Logins
from limosa_admin.web.metrics_page import MetricsPage
from limosa_admin.web.objects import Objects
from limosa_admin.web.probes import Probes
from limosa_admin.web.run_page import RunPage
from limosa_admin.web.runs_page import RunsPage
from limosa_store import ErrorCode, StoreError

Endpoint = Callable[[Request], Awaitable[Response]]

_STATUS = {
    Reason.INVALID: 400,
    Reason.UNAUTHENTICATED: 401,
    Reason.FORBIDDEN: 403,
    Reason.NOT_FOUND: 404,
    Reason.EXISTS: 409,
    Reason.PRECONDITION: 409,
    Reason.EXHAUSTED: 503,
    Reason.UNAVAILABLE: 503,
    Reason.TOO_LATE: 504,
    Reason.DAMAGED: 500,
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Addresses of login links must not travel to other sites.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_STATIC = pathlib.Path(__file__).parent / "static"
_log = logging.getLogger(__name__)


def application(parts: Parts) -> Starlette:
    """The ASGI application. Raises RegistryError unless every route has a role and every role's route is served."""
    endpoints = _endpoints(parts)
    check_registry("HTTP", HTTP_ROUTES, endpoints)
    routes = []
    for name, endpoint in endpoints.items():
        method, path = name.split(" ", 1)
        guarded = _guarded(endpoint, HTTP_ROUTES[name], parts, name)
        routes.append(Route(path, guarded, methods=[method]))
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=_hosts(parts), www_redirect=False)
    return Starlette(
        routes=routes,
        middleware=[Middleware(_SecurityHeaders), hosts],
        exception_handlers={HTTPException: _no_route},
    )


def _endpoints(parts: Parts) -> Mapping[str, Endpoint]:
    probes = Probes(parts.database, parts.stopping)
    logins = Logins(parts.database, parts.authenticator, parts.settings.public_url)
    objects = Objects(parts.transfers)
    runs = RunsPage(parts.view)
    run = RunPage(parts.view, parts.transfers)
    events = Events(runs, run, parts.changes, parts.stopping)
    return {
        "GET /healthz": probes.alive,
        "GET /readyz": probes.ready,
        "GET /metrics": MetricsPage(parts.database, parts.metrics).show,
        "GET /static/{file}": _static,
        "GET /login": logins.log_in,
        "GET /logout": logins.log_out,
        "POST /api/v1/login-links": logins.make_link,
        "GET /api/v1/objects/{ticket}": objects.get,
        "PUT /api/v1/objects/{ticket}": objects.put,
        "GET /": runs.show,
        "GET /events": events.runs,
        "GET /runs/{project}/{domain}/{name}": run.show,
        "GET /runs/{project}/{domain}/{name}/events": events.run,
        "GET /runs/{project}/{domain}/{name}/log": events.log,
        "GET /download": run.download,
    }


def _guarded(endpoint: Endpoint, needed: Role, parts: Parts, name: str) -> Endpoint:
    async def serve(request: Request) -> Response:
        identifier = request.headers.get("x-request-id", "")[:64] or uuid.uuid4().hex
        request_id.set(identifier)
        begun = time.monotonic()
        try:
            _refuse_foreign(request, parts.settings.public_url)
            if needed is not Role.PUBLIC:
                identity = await run_in_threadpool(_identify, request, parts.authenticator)
                authorise(identity, needed, name)
                request.state.identity = identity
            _refuse_nul(request)
            response = await endpoint(request)
        except (RequestError, StoreError) as error:
            response = _refused(request, error)
        except Exception:  # noqa: BLE001 - the last line of defence, and it is logged
            _log.exception("a request failed with a bug", extra={"route": name})
            message = f"internal error; the server's log has it under {identifier}"
            response = error_page.render(request, 500, message)
        response.headers["X-Request-Id"] = identifier
        ms = round((time.monotonic() - begun) * 1000, 1)
        if needed is not Role.PUBLIC:
            _log.info("request", extra={"route": name, "status": response.status_code, "ms": ms})
        return response

    return serve


def _refuse_foreign(request: Request, public_url: str) -> None:
    """What a browser sends on behalf of another site's page is refused: it carries the cookie of who is logged in here.

    A link on another site may lead here: a browser names no origin then, and says that it navigates.
    """
    origin = request.headers.get("origin")
    ours = {request.headers.get("host", ""), urlsplit(public_url).netloc}
    foreign = origin is not None and urlsplit(origin).netloc not in ours - {""}
    navigates = request.method == "GET" and request.headers.get("sec-fetch-mode") == "navigate"
    if foreign or (request.headers.get("sec-fetch-site") == "cross-site" and not navigates):
        told = f"a page of {origin}" if origin else "another site's page"
        raise RequestError(
            Reason.FORBIDDEN, f"{told} asked for this, and only pages of this server may; open {public_url}"
        )


def _refuse_nul(request: Request) -> None:
    # The database refuses it too; a stream of events would have begun by then.
    if any("\0" in text for text in (*request.path_params.values(), *request.query_params.values())):
        raise RequestError(Reason.INVALID, "the address has a NUL character, which no name has; remove it")


def _identify(request: Request, authenticator: Authenticator) -> Identity:
    header = request.headers.get("authorization")
    if header:
        return authenticator.bearer(header)
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        raise RequestError(Reason.UNAUTHENTICATED, f"nobody is logged in; {HOW}")
    try:
        return authenticator.session(cookie)
    except RequestError as error:
        # A browser's remedy is another than a program's.
        raise RequestError(error.reason, f"the login has ended; {HOW}") from error


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = "there is no such page" if error.status_code == 404 else error.detail
    response = error_page.render(request, error.status_code, message)
    response.headers.update(error.headers or {})
    return response


def _refused(request: Request, error: RequestError | StoreError) -> Response:
    if isinstance(error, StoreError):
        absent = error.code is ErrorCode.NOT_FOUND
        reason = Reason.NOT_FOUND if absent else Reason.UNAVAILABLE
        return error_page.render(request, _STATUS[reason], f"object store: {error.message}")
    return error_page.render(request, _STATUS[error.reason], error.message)


class _SecurityHeaders:
    """Adds headers to every answer. Plain ASGI, so that streams still learn when their browser left."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _static(request: Request) -> Response:
    # Only the names that the folder has: nothing of the request becomes a path.
    known = {path.name: path for path in _STATIC.iterdir()}
    file = known.get(request.path_params["file"])
    if file is None:
        raise RequestError(Reason.NOT_FOUND, "there is no such file")
    return FileResponse(file, headers={"Cache-Control": "no-cache"})


def _hosts(parts: Parts) -> list[str]:
    """Names under which pages may be asked for, so that a foreign name that resolves to us gets nothing."""
    public = urlsplit(parts.settings.public_url).hostname or "localhost"
    host, _ = split_listen("http_listen", parts.settings.http_listen)
    loopback = {"127.0.0.1", "localhost", "[::1]"}
    return sorted({public, *loopback}) if host in ("127.0.0.1", "::1", "localhost") else ["*"]
