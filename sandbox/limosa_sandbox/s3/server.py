"""From HTTP to the verbs and back: routing, who may do what, Host and Origin, errors as XML."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import unquote, urlsplit

from aiohttp import web

from limosa_sandbox.s3.bucket import Bucket, check_bucket_name, check_key
from limosa_sandbox.s3.conditions import NotModified
from limosa_sandbox.s3.documents import document, element, timestamp
from limosa_sandbox.s3.errors import S3Error, from_os_error, not_implemented
from limosa_sandbox.s3.listing import list_objects
from limosa_sandbox.s3.multipart import sweep
from limosa_sandbox.s3.operations import Answer, Call, Objects
from limosa_sandbox.s3.settings import S3Settings
from limosa_sandbox.s3.signature import SignedRequest, authenticate, parse_query

_LOG = logging.getLogger(__name__)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_XML = {"content-type": "application/xml"}
_Handler = Callable[[Call], Awaitable[Answer]]
# Parts of S3 that a client may ask for by a query word and that are not served.
_UNSERVED = frozenset(
    [
        "accelerate",
        "acl",
        "analytics",
        "attributes",
        "cors",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "legal-hold",
        "lifecycle",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "restore",
        "retention",
        "select",
        "tagging",
        "torrent",
        "uploads",
        "versionId",
        "versions",
        "website",
    ]
)


@dataclass(frozen=True)
class S3Server:
    """A running endpoint: its base URL, and how to end it."""

    url: str
    runner: web.ServerRunner

    async def close(self) -> None:
        """Stops listening and waits for the requests under way, seconds at most."""
        await self.runner.cleanup()


async def serve(settings: S3Settings) -> S3Server:
    """Starts an endpoint on a loopback address.

    Raises:
        OSError: when the port is taken or the directory cannot be made.
        ValueError: when the host is not a loopback address.
    """
    if settings.host not in _LOOPBACK:
        raise ValueError(f"the S3 endpoint listens on loopback only, not on {settings.host!r}")
    settings.root.mkdir(parents=True, exist_ok=True)
    for folder in settings.root.iterdir():
        if folder.is_dir():
            sweep(Bucket(folder))
            Bucket(folder).tree.sweep(0)
    endpoint = Endpoint(settings)
    runner = web.ServerRunner(web.Server(endpoint.handle, access_log=None), shutdown_timeout=3.0)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port)
    await site.start()
    port = runner.addresses[0][1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return S3Server(f"http://{host}:{port}", runner)


class Endpoint:
    """The request handler over one root directory."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._objects = Objects(settings.root)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one HTTP request."""
        try:
            answer = await self._answer(request)
        except NotModified:
            answer = Answer(304)
        except S3Error as error:
            answer = Answer(error.status, dict(_XML), error.to_xml(request.raw_path.partition("?")[0]))
        except OSError as error:
            failure = from_os_error(error)
            _LOG.error("%s %s: %s", request.method, request.raw_path.partition("?")[0], error)
            answer = Answer(failure.status, dict(_XML), failure.to_xml(request.raw_path.partition("?")[0]))
        return await _send(request, answer)

    async def _answer(self, request: web.BaseRequest) -> Answer:
        _check_origin(request)
        path, _, query_text = request.raw_path.partition("?")
        headers = tuple(
            (name.decode("latin-1").lower(), value.decode("utf-8", "surrogateescape").strip())
            for name, value in request.raw_headers
        )
        signed = SignedRequest(request.method, path, query_text, headers)
        identity = authenticate(
            signed, self._settings.credentials, datetime.now(timezone.utc), self._settings.max_skew_s
        )
        query = dict(parse_query(query_text))
        name, _, key = unquote(path, errors="surrogateescape").removeprefix("/").partition("/")
        if not name:
            return self._list_buckets(signed)
        check_bucket_name(name)
        check_key(key)
        bucket = Bucket(self._settings.root / name)
        call = Call(signed, query, identity, request.content, name, bucket, key)
        handler = self._route(call)
        _authorise(call)
        creates = request.method == "PUT" and not key
        if not creates and not bucket.exists():
            raise S3Error(404, "NoSuchBucket", f"The specified bucket does not exist: {name}")
        await _continue(request)
        return await handler(call)

    def _route(self, call: Call) -> _Handler:
        method, query = call.request.method, call.query
        unserved = sorted(_UNSERVED & query.keys())
        if unserved and not (unserved == ["uploads"] and method == "POST"):
            raise not_implemented(f"?{unserved[0]}")
        if call.key:
            word = "uploads" if "uploads" in query else "uploadId" if "uploadId" in query else ""
        else:
            word = next((item for item in ("delete", "location", "versioning") if item in query), "")
        routes = self._object_routes() if call.key else self._bucket_routes()
        handler = routes.get((method, word))
        if handler is None:
            raise S3Error(405, "MethodNotAllowed", f"{method} is not allowed against this resource.")
        return handler

    def _object_routes(self) -> Mapping[tuple[str, str], _Handler]:
        objects = self._objects
        return {
            ("GET", ""): objects.get,
            ("HEAD", ""): objects.get,
            ("PUT", ""): objects.put,
            ("DELETE", ""): objects.delete,
            ("POST", "uploads"): objects.create_upload,
            ("PUT", "uploadId"): objects.put_part,
            ("GET", "uploadId"): objects.list_parts,
            ("POST", "uploadId"): objects.complete_upload,
            ("DELETE", "uploadId"): objects.abort_upload,
        }

    def _bucket_routes(self) -> Mapping[tuple[str, str], _Handler]:
        return {
            ("GET", ""): _list,
            ("HEAD", ""): _head_bucket,
            ("PUT", ""): _create_bucket,
            ("DELETE", ""): _delete_bucket,
            ("GET", "location"): _location,
            ("GET", "versioning"): _versioning,
            ("POST", "delete"): self._objects.delete_many,
        }

    def _list_buckets(self, request: SignedRequest) -> Answer:
        if request.method != "GET":
            raise S3Error(405, "MethodNotAllowed", f"{request.method} is not allowed against the service.")
        found = sorted(path for path in self._settings.root.iterdir() if path.is_dir())
        parts = [
            f"<Bucket>{element('Name', path.name)}"
            f"{element('CreationDate', timestamp(path.stat().st_mtime))}</Bucket>"
            for path in found
        ]
        owner = f"<Owner>{element('ID', 'sandbox')}</Owner>"
        return Answer(
            200, dict(_XML), document("ListAllMyBucketsResult", owner, "<Buckets>", *parts, "</Buckets>")
        )


async def _list(call: Call) -> Answer:
    return Answer(
        200, dict(_XML), await asyncio.to_thread(list_objects, call.bucket_name, call.bucket.tree, call.query)
    )


async def _head_bucket(call: Call) -> Answer:
    return Answer(200, {"x-amz-bucket-region": "us-east-1"})


async def _create_bucket(call: Call) -> Answer:
    try:
        call.bucket.root.mkdir()
    except FileExistsError:
        raise S3Error(409, "BucketAlreadyOwnedByYou", "The bucket exists already and is yours.") from None
    return Answer(200, {"location": f"/{call.bucket_name}"})


async def _delete_bucket(call: Call) -> Answer:
    if not await asyncio.to_thread(call.bucket.is_empty):
        raise S3Error(409, "BucketNotEmpty", "The bucket you tried to delete is not empty.")
    await asyncio.to_thread(call.bucket.remove)
    return Answer(204)


async def _location(call: Call) -> Answer:
    return Answer(200, dict(_XML), document("LocationConstraint"))


async def _versioning(call: Call) -> Answer:
    return Answer(200, dict(_XML), document("VersioningConfiguration"))


def _authorise(call: Call) -> None:
    credential, path = call.identity.credential, f"{call.bucket_name}/{call.key}"
    method = call.request.method
    if method in ("GET", "HEAD"):
        listed = call.query.get("prefix", "") if not call.key else ""
        # Whoever holds a key may see that its bucket exists; what it lists must be open to it.
        allowed = (method == "HEAD" and not call.key) or credential.may_read(path + listed)
    elif method == "POST" and "delete" in call.query and not call.key:
        allowed = True  # each key is looked at on its own
    else:
        allowed = credential.may_write(path)
    if not allowed:
        raise S3Error(403, "AccessDenied", f"The access key may not {method} {path}.")


def _check_origin(request: web.BaseRequest) -> None:
    """Refuses what a web page on another site could send to a loopback address."""
    if urlsplit(f"//{request.headers.get('Host', '')}").hostname not in _LOOPBACK:
        raise S3Error(403, "AccessDenied", "The Host header must name a loopback address.")
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).hostname not in _LOOPBACK:
        raise S3Error(403, "AccessDenied", "Requests from other sites are refused.")


async def _continue(request: web.BaseRequest) -> None:
    """Tells a client that waits for it that its body is welcome; botocore waits a second otherwise."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        writer = request.writer
        await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.output_size = 0


async def _send(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    headers = {"server": "limosa-sandbox", "x-amz-request-id": "0", **answer.headers}
    if answer.stream is None and (request.method != "HEAD" or answer.length is None):
        body = b"" if request.method == "HEAD" else answer.body
        response = web.Response(status=answer.status, headers=headers, body=body)
        if answer.status >= 400 and "Expect" in request.headers:
            # The client may still send the body it announced, or not: only closing is unambiguous.
            response.force_close()
        return response
    streamed = web.StreamResponse(status=answer.status, headers=headers)
    streamed.content_length = answer.length
    await streamed.prepare(request)
    if answer.stream is not None:
        async for piece in answer.stream:
            await streamed.write(piece)
    await streamed.write_eof()
    return streamed
