"""Kubernetes verbs on raw dictionaries."""

import asyncio
import dataclasses
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import orjson

from limosa_propeller.kube.connection import Connection
from limosa_propeller.kube.errors import ApiError, NotLeaderError
from limosa_propeller.kube.silence import Silence

Object = dict[str, Any]

REQUEST_SECONDS = 30.0
LIST_SECONDS = 120.0
LIST_CHUNK = 500
WATCH_SECONDS = 240
SILENCE_SECONDS = 90.0
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
ONLY_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
ONLY_METADATA_LIST = ONLY_METADATA.replace("Metadata;", "MetadataList;")


@dataclasses.dataclass(frozen=True)
class Resource:
    """A served kind."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Path below the server's URL; without a namespace, of all namespaces or of a cluster-wide kind."""
        base = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return "/".join(part for part in (f"{base}{scope}/{self.plural}", name, subresource) if part)


PODS = Resource("", "v1", "pods")
NAMESPACES = Resource("", "v1", "namespaces")
SECRETS = Resource("", "v1", "secrets")
POD_TEMPLATES = Resource("", "v1", "podtemplates")
EVENTS = Resource("", "v1", "events")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
CRDS = Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions")


class Verbs:
    """Requests to one API server. Every method raises ApiError; a write by a former leader raises NotLeaderError."""

    def __init__(
        self,
        connection: Connection,
        may_write: Callable[[], bool],
        in_flight: int,
    ) -> None:
        """Takes what requests go through.

        Args:
            connection: The session.
            may_write: Asked before each write.
            in_flight: Most writes at a time.
        """
        self._connection = connection
        self._may_write = may_write
        self._in_flight = in_flight
        self._writes = asyncio.Semaphore(in_flight)

    async def drain(self) -> None:
        """Returns once no write is under way; later ones wait for ever, until whoever sends them is cancelled."""
        await asyncio.gather(*(self._writes.acquire() for _ in range(self._in_flight)))

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        """One object."""
        return await self._json("GET", resource.path(namespace, name))

    async def labels(self, resource: Resource, namespace: str | None, name: str) -> dict[str, str]:
        """An object's labels; its content is not asked for."""
        answer = await self._send("GET", resource.path(namespace, name), accept=ONLY_METADATA)
        labels: dict[str, str] = orjson.loads(answer)["metadata"].get("labels") or {}
        return labels

    async def list(
        self, resource: Resource, namespace: str | None, labels: str = ""
    ) -> tuple[list[Object], str]:
        """All objects, read in chunks, and the resourceVersion they were true at."""
        params: dict[str, str] = {"limit": str(LIST_CHUNK)}
        if labels:
            params["labelSelector"] = labels
        items: list[Object] = []
        while True:
            page = await self._json("GET", resource.path(namespace), params=params, seconds=LIST_SECONDS)
            items.extend(page["items"])
            token = page["metadata"].get("continue")
            if not token:
                return items, str(page["metadata"].get("resourceVersion", ""))
            params["continue"] = token

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        """Creates; ApiError 409 "AlreadyExists" when the name is taken. Of a pod, only metadata is answered."""
        # The rest is what was sent.
        accept = ONLY_METADATA if resource == PODS else JSON
        return await self._write("POST", resource.path(namespace), orjson.dumps(body), accept=accept)

    async def replace(self, resource: Resource, namespace: str | None, name: str, body: Object) -> Object:
        """Updates; ApiError 409 "Conflict" when `body`'s resourceVersion is not the latest."""
        return await self._write("PUT", resource.path(namespace, name), orjson.dumps(body))

    async def merge(self, resource: Resource, namespace: str | None, name: str, patch: Object) -> Object:
        """Applies a JSON merge patch."""
        return await self._write("PATCH", resource.path(namespace, name), orjson.dumps(patch), MERGE_PATCH)

    async def replace_status(
        self, resource: Resource, namespace: str, name: str, uid: str, status: bytes
    ) -> None:
        """Replaces the status (encoded JSON) of that very object; ApiError 422 or 404 when it is not there any more."""
        # The status subresource ignores metadata, so only a test can tie the write to the object.
        patch = (
            b'[{"op":"test","path":"/metadata/uid","value":%b},{"op":"add","path":"/status","value":%b}]'
            % (
                orjson.dumps(uid),
                status,
            )
        )
        # The answer would be the whole object, spec and graph included, once for each patch.
        path = resource.path(namespace, name, "status")
        await self._write("PATCH", path, patch, JSON_PATCH, accept=ONLY_METADATA, parse=False)

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        uid: str = "",
        grace_seconds: int | None = None,
    ) -> None:
        """Deletes in the background; with `uid` only that very object (ApiError 409 otherwise)."""
        options: Object = {"propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        path = resource.path(namespace, name)
        await self._write("DELETE", path, orjson.dumps(options), accept=ONLY_METADATA, parse=False)

    async def delete_collection(self, resource: Resource, namespace: str, labels: str) -> None:
        """Deletes, in the background, every object that a label selector chooses."""
        params = {"labelSelector": labels}
        options = orjson.dumps({"propagationPolicy": "Background"})
        await self._write(
            "DELETE", resource.path(namespace), options, params=params, accept=ONLY_METADATA_LIST, parse=False
        )

    async def watch(
        self, resource: Resource, namespace: str | None, labels: str, since: str
    ) -> AsyncIterator[bytes]:
        """Each event after version `since`, as the line of JSON it is, until the server ends the stream."""
        params = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": labels,
            "resourceVersion": since,
            "timeoutSeconds": str(random.randint(WATCH_SECONDS, 2 * WATCH_SECONDS)),
        }
        path = resource.path(namespace)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        asking = self._connection.session().get(
            self._connection.server + path, params=params, timeout=timeout
        )
        silence: Silence | None = None
        try:
            async with await asyncio.wait_for(asking, SILENCE_SECONDS) as response:
                if response.status >= 400:
                    body = _document(await response.read())
                    raise ApiError.from_response(response.status, body, response.headers.get("Retry-After"))
                rest = b""
                with Silence(SILENCE_SECONDS, response.close) as silence:
                    async for chunk in response.content.iter_any():
                        silence.heard()
                        *lines, rest = (rest + chunk).split(b"\n")
                        for line in lines:
                            yield line
        except asyncio.TimeoutError:
            return
        except (aiohttp.ClientError, OSError) as error:
            if silence is not None and silence.lasted:
                # For longer than bookmarks come apart: the connection is dead, and nobody said so.
                return
            raise ApiError(0, "Unreachable", f"watch {path}: {error or type(error).__name__}") from error

    async def log_tail(self, namespace: str, pod: str, container: str, lines: int) -> bytes:
        """The last lines a container printed."""
        params = {"container": container, "tailLines": str(lines)}
        return await self._send("GET", PODS.path(namespace, pod, "log"), params=params)

    async def _write(
        self,
        method: str,
        path: str,
        data: bytes,
        kind: str = JSON,
        *,
        params: Mapping[str, str] | None = None,
        accept: str = JSON,
        parse: bool = True,
    ) -> Object:
        async with self._writes:
            # Asked as late as possible: a request may have waited for its turn longer than leadership lasted.
            if not self._may_write():
                raise NotLeaderError(f"{method} {path}: leadership has run out")
            answer = await self._send(method, path, params=params, data=data, kind=kind, accept=accept)
        return orjson.loads(answer) if answer and parse else {}

    async def _json(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> Object:
        document: Object = orjson.loads(await self._send(method, path, params=params, seconds=seconds))
        return document

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: bytes | None = None,
        kind: str = JSON,
        seconds: float = REQUEST_SECONDS,
        accept: str = JSON,
    ) -> bytes:
        client = self._connection.client()
        headers = f"{self._connection.authorization}Accept: {accept}\r\n"
        if data is not None:
            headers += f"Content-Type: {kind}\r\n"
        target = quote(path) if params is None else f"{quote(path)}?{urlencode(params)}"
        try:
            answer = await client.request(method, target, headers, data, seconds)
        except (OSError, asyncio.TimeoutError) as error:
            raise ApiError(0, "Unreachable", f"{method} {path}: {error or type(error).__name__}") from error
        if answer.status >= 400:
            raise ApiError.from_response(
                answer.status, _document(answer.body), answer.headers.get("retry-after")
            )
        return answer.body


def _document(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
