"""The server: HTTP in front of a storage.

The aiohttp server is used at its lowest level (one handler, no application, no router): paths follow Kubernetes' one grammar, and
a request costs about half as much.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import ClientConnectionError, ClientConnectionResetError, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from limosa_sandbox.cluster import discovery, openapi, podlog, protobuf, watching
from limosa_sandbox.cluster.access import PATH_PREFIX, Gate, review
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.kinds import Object
from limosa_sandbox.cluster.logs import LogReader
from limosa_sandbox.cluster.records import encode
from limosa_sandbox.cluster.requests import Target, decode_object, flag, parse_path
from limosa_sandbox.cluster.resources import Call, Reply, Resources
from limosa_sandbox.cluster.storage import Storage
from limosa_sandbox.cluster.views import View, find_view

_LOG = logging.getLogger(__name__)
_MAX_BODY = 3 * 1024 * 1024
_JSON = "application/json"
# Longer than any client keeps an idle connection, so that none is closed under a request on its way.
_KEEPALIVE_SECONDS = 3600.0
_NOT_SERVED = {
    "exec": "exec",
    "attach": "attach",
    "portforward": "port-forward",
    "proxy": "proxy",
    "ephemeralcontainers": "ephemeral containers",
    "resize": "in-place resize",
}
_Counts = Counter[tuple[str, str, str, str, str]]


class ClusterServer:
    """A running API server.

    Attributes:
        url: Its address, without credentials.
        token: The bearer token it accepts.
        counts: Requests so far by (verb, resource, subresource, status code, first word of the user agent).
    """

    def __init__(
        self, url: str, token: str, counts: _Counts, runner: web.ServerRunner, streams: set[asyncio.Task[Any]]
    ) -> None:
        self.url = url
        self.token = token
        self.counts = counts
        self._runner = runner
        self._streams = streams

    def kubeconfig(self) -> Object:
        """Return a kubeconfig with which kubectl, kopf and the kubernetes package reach this server."""
        name = "limosa-sandbox"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {"server": f"{self.url}{PATH_PREFIX}{self.token}"}}],
            "users": [{"name": name, "user": {"token": self.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
            "current-context": name,
        }

    def write_kubeconfig(self, path: Path) -> None:
        """Write :meth:`kubeconfig` to a file that only its owner can read (JSON, which is YAML)."""
        path.touch(mode=0o600)
        path.chmod(0o600)
        path.write_bytes(encode(self.kubeconfig()))

    async def close(self) -> None:
        """Stop listening and end open watches and logs."""
        for stream in tuple(self._streams):
            stream.cancel()
        await self._runner.cleanup()


async def serve(
    storage: Storage, log_reader: LogReader, *, host: str = "127.0.0.1", port: int = 0, token: str = ""
) -> ClusterServer:
    """Start serving a storage over HTTP.

    Args:
        storage: What to serve; its owner closes it after the server.
        log_reader: Where pod logs come from.
        host: Loopback address to listen on.
        port: TCP port, 0 for any free one.
        token: Bearer token; empty for a random one.
    """
    token = token or secrets.token_urlsafe(32)
    handler = _Handler(storage, log_reader, Gate(token), f"{host}:{port}")
    server = web.Server(
        handler.handle,
        request_factory=handler.request,
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=_KEEPALIVE_SECONDS,
    )
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024)
    await site.start()
    actual = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return ClusterServer(f"http://{shown}:{actual}", token, handler.counts, runner, handler.streams)


class _Handler:
    def __init__(self, storage: Storage, log_reader: LogReader, gate: Gate, address: str) -> None:
        self._storage = storage
        self._log_reader = log_reader
        self._gate = gate
        self._address = address
        self._resources = Resources(storage)
        self._openapi: tuple[int, bytes] = (-1, b"")
        self.counts: _Counts = Counter()
        self.streams: set[asyncio.Task[Any]] = set()

    def request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> BaseRequest:
        """Make a request that may carry as large a body as a real API server takes."""
        loop = asyncio.get_running_loop()
        return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY)

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Answer one request; whatever goes wrong becomes a Status."""
        verb = request.method.lower()
        counted = (verb, "", "")
        try:
            path = self._gate.admit(request.rel_url.raw_path, request.headers)
            target = parse_path(path)
            if target is None:
                response = self._answer_other(request, path)
            else:
                verb = _verb(request, target)
                counted = (
                    verb,
                    f"{target.plural}.{target.group}" if target.group else target.plural,
                    target.subresource,
                )
                response = await self._answer(request, target, verb)
        except ApiError as error:
            response = _status(error)
        except web.HTTPRequestEntityTooLarge:
            response = _status(ApiError(413, f"Request entity too large: limit is {_MAX_BODY}"))
        except (asyncio.CancelledError, ClientConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - the edge: a bug here must not take the connection down
            _LOG.exception("%s %s failed", request.method, request.rel_url.raw_path)
            response = _status(ApiError(500, f"Internal error occurred: {type(error).__name__}: {error}"))
        agent = request.headers.get("User-Agent", "").partition("/")[0]
        verb, resource, subresource = counted
        self.counts[(verb, resource, subresource, str(response.status), agent)] += 1
        return response

    async def _answer(self, request: BaseRequest, target: Target, verb: str) -> web.StreamResponse:
        if target.group == discovery.REVIEW_GROUP:
            return await self._answer_review(request, target)
        view = find_view(self._storage.kinds, target.group, target.version, target.plural)
        if view is None:
            raise _unknown_path()
        if target.subresource in _NOT_SERVED and target.plural == "pods":
            raise ApiError(
                404,
                f"the sandbox does not serve {_NOT_SERVED[target.subresource]}; use a real cluster for it",
            )
        if target.subresource and target.subresource not in view.kind.subresources:
            raise _unknown_path()
        self._check_scope(target, view, verb)
        body, content_type = await _body(request)
        if body and verb != "patch" and content_type not in ("", _JSON):
            raise ApiError(
                415,
                f"the body of the request was in an unknown format ({content_type}) - accepted media types include: {_JSON}",
            )
        call = Call(target, view, request.query, request.headers.get(hdrs.ACCEPT), content_type, body)
        if verb == "watch":
            return await self._stream(request, watching.stream(self._storage, call), "application/json")
        if target.subresource in ("log", "binding", "eviction"):
            return await self._answer_pod(request, call)
        return _json(self._act(call, verb))

    def _act(self, call: Call, verb: str) -> Reply:
        resources = self._resources
        if verb == "get":
            return resources.get(call)
        if verb == "list":
            return resources.list(call)
        if verb == "create" and not call.target.subresource:
            return resources.create(call)
        if verb == "update":
            return resources.update(call)
        if verb == "patch":
            return resources.patch(call)
        if verb == "delete" and not call.target.subresource:
            return resources.delete(call)
        if verb == "deletecollection" and verb in call.view.kind.verbs:
            return resources.delete_collection(call)
        raise ApiError(405, "the server does not allow this method on the requested resource")

    def _check_scope(self, target: Target, view: View, verb: str) -> None:
        if not view.kind.namespaced and target.namespace:
            raise _unknown_path()
        if view.kind.namespaced and not target.namespace and verb not in ("list", "watch"):
            raise ApiError(405, "the server does not allow this method on the requested resource")
        if (
            (verb == "create") is bool(target.name)
            and not target.subresource
            and verb in ("create", "update", "patch", "delete")
        ):
            raise ApiError(405, "the server does not allow this method on the requested resource")

    async def _answer_pod(self, request: BaseRequest, call: Call) -> web.StreamResponse:
        target = call.target
        pod = self._storage.get("pods", target.namespace, target.name)
        if target.subresource == "log" and request.method == "GET":
            log = podlog.open_log(self._log_reader, pod, request.query)
            if not pod["spec"].get("nodeName"):
                return web.Response(status=204)
            return await self._stream(request, log, "text/plain")
        if target.subresource == "binding" and request.method == "POST":
            node = (decode_object(call.body).get("target") or {}).get("name")
            if not node:
                raise ApiError(422, 'Binding "" is invalid: target.name: Required value')
            self._storage.bind(target.namespace, target.name, node)
        elif target.subresource == "eviction" and request.method == "POST":
            options = decode_object(call.body).get("deleteOptions") or {}
            self._storage.delete(
                "pods", target.namespace, target.name, grace_seconds=options.get("gracePeriodSeconds")
            )
        elif target.subresource == "log" or request.method != "POST":
            raise ApiError(405, "the server does not allow this method on the requested resource")
        success = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return _json(Reply(201, encode(success)))

    async def _answer_review(self, request: BaseRequest, target: Target) -> web.StreamResponse:
        kind = discovery.REVIEWS.get(target.plural)
        if kind is None or target.version != "v1" or target.name:
            raise _unknown_path()
        if request.method != "POST":
            raise ApiError(405, "the server does not allow this method on the requested resource")
        return _json(Reply(201, encode(review(kind, decode_object((await _body(request))[0])))))

    async def _stream(
        self, request: BaseRequest, pieces: AsyncIterator[bytes], content_type: str
    ) -> web.StreamResponse:
        """Send pieces as they come; what is refused before the first piece is still an ordinary error."""
        first = await anext(pieces, b"")
        response = web.StreamResponse(
            headers={"Content-Type": content_type, "Cache-Control": "no-cache, private"}
        )
        task = asyncio.current_task()
        if task is not None:
            self.streams.add(task)
        try:
            await response.prepare(request)
            if first:
                await response.write(first)
            async for piece in pieces:
                if piece:
                    await response.write(piece)
            await response.write_eof()
        except ClientConnectionResetError:
            # The reader is gone, which is how most watches end.
            return response
        finally:
            if task is not None:
                self.streams.discard(task)
            await _close(pieces)
        return response

    def _answer_other(self, request: BaseRequest, path: str) -> web.StreamResponse:
        if request.method not in ("GET", "HEAD"):
            raise _unknown_path()
        if path in ("/healthz", "/readyz", "/livez") or path.startswith(("/healthz/", "/readyz/", "/livez/")):
            return web.Response(text="ok")
        if path == "/metrics":
            return web.Response(text=self._metrics())
        if path.rstrip("/") == "/openapi/v3":
            return web.Response(body=self._openapi_index(), content_type=_JSON)
        if path == "/openapi/v2":
            # All is described by v3; clients that fall back to v2 are to find an empty document, not an error.
            return web.Response(
                body=b"", content_type="application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
            )
        answer = self._discover(path)
        if answer is None:
            raise _unknown_path()
        return web.Response(body=encode(answer), content_type=_JSON)

    def _discover(self, path: str) -> Object | None:
        kinds = self._storage.kinds
        parts = path.strip("/").split("/")
        if parts == ["version"]:
            return dict(discovery.VERSION)
        if parts == ["api"]:
            return discovery.core_versions(self._address)
        if parts == ["apis"]:
            return discovery.groups(kinds)
        if parts[0] == "api" and len(parts) == 2:
            return discovery.resources("", parts[1], kinds)
        if parts[0] == "apis" and len(parts) == 2:
            return discovery.group(parts[1], kinds)
        if parts[0] == "apis" and len(parts) == 3:
            return discovery.resources(parts[1], parts[2], kinds)
        if parts[:3] == ["openapi", "v3", "api"] and len(parts) == 4:
            return openapi.document("", parts[3], kinds)
        if parts[:3] == ["openapi", "v3", "apis"] and len(parts) == 5:
            return openapi.document(parts[3], parts[4], kinds)
        return None

    def _openapi_index(self) -> bytes:
        version = self._storage.kinds.version
        if self._openapi[0] != version:
            self._openapi = (version, encode(openapi.index(self._storage.kinds)))
        return self._openapi[1]

    def _metrics(self) -> str:
        lines = ["# TYPE apiserver_request_total counter"]
        for (verb, resource, subresource, code, agent), count in sorted(self.counts.items()):
            labels = f'verb="{verb}",resource="{resource}",subresource="{subresource}",code="{code}",client="{_escaped(agent)}"'
            lines.append(f"apiserver_request_total{{{labels}}} {count}")
        return "\n".join(lines) + "\n"


async def _body(request: BaseRequest) -> tuple[bytes, str]:
    """Return a request's body and its media type; protobuf is turned into JSON here, once and for all."""
    body = await request.read() if request.body_exists else b""
    content_type = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if body and content_type == protobuf.MEDIA_TYPE:
        return encode(protobuf.decode_message(body)), _JSON
    return body, content_type


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _verb(request: BaseRequest, target: Target) -> str:
    method = request.method
    if method in ("GET", "HEAD"):
        if target.name:
            return "get"
        return "watch" if flag(request.query, "watch") else "list"
    if method == "DELETE":
        return "delete" if target.name else "deletecollection"
    verb = {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method)
    if verb is None:
        raise ApiError(405, "the server does not allow this method on the requested resource")
    return verb


def _unknown_path() -> ApiError:
    return ApiError(404, "the server could not find the requested resource")


def _json(reply: Reply) -> web.Response:
    response = web.Response(body=reply.body, status=reply.code, content_type=_JSON)
    for warning in reply.warnings:
        text = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{text}"')
    return response


def _status(error: ApiError) -> web.Response:
    response = web.Response(body=encode(error.status()), status=error.code, content_type=_JSON)
    if error.code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    seconds = error.details.get("retryAfterSeconds")
    if seconds is not None:
        response.headers["Retry-After"] = str(seconds)
    return response


async def _close(pieces: AsyncIterator[bytes]) -> None:
    close = getattr(pieces, "aclose", None)
    if close is not None:
        await close()
