"""An object store of dictionaries; the store's contract suite holds it to the others."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from limosa_store.errors import ErrorCode, StoreError
from limosa_store.settings import StoreSettings
from limosa_store.store import ObjectInfo

ROOT = "file:///memory"


class MemoryStore:
    """What an operator uses of a store; `point` is told before and after each write, and may raise."""

    settings = StoreSettings(url=ROOT)

    def __init__(self, objects: dict[str, bytes], point: Callable[[str], None] = lambda what: None) -> None:
        self.objects, self._point = objects, point

    def uri(self, key: str) -> str:
        return f"{ROOT}/{key}"

    def key(self, uri: str) -> str | None:
        return uri.removeprefix(f"{ROOT}/") if uri.startswith(f"{ROOT}/") else None

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        if key not in self.objects:
            raise StoreError(ErrorCode.NOT_FOUND, f"no object {key}")
        return self.objects[key][:limit]

    def head(self, key: str) -> ObjectInfo | None:
        data = self.objects.get(key)
        return None if data is None else ObjectInfo(key, len(data), str(hash(data)), 0.0)

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[ObjectInfo]:
        for key in sorted(self.objects):
            if key.startswith(f"{prefix}/") and (start_after is None or key > start_after):
                yield ObjectInfo(key, len(self.objects[key]), str(hash(self.objects[key])), 0.0)

    def put(self, key: str, body: Any, *, content_type: str = "") -> None:
        self._point(f"put {key}")
        if isinstance(body, Path):
            body = body.read_bytes()
        self.objects[key] = bytes(body) if isinstance(body, bytes | bytearray) else body.read()
        self._point(f"put {key}")

    def put_if_absent(self, key: str, data: bytes, *, content_type: str = "") -> bool:
        self._point(f"put {key}")
        created = self.objects.setdefault(key, data) is data
        self._point(f"put {key}")
        return created
