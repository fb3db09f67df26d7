"""Short requests over HTTP/1.1, on connections that are kept: for a program that makes hundreds of the same kind a second.

The parser is httptools'. What is here is what such requests need: one answer, read whole, within a time. Streams go through
aiohttp (see `connection`), whose generality costs four times as much for each request (docs/decisions/0031).
"""

import asyncio
import ssl
import time
from collections import deque
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

from limosa_propeller.kube.answers import Hearer

KEEP_SECONDS = 60.0
"""A connection unused for longer is not used again: the server may be about to close it."""
CONNECT_SECONDS = 10.0
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
"""Methods that may be sent again where a kept connection turned out to be closed, as RFC 9110 has it."""


class BrokenConnectionError(OSError):
    """The connection ended before the answer did."""


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class HttpClient:
    """Requests to one server. Any failure to get an answer is an OSError or asyncio.TimeoutError."""

    def __init__(
        self,
        server: str,
        context: ssl.SSLContext | None,
        hearer: Hearer,
    ) -> None:
        """Prepares; connections are made as they are needed.

        Args:
            server: URL, without a trailing slash.
            context: For TLS; None: plain HTTP.
            hearer: Told of every answer.
        """
        parts = urlsplit(server)
        self._context, self._hearer = context, hearer
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if context is not None else 80)
        self._head = f" HTTP/1.1\r\nHost: {parts.netloc}\r\nUser-Agent: limosa-propeller\r\n"
        self._prefix = parts.path
        self._idle: deque[_Channel] = deque()
        """The one used last is at the right."""
        self._open: set[_Channel] = set()
        self._retired = False

    async def request(
        self, method: str, target: str, headers: str, body: bytes | None, seconds: float
    ) -> Answer:
        """Sends a request and reads its whole answer.

        Args:
            method: In capitals.
            target: Path and query, encoded.
            headers: Lines, each with its end.
            body: None: the request has none.
            seconds: Most that it may take, once there is a connection.
        """
        begun = time.perf_counter()
        length = "" if body is None else f"Content-Length: {len(body)}\r\n"
        head = f"{method} {self._prefix}{target}{self._head}{headers}{length}\r\n".encode("latin-1")
        data = head if body is None else head + body
        try:
            answer = await self._exchange(data, seconds, method in REPEATABLE)
        except (OSError, asyncio.TimeoutError):
            self._hearer.seen(method, 0, time.perf_counter() - begun)
            raise
        self._hearer.seen(method, answer.status, time.perf_counter() - begun)
        date = answer.headers.get("date")
        if date is not None:
            self._hearer.dated(date)
        return answer

    def retire(self) -> None:
        """Takes no connection for another request; requests under way go on."""
        self._retired = True
        while self._idle:
            self._idle.pop().abort()

    def close(self) -> None:
        """Ends everything; requests under way fail."""
        self.retire()
        for channel in list(self._open):
            channel.abort()

    async def _exchange(self, data: bytes, seconds: float, repeatable: bool) -> Answer:
        channel = self._kept()
        if channel is not None:
            try:
                return await self._ask(channel, data, seconds)
            except BrokenConnectionError:
                if channel.heard or not repeatable:
                    raise
        return await self._ask(await self._connect(), data, seconds)

    async def _ask(self, channel: "_Channel", data: bytes, seconds: float) -> Answer:
        answer = await channel.ask(data, seconds)
        if channel.reusable and not self._retired:
            self._keep(channel)
        else:
            channel.abort()
        return answer

    def _kept(self) -> "_Channel | None":
        while self._idle:
            channel = self._idle.pop()
            if channel.reusable and time.monotonic() - channel.unused_since < KEEP_SECONDS:
                return channel
            channel.abort()
        return None

    def _keep(self, channel: "_Channel") -> None:
        now = channel.unused_since = time.monotonic()
        self._idle.append(channel)
        while now - self._idle[0].unused_since >= KEEP_SECONDS:
            self._idle.popleft().abort()

    async def _connect(self) -> "_Channel":
        connecting = asyncio.get_running_loop().create_connection(
            lambda: _Channel(self._open),
            self._host,
            self._port,
            ssl=self._context,
            server_hostname=self._host if self._context is not None else None,
        )
        _, channel = await asyncio.wait_for(connecting, CONNECT_SECONDS)
        return channel


class _Channel(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, channels: "set[_Channel]") -> None:
        self._channels = channels
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer] | None = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self.reusable = True
        self.heard = False
        """Whether anything came since the request was sent."""
        self.unused_since = 0.0

    async def ask(self, data: bytes, seconds: float) -> Answer:
        """Sends a request; the connection is of no use for another where this raises."""
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        self.heard = False
        timer = loop.call_later(seconds, self._give_up)
        if self.reusable:
            self._transport.write(data)
        else:
            self._fail(BrokenConnectionError("the server closed the connection"))
        try:
            answer: Answer = await waiter
            return answer
        except BaseException:
            # Also where whoever asked does not wait any more: what comes would be taken for the next request's answer.
            self.abort()
            raise
        finally:
            timer.cancel()

    def abort(self) -> None:
        """Ends the connection at once."""
        self.reusable = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio."""
        # uvloop's is no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._channels.add(self)

    def data_received(self, data: bytes) -> None:
        """Of asyncio."""
        self.heard = True
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(BrokenConnectionError(f"the answer is no HTTP: {error!r}"))
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Of asyncio."""
        self._channels.discard(self)
        self.reusable = False
        self._fail(BrokenConnectionError(str(error or "the server closed the connection")))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of httptools."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        """Of httptools."""
        self._body.append(part)

    def on_message_complete(self) -> None:
        """Of httptools."""
        status, headers, body = self._parser.get_status_code(), self._headers, b"".join(self._body)
        self._headers, self._body = {}, []
        if status < 200:
            # Only news that an answer will come.
            return
        self.reusable = self.reusable and self._waiter is not None and self._parser.should_keep_alive()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(Answer(status, headers, body))

    def _give_up(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(asyncio.TimeoutError())

    def _fail(self, error: OSError) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
