"""The client for short requests, against a server that answers as it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from limosa_propeller.kube.answers import NOBODY, Hearer
from limosa_propeller.kube.http_client import Answer, BrokenConnectionError, HttpClient

OK = b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 22:58:46 GMT\r\nContent-Length: 2\r\n\r\nok"
SECONDS = 30.0

Talk = Callable[["Server", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Counts connections and keeps what it was sent."""

    def __init__(self, talk: Talk) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.released = asyncio.Event()
        self._talk = talk
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def hear(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = [line.split(b":")[1] for line in head.split(b"\r\n") if line.startswith(b"Content-Length")]
        body = await reader.readexactly(int(length[0])) if length else b""
        self.requests.append(head + body)
        return head + body

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._talk(self, reader, writer)
        writer.close()


@contextlib.asynccontextmanager
async def serving(talk: Talk, hearer: Hearer = NOBODY) -> AsyncIterator[tuple[Server, HttpClient]]:
    server = Server(talk)
    client = HttpClient(await server.start(), None, hearer)
    try:
        yield server, client
    finally:
        client.close()
        await server.close()


def answering(*answers: bytes) -> Talk:
    """Gives these answers on each connection, the last one for ever."""

    async def talk(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = 0
        while True:
            await server.hear(reader)
            writer.write(answers[min(number, len(answers) - 1)])
            number += 1

    return talk


async def get(client: HttpClient, target: str = "/a", seconds: float = SECONDS) -> Answer:
    return await client.request("GET", target, "Accept: x\r\n", None, seconds)


async def test_a_request_is_sent_as_it_was_given_and_its_answer_read_whole() -> None:
    heard: list[object] = []
    hearer = Hearer(lambda method, status, seconds: heard.append((method, status)), heard.append)
    async with serving(answering(OK), hearer) as (server, client):
        answer = await client.request("POST", "/a?b=c", "Accept: x\r\n", b"{}", SECONDS)
    assert (answer.status, answer.body) == (200, b"ok")
    host = server.requests[0].split(b"Host: ")[1].split(b"\r\n")[0]
    assert server.requests[0] == (
        b"POST /a?b=c HTTP/1.1\r\nHost: %b\r\nUser-Agent: limosa-propeller\r\n"
        b"Accept: x\r\nContent-Length: 2\r\n\r\n{}" % host
    )
    assert heard == [("POST", 200), "Sat, 21 Nov 2026 22:58:46 GMT"]


async def test_one_request_after_another_goes_on_one_connection_and_those_at_a_time_on_their_own() -> None:
    async with serving(answering(OK)) as (server, client):
        for _ in range(3):
            await get(client)
        assert server.connections == 1
        await asyncio.gather(*(get(client) for _ in range(3)))
        assert server.connections == 3


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n", b"ok\r\n0\r\n\r\n"],
        [bytes([byte]) for byte in OK],
        [b"HTTP/1.1 100 Continue\r\n\r\n", OK],
    ],
    ids=["chunked", "byte by byte", "after an interim answer"],
)
async def test_an_answer_may_come_in_any_pieces(pieces: list[bytes]) -> None:
    async def talk(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.hear(reader)
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)

    async with serving(talk) as (server, client):
        assert [(await get(client)).body for _ in range(2)] == [b"ok", b"ok"]
        assert server.connections == 1


async def closes_after_one(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await server.hear(reader)
    writer.write(OK)
    if server.connections == 1:
        await server.hear(reader)
        return
    await server.released.wait()


async def test_what_may_be_repeated_is_where_a_kept_connection_was_closed() -> None:
    async with serving(closes_after_one) as (server, client):
        await get(client)
        assert (await get(client)).status == 200
        assert server.connections == 2


async def test_what_may_not_be_repeated_fails_there() -> None:
    async with serving(closes_after_one) as (server, client):
        await get(client)
        with pytest.raises(BrokenConnectionError):
            await client.request("POST", "/a", "", b"{}", SECONDS)
        assert server.connections == 1


async def test_an_answer_that_was_cut_is_not_asked_for_again() -> None:
    async def talk(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.hear(reader)
        writer.write(OK)
        await server.hear(reader)
        writer.write(OK[:-1])

    async with serving(talk) as (server, client):
        await get(client)
        with pytest.raises(BrokenConnectionError):
            await get(client)
        assert server.connections == 1


async def test_a_connection_whose_server_says_it_closes_is_not_used_again() -> None:
    closing = OK.replace(b"Date", b"Connection: close\r\nDate")
    async with serving(answering(closing)) as (server, client):
        await get(client)
        await get(client)
        assert server.connections == 2


async def waits_then_answers(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while True:
        request = await server.hear(reader)
        if b"/slow" in request:
            await server.released.wait()
        writer.write(OK.replace(b"\r\n\r\nok", b"\r\n\r\n" + request[5:7]))


async def test_a_late_answer_is_a_timeout_and_never_another_requests() -> None:
    heard: list[tuple[str, int]] = []
    hearer = Hearer(lambda method, status, seconds: heard.append((method, status)), lambda date: None)
    async with serving(waits_then_answers, hearer) as (server, client):
        with pytest.raises(asyncio.TimeoutError):
            await get(client, "/slow", 0.05)
        server.released.set()
        assert (await get(client, "/quick")).body == b"qu"
        assert heard == [("GET", 0), ("GET", 200)]


async def test_the_answer_to_who_does_not_wait_any_more_is_never_another_requests() -> None:
    async with serving(waits_then_answers) as (server, client):
        asking = asyncio.create_task(get(client, "/slow"))
        while not server.requests:
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        server.released.set()
        assert (await get(client, "/quick")).body == b"qu"


async def test_what_is_no_http_is_an_error() -> None:
    async with serving(answering(b"SSH-2.0-OpenSSH_9.2\r\n")) as (_, client):
        with pytest.raises(BrokenConnectionError, match="no HTTP"):
            await get(client)


async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    async with serving(answering(OK + OK)) as (server, client):
        await get(client)
        await get(client)
        assert server.connections == 2


async def test_a_retired_client_ends_what_is_under_way_and_keeps_nothing() -> None:
    async with serving(waits_then_answers) as (server, client):
        asking = asyncio.create_task(get(client, "/slow"))
        while not server.requests:
            await asyncio.sleep(0)
        client.retire()
        server.released.set()
        assert (await asking).body == b"sl"
        await get(client, "/quick")
        assert server.connections == 2


async def test_a_closed_client_fails_what_is_under_way() -> None:
    async with serving(waits_then_answers) as (server, client):
        asking = asyncio.create_task(get(client, "/slow"))
        while not server.requests:
            await asyncio.sleep(0)
        client.close()
        with pytest.raises(BrokenConnectionError):
            await asking


async def test_a_server_that_is_not_there_is_an_error_and_told() -> None:
    heard: list[int] = []
    server = Server(answering(OK))
    url = await server.start()
    await server.close()
    client = HttpClient(url, None, Hearer(lambda m, status, s: heard.append(status), lambda date: None))
    with pytest.raises(OSError, match="onnect"):
        await get(client)
    assert heard == [0]
