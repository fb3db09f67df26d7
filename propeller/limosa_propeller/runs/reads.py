"""Reading a run's records: only in its project and domain, and only what has the right digest."""

import hashlib
from collections.abc import Callable

from google.protobuf.message import DecodeError, Message

from limosa_engine.commands import (
    CollectMap,
    CommitCall,
    CommitNode,
    LoadValue,
    ReadCall,
    ReadCommit,
    ReadError,
    ReuseCommit,
)
from limosa_engine.events import CommitRead, ErrorRead, Event, MadeGraph, StoreFailed, ValueLoaded
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_USER
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit, ErrorRecord
from limosa_model import layout
from limosa_model.digests import serialize
from limosa_model.failures import Code
from limosa_propeller.runs import bounded
from limosa_propeller.runs.bounded import CorruptError, DeletedError, TooLargeError
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.store_access import StoreAccess
from limosa_store.errors import ErrorCode, StoreError
from limosa_store.store import Store

GraphOf = Callable[[Store, Commit], MadeGraph | None]
"""The graph in a commit; None where it has none."""
Instead = Callable[[Store], Commit | None]
"""What becomes the commit of an item that has none."""


def _no_graph(_store: Store, _commit: Commit) -> MadeGraph | None:
    return None


def nothing(_store: Store) -> Commit | None:
    """An item without a commit has none."""
    return None


async def read_commit(
    access: StoreAccess,
    run: OpenedRun,
    command: ReadCommit | ReuseCommit,
    graph_of: GraphOf = _no_graph,
    instead: Instead = nothing,
) -> Event:
    """Answers with the commit; outputs that it has offloaded stand inline, and what `graph_of` makes of it beside it."""
    key = layout.commit_key(run.factory.prefix, command.item.node_path, command.item.index)

    def work(store: Store) -> Event:
        found = commit_at(store, run, key)
        made = instead(store) if found is None else None
        if made is not None:
            found = committed(store, run, key, made)
        if found is None:
            return CommitRead(command.item, None)
        return CommitRead(command.item, *found, graph_of(store, found[0]))

    return await answer(access, command, work, key)


def committed(store: Store, run: OpenedRun, key: str, made: Commit) -> tuple[Commit, str]:
    """Writes a commit unless there is one; gives the one that counts, as `commit_at` does."""
    store.put_if_absent(key, serialize(made))
    found = commit_at(store, run, key)
    if found is None:
        raise CorruptError(f"{key} was written and is not there")
    return found


def commit_at(store: Store, run: OpenedRun, key: str) -> tuple[Commit, str] | None:
    """A commit of the run, its outputs inline, and the digest of the stored bytes; None where there is none.

    Raises:
        StoreError: The store gave no answer.
        CorruptError, DecodeError: What lies there is no commit of this run.
    """
    found = bare_commit_at(store, run, key)
    if found is not None and not found[0].HasField("inline"):
        found[0].inline.CopyFrom(outputs_of(store, run, found[0]))
    return found


def bare_commit_at(store: Store, run: OpenedRun, key: str) -> tuple[Commit, str] | None:
    """The same with outputs that lie beside the commit left there."""
    data = get(store, key, bounded.COMMIT_BYTES, Commit)
    if data is None:
        return None
    commit = Commit.FromString(data)
    if commit.run_uid != run.spec.run_uid:
        raise CorruptError(f"{key} is a commit of run {commit.run_uid}")
    return commit, _digest(data)


def outputs_of(store: Store, run: OpenedRun, commit: Commit) -> LiteralMap:
    """What a commit gives, read where it lies beside it. Raises as `commit_at`."""
    if not commit.HasField("offloaded"):
        return commit.inline if commit.HasField("inline") else LiteralMap()
    place = commit.offloaded
    content = offloaded(store, run, place.uri, place.digest, bounded.OUTPUTS_BYTES, LiteralMap)
    return LiteralMap.FromString(content)


async def read_error(access: StoreAccess, run: OpenedRun, command: ReadError) -> Event:
    """Answers with the error record."""
    key = layout.error_key(run.factory.prefix, command.launch_id)

    def work(store: Store) -> Event:
        data = get(store, key, bounded.ERROR_BYTES, ErrorRecord)
        record = None if data is None else ErrorRecord.FromString(data)
        if record is not None and record.launch_id != command.launch_id:
            raise CorruptError(f"{key} is a record of launch {record.launch_id}")
        return ErrorRead(command.item, command.launch, record)

    return await answer(access, command, work, key)


async def load_value(access: StoreAccess, run: OpenedRun, command: LoadValue) -> Event:
    """Answers with the literal."""

    def work(store: Store) -> Event:
        content = offloaded(store, run, command.uri, command.digest, command.most_bytes, Literal)
        return ValueLoaded(command.uri, Literal.FromString(content))

    return await answer(access, command, work, command.uri)


async def answer(
    access: StoreAccess,
    command: ReadCommit
    | ReuseCommit
    | ReadError
    | LoadValue
    | CollectMap
    | CommitNode
    | ReadCall
    | CommitCall,
    work: object,
    what: str,
) -> Event:
    """What a piece of work in the store comes to; its faults are events too."""
    try:
        return await access.call(work)  # type: ignore[arg-type]
    except StoreError as error:
        return StoreFailed(command, Code.STORE, error.message, error.retryable)
    except DecodeError as error:
        return StoreFailed(command, Code.CORRUPT_DATA, f"{what} cannot be decoded: {error}", False)
    except TooLargeError as error:
        return StoreFailed(command, Code.VALUE_TOO_LARGE, str(error), False, FAILURE_KIND_USER)
    except DeletedError as error:
        return StoreFailed(command, Code.RUN_DELETED, str(error), False, FAILURE_KIND_USER)
    except CorruptError as error:
        return StoreFailed(command, Code.CORRUPT_DATA, str(error), False)


def get(store: Store, key: str, most: int, message: type[Message] | None = None) -> bytes | None:
    """What lies at a key, as `bounded.get` reads it; None for nothing. Raises StoreError and TooLargeError."""
    try:
        return bounded.get(store, key, most, message)
    except StoreError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return None
        raise


def offloaded(
    store: Store, run: OpenedRun, uri: str, digest: str, most: int, message: type[Message] | None = None
) -> bytes:
    """Bytes of the run's project and domain that have a digest (empty: any), read as `bounded.get` does.

    Raises StoreError and CorruptError.
    """
    key = store.key(uri)
    tenant = layout.project_prefix(run.spec.project, run.spec.domain)
    # A result that was taken over, from the cache or a resumed run, refers to data of the run that made it.
    if key is None or not key.startswith((f"{tenant}/runs/", f"{tenant}/uploads/")):
        raise CorruptError(f"{uri} lies outside the run's project and domain")
    try:
        data = bounded.get(store, key, most, message)
    except StoreError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        maker = layout.run_of(key)
        if maker is not None and next(iter(store.list(maker.prefix)), None) is None:
            raise DeletedError(maker.deletion(uri)) from error
        raise CorruptError(f"{uri} is missing from the store") from error
    if digest and _digest(data) != digest:
        raise CorruptError(f"{uri} has the digest {_digest(data)}, expected {digest}")
    return data


def _digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
