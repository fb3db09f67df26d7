"""Transfers through this server, for clients that cannot reach the object store."""

import tempfile
from collections.abc import Iterator
from typing import IO, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from limosa_admin.request_errors import Reason, RequestError
from limosa_admin.transfers import Transfers

_PIECE = 256 * 1024
_IN_MEMORY = 4 * 1024 * 1024


class Objects:
    """Serves the one object and verb that an address was signed for, in flat memory."""

    def __init__(self, transfers: Transfers) -> None:
        self._transfers = transfers
        self._store = transfers.store

    async def get(self, request: Request) -> Response:
        """The object's bytes."""
        key, _ = self._transfers.open_ticket("GET", request.path_params["ticket"])
        info = await run_in_threadpool(self._store.head, key)
        reader = await run_in_threadpool(self._store.open_reader, key)
        headers = {
            # Whatever a run wrote is handed over, never shown as a page of this site.
            "Content-Disposition": "attachment",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        }
        if info is not None:
            headers["Content-Length"] = str(info.size)
        return StreamingResponse(_pieces(reader), headers=headers, media_type="application/octet-stream")

    async def put(self, request: Request) -> Response:
        """Takes exactly as many bytes as the address was signed for."""
        key, size = self._transfers.open_ticket("PUT", request.path_params["ticket"])
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as body:
            taken = 0
            async for piece in request.stream():
                taken += len(piece)
                if taken > size:
                    break
                await run_in_threadpool(body.write, piece)
            if taken != size:
                count = "more" if taken > size else f"only {taken}"
                message = f"the upload has {count} bytes and was announced with {size}; nothing was kept"
                raise RequestError(Reason.INVALID, message)
            await run_in_threadpool(self._keep, key, body)
        return JSONResponse({"uri": self._store.uri(key)})

    def _keep(self, key: str, body: IO[bytes]) -> None:
        body.seek(0)
        self._store.put(key, iter(lambda: body.read(_PIECE), b""))


def _pieces(reader: BinaryIO) -> Iterator[bytes]:
    with reader:
        while piece := reader.read(_PIECE):
            yield piece
