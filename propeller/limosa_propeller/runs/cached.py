"""A node item's result from the cache: looked up, taken over as the item's own commit, and told to others."""

from google.protobuf.message import DecodeError

from limosa_engine.commands import Keep, LookupCache, StoreCache
from limosa_engine.events import CacheAnswered, CacheOutcome
from limosa_idl.admin.v1alpha1.admin_pb2 import LookupCacheRequest, LookupCacheResponse, StoreCacheRequest
from limosa_idl.run.v1alpha1.run_pb2 import ORIGIN_CACHE, Commit
from limosa_model import layout
from limosa_model.digests import serialize
from limosa_model.references import references
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.reads import CorruptError, commit_at
from limosa_propeller.runs.services import Services
from limosa_store.errors import ErrorCode, StoreError
from limosa_store.store import Store

MOST_ATTEMPTS = 3
"""Results one after another that turn out to be gone."""
MOST_CHECKED = 64
"""Objects a result refers to whose existence is checked; of more, these are taken for all."""

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
        commit_uri=layout.join_uri(root, key) if kept else "",
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
    item = command.item
    own = layout.commit_key(run.factory.prefix, item.node_path, item.index)
    made = _borrowed(store, run, answer)
    if made is None:
        return None
    made.input_digest = command.input_digest
    store.put_if_absent(own, serialize(made))
    found = commit_at(store, run, own)
    if found is None:
        raise CorruptError(f"{own} was written and is not there")
    return found[0]


def _borrowed(store: Store, run: OpenedRun, answer: _Answer) -> Commit | None:
    """The other run's commit as one of this run; None where it, or what it refers to, is not there."""
    key = store.key(answer.commit_uri)
    tenant = layout.project_prefix(run.spec.project, run.spec.domain)
    if key is None or not key.startswith(f"{tenant}/runs/"):
        raise CorruptError(f"{answer.commit_uri} lies outside the run's project and domain")
    try:
        commit = Commit.FromString(store.get(key))
    except StoreError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return None
        raise
    if commit.WhichOneof("graph") is not None or not _is_there(store, commit):
        return None
    commit.run_uid, commit.launch_id = run.spec.run_uid, ""
    commit.epoch.CopyFrom(run.epoch)
    commit.origin = ORIGIN_CACHE
    commit.origin_run = commit.origin_run or answer.run_name
    commit.committed_at.GetCurrentTime()
    return commit


def _is_there(store: Store, commit: Commit) -> bool:
    if commit.WhichOneof("outputs") == "offloaded":
        wanted = iter([(commit.offloaded.uri, False)])
    else:
        wanted = references(commit.inline.literals.values())
    checked: set[str] = set()
    for uri, folder in wanted:
        if uri in checked:
            continue
        checked.add(uri)
        if len(checked) > MOST_CHECKED:
            return True
        key = store.key(uri)
        if key is None:
            # Data of the author's own, elsewhere: not ours to look for.
            continue
        present = next(iter(store.list(key)), None) if folder else store.head(key)
        if present is None:
            return False
    return True
