"""A map's outputs as one: streamed from the items' commits into one object per output, then committed."""

import hashlib
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import BinaryIO, cast

from limosa_engine.commands import CollectMap
from limosa_engine.events import CommitRead, Event
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralCollection, LiteralMap, Offloaded
from limosa_idl.run.v1alpha1.run_pb2 import Commit
from limosa_model import layout, values
from limosa_model.names import launch_id
from limosa_model.pod_contract import INLINE_OUTPUTS_LIMIT
from limosa_propeller.runs.bounded import CorruptError
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.reads import answer, bare_commit_at, commit_at, committed, outputs_of
from limosa_propeller.runs.reused import joined_before
from limosa_propeller.store_access import StoreAccess
from limosa_store.store import Store

READERS = 16
"""Commits read at the same time."""
READ_AHEAD = 64
"""Most commits in memory; each is at most `bounded.COMMIT_BYTES`, and as a rule a few hundred bytes."""
SPOOL_BYTES = 4 * 1024 * 1024
"""An output larger than this waits on disk for its upload."""


async def collect_map(access: StoreAccess, run: OpenedRun, command: CollectMap) -> Event:
    """Answers with the map node's commit, made now unless it was there."""
    key = layout.commit_key(run.factory.prefix, command.item.node_path, None)

    def work(store: Store) -> Event:
        found = commit_at(store, run, key)
        if found is None:
            found = committed(store, run, key, _make(store, run, command))
        return CommitRead(command.item, *found)

    return await answer(access, command, work, key)


def _make(store: Store, run: OpenedRun, command: CollectMap) -> Commit:
    """The commit; what it refers to is stored when this returns."""
    path = command.item.node_path
    name = launch_id(run.spec.run_uid, path, None, run.epoch, 0)
    commit = Commit(run_uid=run.spec.run_uid, launch_id=name, epoch=run.epoch)
    with ExitStack() as stack:
        columns = {output: _Column(stack) for output in command.outputs}
        for position, row in enumerate(_rows(store, run, command)):
            for output, column in columns.items():
                column.add(_value(row, output, f"{path}[{position}]"))
        before = joined_before(store, run, command.item)
        for output, column in columns.items():
            key = f"{layout.data_prefix(run.factory.prefix, name)}/{output}.pb"
            room = INLINE_OUTPUTS_LIMIT - commit.inline.ByteSize()
            commit.inline.literals[output].CopyFrom(column.stored(store, key, before.get(output), room))
    commit.committed_at.GetCurrentTime()
    return commit


def _rows(store: Store, run: OpenedRun, command: CollectMap) -> Iterator[LiteralMap | None]:
    """The items' outputs in index order; None for a failed one."""

    def read(position: int) -> Commit:
        key = layout.commit_key(run.factory.prefix, command.item.node_path, position)
        found = bare_commit_at(store, run, key)
        if found is None:
            raise CorruptError(f"{key} is not in the store any more")
        return found[0]

    def row(reading: "Future[Commit] | None") -> LiteralMap | None:
        # Outputs beside a commit are read one after the other: of many at once the operator has no room.
        return None if reading is None else outputs_of(store, run, reading.result())

    missing = set(command.missing)
    ahead: deque[Future[Commit] | None] = deque()
    with ThreadPoolExecutor(READERS, thread_name_prefix="collect") as readers:
        for position in range(command.items):
            ahead.append(None if position in missing else readers.submit(read, position))
            if len(ahead) > READ_AHEAD:
                yield row(ahead.popleft())
        while ahead:
            yield row(ahead.popleft())


def _value(row: LiteralMap | None, output: str, item: str) -> Literal:
    if row is None:
        return values.none()
    if output not in row.literals:
        raise CorruptError(f"{item} gave no output '{output}'")
    return row.literals[output]


class _Column:
    """One output of all items as the bytes of a serialised Literal.

    Pieces of one serialised message concatenate to the message with all their elements, so that each element is
    written as it comes.
    """

    def __init__(self, stack: ExitStack) -> None:
        spool = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # noqa: SIM115 - the stack closes it
        self._file = cast(BinaryIO, stack.enter_context(spool))
        self._digest = hashlib.sha256()
        self._size = self._length = 0

    def add(self, element: Literal) -> None:
        """Adds the next element."""
        piece = Literal(collection=LiteralCollection(literals=[element])).SerializeToString()
        self._file.write(piece)
        self._digest.update(piece)
        self._size += len(piece)
        self._length += 1

    def stored(self, store: Store, key: str, before: Literal | None, room: int) -> Literal:
        """The collection: itself where it fits into the commit, else a reference to the object it was put into.

        Args:
            store: Where objects lie.
            key: Of the object.
            before: A reference to a collection that may have been stored before.
            room: Bytes that the commit has left for it.
        """
        self._file.seek(0)
        if self._size <= room:
            return Literal.FromString(self._file.read()) if self._length else values.collection([])
        digest = f"sha256:{self._digest.hexdigest()}"
        if before is not None and before.offloaded.digest == digest:
            return before
        store.put(key, self._file)
        made = Offloaded(uri=store.uri(key), size=self._size, digest=digest, length=self._length)
        return Literal(offloaded=made)
