"""The server in this process: logs, bookmarks, and what it does when clients leave."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import aiohttp.web
import pytest

from limosa_sandbox.cluster import watching
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.server import serve
from limosa_sandbox.cluster.storage import Storage

PODS = "/api/v1/namespaces/default/pods"


class Logs:
    """A log reader that tells what it was asked and follows until it is released."""

    def __init__(self):
        self.asked = []
        self.released = asyncio.Event()
        self.closed = asyncio.Event()

    async def read(self, namespace, pod, container, **options):
        self.asked.append((namespace, pod, container, options))
        if options["previous"]:
            raise ApiError(400, f'previous terminated container "{container}" in pod "{pod}" not found')
        try:
            yield b"first\n"
            if options["follow"]:
                await self.released.wait()
                yield b"second\n"
        finally:
            self.closed.set()


@pytest.fixture
async def logs():
    return Logs()


@pytest.fixture
async def storage():
    made = Storage()
    containers = [{"name": "main", "image": "a:1"}]
    made.create("pods", "default", {"metadata": {"name": "p"}, "spec": {"containers": containers}})
    made.bind("default", "p", "n1")
    yield made
    made.close()


@pytest.fixture
async def http(storage, logs):
    server = await serve(storage, logs)
    headers = {"Authorization": f"Bearer {server.token}"}
    async with aiohttp.ClientSession(server.url, headers=headers) as session:
        yield session
    await server.close()


async def test_log_options_reach_the_reader(http, logs):
    query = "tailLines=5&timestamps=true&sinceSeconds=60&limitBytes=100&container=main"
    async with http.get(f"{PODS}/p/log?{query}") as answer:
        assert (answer.status, await answer.read()) == (200, b"first\n")
        assert answer.content_type == "text/plain"
    expected = {
        "follow": False, "tail_lines": 5, "previous": False, "timestamps": True, "since_seconds": 60, "limit_bytes": 100,
    }  # fmt: skip
    assert logs.asked == [("default", "p", "main", expected)]


async def test_a_followed_log_arrives_piece_by_piece(http, logs):
    async with http.get(f"{PODS}/p/log?follow=true") as answer:
        assert await answer.content.readline() == b"first\n"
        logs.released.set()
        assert await answer.content.read() == b"second\n"


async def test_a_reader_is_closed_when_its_client_leaves(http, logs):
    async with http.get(f"{PODS}/p/log?follow=true") as answer:
        await answer.content.readline()
        answer.close()
    await asyncio.wait_for(logs.closed.wait(), 10)


async def test_what_the_reader_refuses_is_a_status(http):
    async with http.get(f"{PODS}/p/log?previous=true") as answer:
        assert answer.status == 400
        assert "previous terminated container" in (await answer.json())["message"]


async def test_bookmarks_come_in_quiet_times(http, storage, monkeypatch):
    monkeypatch.setattr(watching, "_BOOKMARK_SECONDS", 0.01)
    async with http.get(
        f"{PODS}?watch=1&allowWatchBookmarks=true&resourceVersion={storage.version}"
    ) as answer:
        event = json.loads(await answer.content.readline())
    assert event["type"] == "BOOKMARK"
    assert event["object"]["kind"] == "Pod"
    assert event["object"]["metadata"]["resourceVersion"] == str(storage.version)


async def test_a_watch_is_dropped_when_its_client_leaves(http, storage):
    watches = storage.collection("pods").watches
    async with http.get(f"{PODS}?watch=1&resourceVersion={storage.version}") as answer:
        assert len(watches) == 1
        answer.close()
    for _ in range(1000):
        if not watches:
            break
        await asyncio.sleep(0.01)
    assert not watches


async def test_a_client_that_leaves_while_it_is_written_to_is_no_error(http, storage, monkeypatch, caplog):
    async def reset(self, data):
        raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    async with http.get(f"{PODS}?watch=1&resourceVersion={storage.version}"):
        monkeypatch.setattr(aiohttp.web.StreamResponse, "write", reset)
        storage.patch("pods", "default", "p", {"metadata": {"labels": {"a": "b"}}})
        for _ in range(1000):
            if not storage.collection("pods").watches:
                break
            await asyncio.sleep(0.01)
    assert not storage.collection("pods").watches
    assert not caplog.records


async def test_closing_ends_open_streams(storage, logs):
    server = await serve(storage, logs)
    async with aiohttp.ClientSession(
        server.url, headers={"Authorization": f"Bearer {server.token}"}
    ) as session:
        answer = await session.get(f"{PODS}?watch=1&resourceVersion={storage.version}")
        await asyncio.wait_for(server.close(), 10)
        with pytest.raises(aiohttp.ClientError):
            await answer.content.read()
    assert not storage.collection("pods").watches


async def test_a_definition_that_goes_ends_its_watches(http, storage):
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {
        "group": "x.test",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [version],
    }
    crds = "customresourcedefinitions.apiextensions.k8s.io"
    storage.create(crds, None, {"metadata": {"name": "things.x.test"}, "spec": spec})
    async with http.get(f"/apis/x.test/v1/things?watch=1&resourceVersion={storage.version}") as answer:
        storage.delete(crds, None, "things.x.test")
        assert await asyncio.wait_for(answer.content.read(), 10) == b""
