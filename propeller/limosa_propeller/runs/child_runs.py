"""Child runs: followed to their end, which is written into the parent's part of the store before anybody hears of it."""

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import DecodeError

from limosa_engine.commands import AbortChild, LaunchChild
from limosa_engine.events import ChildRunObserved
from limosa_engine.graph import Item
from limosa_engine.phases import RUN_TERMINAL, RunPhase
from limosa_idl.admin.v1alpha1.admin_pb2 import EntityId, LaunchChildrenRequest, LaunchChildrenResponse
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap, Offloaded
from limosa_idl.run.v1alpha1.run_pb2 import Commit, ErrorRecord, RunState
from limosa_model import failures, layout
from limosa_model.digests import digest_of, serialize, sha256_hex
from limosa_model.failures import Code
from limosa_model.pod_contract import INLINE_OUTPUTS_LIMIT
from limosa_propeller.runs.bounded import CorruptError
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.reads import commit_at
from limosa_propeller.runs.services import Services
from limosa_store.errors import StoreError
from limosa_store.store import Store

Answer = TypeVar("Answer")
State = LaunchChildrenResponse.ChildState
Post = Callable[[ChildRunObserved], None]

UNREACHABLE = "WaitingForAdmin"
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)
_ENDS = frozenset(map(int, RUN_TERMINAL))


async def launch(services: Services, run: OpenedRun, command: LaunchChild, post: Post) -> ChildRunObserved:
    """Sees to the child and answers with its end; `post` is told what becomes of it meanwhile.

    A node that has a commit, of an earlier claim for instance, needs no child any more.
    """
    committed = await _store(services, post, command.item, lambda store: _committed(store, run, command.item))
    if isinstance(committed, ChildRunObserved):
        return committed
    plan = command.plan
    target = EntityId(project=plan.project, domain=plan.domain, name=plan.launch_plan, version=plan.version)
    child = _child(run, command.item)
    child.target.CopyFrom(target)
    child.inputs.CopyFrom(command.inputs)
    return await _end(services, run, command, child, post)


async def abort(services: Services, run: OpenedRun, command: AbortChild, post: Post) -> ChildRunObserved:
    """Has the child ended and answers with its end."""
    child = _child(run, command.item)
    child.abort = True
    return await _end(services, run, command, child, post)


async def _end(
    services: Services,
    run: OpenedRun,
    command: LaunchChild | AbortChild,
    child: LaunchChildrenRequest.Child,
    post: Post,
) -> ChildRunObserved:
    """Waits for the child's end, then has it written."""
    if run.local or services.settings.admin is None:
        return await _without_admin(run, command, post)
    ended: asyncio.Future[State] = asyncio.get_running_loop().create_future()

    def tell(state: State | None) -> None:
        if ended.done():
            return
        if state is not None and _is_end(state, child.abort):
            ended.set_result(state)
        else:
            post(_under_way(command, state))

    services.children.follow(child, tell)
    try:
        state = await ended
    finally:
        services.children.forget(child, tell)
    return await _written(services, run, command, state, post)


async def _without_admin(run: OpenedRun, command: LaunchChild | AbortChild, post: Post) -> ChildRunObserved:
    if isinstance(command, AbortChild):
        return ChildRunObserved(command.item, RunPhase.ABORTED)
    why = "this run was applied by hand" if run.local else "this operator has no admin"
    detail = f"child runs are made by admin, and {why}; start the workflow through admin, or abort the run"
    post(ChildRunObserved(command.item, RunPhase.QUEUED, code=UNREACHABLE, detail=detail))
    await asyncio.Event().wait()
    raise AssertionError("nobody sets the event")


async def _written(
    services: Services, run: OpenedRun, command: LaunchChild | AbortChild, state: State, post: Post
) -> ChildRunObserved:
    """Makes the child's end the node's: its outputs a commit, its failure an error record."""
    item = command.item
    if state.failure.code == Code.CHILD_MISSING:
        return ChildRunObserved(item, RunPhase.ABORTED)
    phase = RunPhase.FAILED if state.HasField("failure") else RunPhase(state.state.phase)
    if phase is RunPhase.SUCCEEDED:
        return await _store(
            services, post, item, lambda store: _commit(store, run, command, state.state.outputs)
        )
    failure = state.failure if state.HasField("failure") else _failure_of(command.child, state.state)
    record = ErrorRecord(run_uid=run.spec.run_uid, launch_id=command.launch_id, failure=failure)
    record.at.GetCurrentTime()
    key = layout.error_key(run.factory.prefix, command.launch_id)

    def write(store: Store) -> ChildRunObserved:
        store.put(key, serialize(record))
        return ChildRunObserved(item, phase, failure=failure)

    return await _store(services, post, item, write)


async def _store(
    services: Services, post: Post, item: Item, work: Callable[[Store], Answer]
) -> Answer | ChildRunObserved:
    """What `work` gives, however often the store has to be asked."""
    attempt = 0
    while True:
        try:
            return await services.store.call(work)
        except (CorruptError, DecodeError) as error:
            return ChildRunObserved(item, RunPhase.FAILED, failure=_broken(Code.CORRUPT_DATA, error))
        except StoreError as error:
            if not error.retryable:
                return ChildRunObserved(item, RunPhase.FAILED, failure=_broken(Code.STORE, error))
            post(ChildRunObserved(item, RunPhase.RUNNING, code=Code.STORE, detail=error.message))
            pause = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
            attempt += 1
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))


def _committed(store: Store, run: OpenedRun, item: Item) -> ChildRunObserved | None:
    found = commit_at(store, run, layout.commit_key(run.factory.prefix, item.node_path, None))
    return None if found is None else ChildRunObserved(item, RunPhase.SUCCEEDED, outputs=found[0].inline)


def _commit(
    store: Store, run: OpenedRun, command: LaunchChild | AbortChild, outputs: LiteralMap
) -> ChildRunObserved:
    """Writes the node's commit unless there is one; the one that counts is told."""
    prefix, item = run.factory.prefix, command.item
    commit = Commit(run_uid=run.spec.run_uid, launch_id=command.launch_id, epoch=run.epoch)
    if isinstance(command, LaunchChild):
        commit.input_digest = digest_of(command.inputs)
    commit.committed_at.GetCurrentTime()
    data = serialize(outputs)
    if len(data) <= INLINE_OUTPUTS_LIMIT:
        commit.inline.CopyFrom(outputs)
    else:
        key = f"{layout.data_prefix(prefix, command.launch_id)}/outputs.pb"
        store.put(key, data)
        digest = "sha256:" + sha256_hex(data)
        commit.offloaded.CopyFrom(Offloaded(uri=store.uri(key), size=len(data), digest=digest))
    key = layout.commit_key(prefix, item.node_path, None)
    store.put_if_absent(key, serialize(commit))
    found = _committed(store, run, item)
    if found is None:
        raise CorruptError(f"{key} was written and is not there")
    return found


def _child(run: OpenedRun, item: Item) -> LaunchChildrenRequest.Child:
    return LaunchChildrenRequest.Child(run_uid=run.spec.run_uid, node_path=item.node_path, epoch=run.epoch)


def _is_end(state: State, aborting: bool) -> bool:
    if state.HasField("failure"):
        return not state.failure.retryable or (aborting and state.failure.code == Code.CHILD_MISSING)
    return int(state.state.phase) in _ENDS


def _under_way(command: LaunchChild | AbortChild, state: State | None) -> ChildRunObserved:
    """What the node waits for."""
    if state is None:
        detail = "admin, which makes child runs, does not answer; it is asked again"
        return ChildRunObserved(command.item, RunPhase.QUEUED, code=UNREACHABLE, detail=detail)
    if state.HasField("failure"):
        return ChildRunObserved(command.item, RunPhase.QUEUED, code=UNREACHABLE, detail=state.failure.message)
    phase = RunPhase(state.state.phase)
    detail = f"child run {state.name} is {phase.name.lower()}"
    if state.state.reason.detail:
        detail += f": {state.state.reason.detail}"
    return ChildRunObserved(command.item, phase, detail=detail)


def _failure_of(child: str, state: RunState) -> Failure:
    """The node's failure, out of the child's own."""
    if RunPhase(state.phase) is RunPhase.ABORTED:
        why = state.reason.detail or state.failure.message
        return failures.user(
            Code.CHILD_FAILED, f"child run {child} was aborted" + (f": {why}" if why else "")
        )
    own = state.failure
    place = f" at {own.origin.node_path}" if own.origin.node_path else ""
    message = f"child run {child} failed{place}: {own.code}: {own.message}; see `limosa get run {child}`"
    return failures.user(
        Code.CHILD_FAILED, message, exception=own.exception if own.HasField("exception") else None
    )


def _broken(code: str, error: Exception) -> Failure:
    return failures.system(code, f"the child run's result cannot be kept: {error}", retryable=False)
