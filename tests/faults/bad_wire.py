"""A way to an S3 endpoint that does to chosen requests what networks and services do to them."""

import socket
import socketserver
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["refused", "slow", "cut-in-request", "cut-before-answer"]

BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
SLOW_SECONDS = 0.3


class BadWire(socketserver.ThreadingTCPServer):
    """Hands requests on, one a connection; each PUT meets the next of `faults`, if any is left."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, endpoint: str) -> None:
        target = urlsplit(endpoint)
        self.target = target.hostname or "", target.port or 0
        self.faults: deque[Fault] = deque()
        self.met: list[Fault] = []
        super().__init__(("127.0.0.1", 0), _Passage)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Passage(socketserver.BaseRequestHandler):
    server: BadWire

    def handle(self) -> None:
        head, body = _request(self.request)
        if not head:
            return
        fault = self.server.faults.popleft() if head.startswith(b"PUT") and self.server.faults else None
        if fault is not None:
            self.server.met.append(fault)
        if fault == "refused":
            self.request.sendall(BUSY)
            return
        if fault == "slow":
            time.sleep(SLOW_SECONDS)
        with socket.create_connection(self.server.target, timeout=30) as onwards:
            if fault == "cut-in-request":
                onwards.sendall(head + body[: len(body) // 2])
                return
            onwards.sendall(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
            answer = b"".join(iter(lambda: onwards.recv(65536), b""))
        if fault != "cut-before-answer":
            self.request.sendall(answer)


def _request(wire: socket.socket) -> tuple[bytes, bytes]:
    read = b""
    while b"\r\n\r\n" not in read:
        more = wire.recv(65536)
        if not more:
            return b"", b""
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    while len(body) < int(lengths[0] if lengths else 0):
        body += wire.recv(65536)
    return head + b"\r\n\r\n", body


@contextmanager
def bad_wire(endpoint: str) -> Iterator[BadWire]:
    """A wire of its own."""
    with BadWire(endpoint) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
