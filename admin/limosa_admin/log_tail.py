"""Logs: what launches printed, from the segments they left in the object store."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence

from limosa_idl.admin.v1alpha1.admin_pb2 import LogChunk
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.layout import log_prefix
from limosa_store import ErrorCode, Store, StoreError

CHUNK_BYTES = 256 * 1024
_ENDED = {
    run_pb2.LAUNCH_PHASE_SUCCEEDED,
    run_pb2.LAUNCH_PHASE_FAILED,
    run_pb2.LAUNCH_PHASE_ABORTED,
    run_pb2.LAUNCH_PHASE_SUPERSEDED,
}


@dataclasses.dataclass
class _Tail:
    """How far one launch's log was read."""

    snapshot: run_pb2.Snapshot
    last: str | None = None
    """Key of the last segment read."""
    rest: bytes = b""
    """An unfinished line."""
    seen_ended: bool = False
    """It was read to its end after the launch had ended."""


class LogTail:
    """Reads the logs of a changing set of launches, as chunks of whole lines."""

    def __init__(self, store: Store, run_prefix: str, tail_lines: int) -> None:
        """Reads nothing yet.

        Args:
            store: The objects.
            run_prefix: Key below which the run's objects lie.
            tail_lines: Lines of each launch to begin with; 0: all.
        """
        self._store = store
        self._prefix = run_prefix
        self._tail_lines = tail_lines
        self._tails: dict[str, _Tail] = {}

    def read(self, launches: Sequence[run_pb2.Snapshot]) -> Iterator[LogChunk]:
        """What the launches printed since the last call, in the order given."""
        for snapshot in launches:
            tail = self._tails.setdefault(snapshot.launch.launch_id, _Tail(snapshot))
            tail.snapshot = snapshot
            if tail.seen_ended:
                continue
            ended = snapshot.launch.phase in _ENDED
            yield from self._read(tail)
            if ended:
                tail.seen_ended = True
                if tail.rest:
                    yield _chunk(tail, tail.rest)
                    tail.rest = b""

    def is_reading(self, launch_id: str) -> bool:
        """Whether a launch was read and may have more."""
        tail = self._tails.get(launch_id)
        return tail is not None and not tail.seen_ended

    def _read(self, tail: _Tail) -> Iterator[LogChunk]:
        prefix = log_prefix(self._prefix, tail.snapshot.launch.launch_id)
        keys = [info.key for info in self._store.list(prefix, start_after=tail.last)]
        if tail.last is None and self._tail_lines and keys:
            yield from self._first_lines(tail, keys)
            return
        for key in keys:
            yield from self._append(tail, key, self._get(key))

    def _first_lines(self, tail: _Tail, keys: Sequence[str]) -> Iterator[LogChunk]:
        """The last lines of what is there, read from the end so that a long log costs no more than a short one."""
        segments: collections.deque[bytes] = collections.deque()
        lines = 0
        for key in reversed(keys):
            segments.appendleft(self._get(key))
            lines += segments[0].count(b"\n")
            if lines > self._tail_lines:
                break
        text = b"".join(segments)
        whole = text.splitlines(keepends=True)[-self._tail_lines :]
        yield from self._append(tail, keys[-1], b"".join(whole))

    def _append(self, tail: _Tail, key: str, data: bytes) -> Iterator[LogChunk]:
        tail.last = key
        data = tail.rest + data
        end = data.rfind(b"\n") + 1
        # A line without an end must not be kept for ever.
        if len(data) - end > CHUNK_BYTES:
            end = len(data)
        tail.rest = data[end:]
        for start in range(0, end, CHUNK_BYTES):
            yield _chunk(tail, data[start : min(start + CHUNK_BYTES, end)])

    def _get(self, key: str) -> bytes:
        try:
            return self._store.get(key)
        except StoreError as error:
            # Deleted since it was listed.
            if error.code is ErrorCode.NOT_FOUND:
                return b""
            raise


def select(
    launches: Sequence[run_pb2.Snapshot], ordinal: int | None, tail: LogTail, most: int = 0
) -> list[run_pb2.Snapshot]:
    """The launches somebody asks for.

    Args:
        launches: All that are known, ordered by node, index and ordinal.
        ordinal: Only launches of this ordinal; None: of each node item the latest.
        tail: Where reading has begun, it goes on when a later launch begins.
        most: Of the latest ones, only so many that were created last; 0: all.
    """
    if ordinal is not None:
        return [snapshot for snapshot in launches if snapshot.key.launch == ordinal]
    newest = {_item(s): s for s in launches}
    latest = sorted(newest.values(), key=lambda s: s.launch.created_at.ToNanoseconds())
    chosen = {snapshot.launch.launch_id for snapshot in latest[-most:]}
    return [s for s in launches if s.launch.launch_id in chosen or tail.is_reading(s.launch.launch_id)]


def count_items(launches: Sequence[run_pb2.Snapshot]) -> int:
    """How many node items have launches among these."""
    return len({_item(snapshot) for snapshot in launches})


def is_over(launches: Sequence[run_pb2.Snapshot]) -> bool:
    """Whether all launches have ended."""
    return all(snapshot.launch.phase in _ENDED for snapshot in launches)


def _item(snapshot: run_pb2.Snapshot) -> tuple[str, int]:
    key = snapshot.key
    return key.node_path, key.index if key.HasField("index") else -1


def _chunk(tail: _Tail, data: bytes) -> LogChunk:
    key = tail.snapshot.key
    chunk = LogChunk(node_path=key.node_path, launch=key.launch, text=data.decode("utf-8", "replace"))
    if key.HasField("index"):
        chunk.index = key.index
    return chunk
