"""A node item's result from the cache: looked up, taken over as the item's own commit, and told to others."""

from google.protobuf.message import DecodeError

from limosa_engine.commands import Keep, LookupCache, StoreCache
from limosa_engine.events import CacheAnswered, CacheOutcome
from limosa_idl.admin.v1alpha1.admin_pb2 import LookupCacheRequest, LookupCacheResponse, StoreCacheRequest
from limosa_idl.run.v1alpha1.run_pb2 import ORIGIN_CACHE, Commit
from limosa_model import layout
from limosa_propeller.runs import borrowing
from limosa_propeller.runs.bounded import CorruptError
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.reads import committed
from limosa_propeller.runs.services import Services
from limosa_store.errors import StoreError
from limosa_store.store import Store
from limosa_store.uris import uri_of

MOST_ATTEMPTS = 3
"""Results one after another that turn out to be gone."""

_Answer = LookupCacheResponse.Answer
_OUTCOMES = {
    _Answer.OUTCOME_RESERVED: CacheOutcome.RESERVED,
    _Answer.OUTCOME_TAKEN: CacheOutcome.TAKEN,
}


async def look_up(services: Services, run: OpenedRun, command: LookupCache) -> CacheAnswered:
    """Answers with the item's commit where somebody's result could be taken over."""
    item = command.item
    lookup = LookupCacheRequest.Lookup(
        run_uid=run.spec.run_uid,
        node_path=item.node_path,
        index=item.index,
        task=command.task,
        key=command.key,
        reserve=command.reserve,
    )
    for _ in range(MOST_ATTEMPTS):
        answer = await services.cache.lookup(lookup)
        if answer is None:
            return CacheAnswered(item, CacheOutcome.UNREACHABLE, detail="admin gave no answer in 5 s")
        if answer.outcome != _Answer.OUTCOME_HIT:
            outcome = _OUTCOMES.get(answer.outcome, CacheOutcome.MISS)
            return CacheAnswered(item, outcome, detail=answer.holder)
        found = await _take(services, run, command, answer)
        if isinstance(found, CacheAnswered):
            return found
        lookup.gone_uri = answer.commit_uri
    return CacheAnswered(item, CacheOutcome.UNREACHABLE, detail="results kept vanishing")


def result_of(root: str, run: OpenedRun, command: StoreCache) -> StoreCacheRequest.Result:
    """What admin is told; `root` is the absolute URI of the store's root."""
    item = command.item
    key = layout.commit_key(run.factory.prefix, item.node_path, item.index)
    kept = command.what is Keep.RESULT
    return StoreCacheRequest.Result(
        run_uid=run.spec.run_uid,
        node_path=item.node_path,
        index=item.index,
        task=command.task,
        key=command.key,
        cache_version=command.version,
        commit_uri=uri_of(root, key) if kept else "",
        renew=command.what is Keep.RENEW,
        overwrite=kept and command.overwrite,
    )


async def _take(
    services: Services, run: OpenedRun, command: LookupCache, answer: _Answer
) -> CacheAnswered | None:
    """Makes the result the item's commit, unless it has one; None where the result, or some of its data, is gone."""
    try:
        commit = await services.store.call(lambda store: _commit(store, run, command, answer))
    except StoreError as error:
        return CacheAnswered(command.item, CacheOutcome.UNREACHABLE, detail=error.message)
    except (CorruptError, DecodeError):
        return None
    return None if commit is None else CacheAnswered(command.item, CacheOutcome.HIT, commit)


def _commit(store: Store, run: OpenedRun, command: LookupCache, answer: _Answer) -> Commit | None:
    found = borrowing.commit_of_other(store, run, store.key(answer.commit_uri))
    if found is None or found.WhichOneof("graph") is not None or not borrowing.is_whole(store, found):
        return None
    made = borrowing.taken_over(run, found, ORIGIN_CACHE, answer.run_name)
    made.input_digest = command.input_digest
    own = layout.commit_key(run.factory.prefix, command.item.node_path, command.item.index)
    return committed(store, run, own, made)[0]
