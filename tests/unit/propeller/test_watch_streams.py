"""A watch stream as it comes over a socket."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import orjson
import pytest
from aiohttp import web

from limosa_propeller.kube import verbs
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import PODS, Verbs
from limosa_propeller.kube.watch_events import decode_event

EVENT = b'{"type":"ADDED","object":{"metadata":{"name":"%d"}}}\n'


class Here:
    """A connection to a server of this process."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session, self.server = session, server

    def session(self) -> aiohttp.ClientSession:
        return self._session


class Server:
    """Sends two events and a half, then does what a test says."""

    def __init__(self) -> None:
        self.breaks = self.answers = False
        self.ended = asyncio.Event()

    async def watch(self, request: web.Request) -> web.StreamResponse:
        if not self.answers:
            await self.ended.wait()
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(EVENT % 1 + EVENT % 2 + EVENT[:9])
        if self.breaks:
            assert request.transport is not None
            request.transport.abort()
        else:
            await self.ended.wait()
        return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    yield made
    made.ended.set()


async def watched(server: Server) -> list[str]:
    app = web.Application()
    app.router.add_get("/api/v1/pods", server.watch)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    found: list[str] = []
    try:
        async with aiohttp.ClientSession() as session:
            connection = Here(session, f"http://127.0.0.1:{port}")
            asked = Verbs(connection, lambda: True, in_flight=1)  # type: ignore[arg-type]
            async for line in asked.watch(PODS, None, "", "1"):
                kind, pod = decode_event(line)
                found.append(f"{kind} {pod['metadata']['name']}")
        return found
    finally:
        server.ended.set()
        await runner.cleanup()


@pytest.mark.parametrize("answers", [True, False])
async def test_a_silent_stream_ends_without_an_error(
    server: Server, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setattr(verbs, "SILENCE_SECONDS", 0.2)
    server.answers = answers
    assert await asyncio.wait_for(watched(server), 30) == (["ADDED 1", "ADDED 2"] if answers else [])


async def test_a_stream_that_breaks_is_an_error(server: Server) -> None:
    server.answers = server.breaks = True
    with pytest.raises(ApiError, match="watch /api/v1/pods"):
        await asyncio.wait_for(watched(server), 30)


FIELDS = [{"manager": "kubelet", "fieldsV1": {"f:spec": {'k:{"name":"task"}': {".": {}}}, "f:status": {}}}]


@pytest.mark.parametrize(
    "written",
    [
        {"metadata": {"name": "a", "uid": "u", "managedFields": FIELDS}, "spec": {"nodeName": "n"}},
        # A custom resource: its keys are sorted, and what follows the fields must not go with them.
        {"metadata": {"managedFields": FIELDS, "name": "a", "uid": "u", "x": [1]}, "spec": {}},
        {"metadata": {"annotations": {}, "managedFields": FIELDS, "name": "a", "x": [1]}, "spec": {}},
        {"metadata": {"annotations": {}, "managedFields": FIELDS, "uid": "u"}},
        {
            "metadata": {"name": "a", "annotations": {"x": ',"managedFields":[]},"spec":'}, "uid": "u"},
            "spec": {},
        },
        {"metadata": {"resourceVersion": "7"}},
        {"code": 410, "message": "gone"},
    ],
)
def test_an_event_is_read_whole_but_for_who_owns_which_field(written: dict[str, object]) -> None:
    kind, found = decode_event(orjson.dumps({"type": "MODIFIED", "object": written}))
    assert kind == "MODIFIED"
    for document in (written, found):
        metadata = document.get("metadata")
        if isinstance(metadata, dict):
            metadata.pop("managedFields", None)
    assert found == written


def test_the_fields_of_a_pod_are_not_decoded() -> None:
    pod = {"metadata": {"name": "a", "uid": "u", "managedFields": FIELDS}, "spec": {"nodeName": "n"}}
    _, found = decode_event(orjson.dumps({"type": "MODIFIED", "object": pod}))
    assert found == {"metadata": {"name": "a", "uid": "u"}, "spec": {"nodeName": "n"}}
