"""Graphs that dynamic tasks committed, and calls of eager ones: read, and examined before the first pod of theirs, as registered ones are."""

import dataclasses

from google.protobuf.message import DecodeError

from limosa_engine.commands import ReadCall, ReadCommit, ReuseCommit
from limosa_engine.events import CallRead, CommitRead, Event, MadeGraph, StoreFailed
from limosa_engine.graph import Item
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1.run_pb2 import Commit, EagerCall
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_model import failures, layout
from limosa_model.decoded_size import decoded_size
from limosa_model.digests import sha256_hex
from limosa_model.failures import Code
from limosa_model.generated import (
    MAX_GRAPH_BYTES,
    nodes_with_tasks,
    too_large,
    validate_call,
    validate_generated,
)
from limosa_model.problems import Problem
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.runs import bounded, reads
from limosa_propeller.runs.closures import needs_admin
from limosa_propeller.runs.opening import OpenedRun, sentences
from limosa_propeller.runs.pod_admission import Unsettled, refused_by_cluster, refused_by_policy
from limosa_propeller.runs.services import Services
from limosa_store.store import Store


async def read_commit(
    services: Services,
    namespace: str,
    run: OpenedRun,
    command: ReadCommit | ReuseCommit,
    instead: reads.Instead = reads.nothing,
) -> Event:
    """Answers with a dynamic node's commit and its graph; `instead` as for other commits."""
    left = Unsettled()

    def graph_of(store: Store, commit: Commit) -> MadeGraph | None:
        return _read(store, run, commit, command.item, left)

    answer = await reads.read_commit(services.store, run, command, graph_of, instead)
    if not isinstance(answer, CommitRead) or answer.graph is None or answer.graph.refusal is not None:
        return answer
    try:
        refusal = await refused_by_cluster(services, namespace, run.factory, left)
    except ApiError as error:
        return StoreFailed(command, Code.API, error.message, retryable=True)
    return dataclasses.replace(answer, graph=dataclasses.replace(answer.graph, refusal=refusal))


def may_run(store: Store, run: OpenedRun, commit: Commit, item: Item) -> bool:
    """Whether the graph in another run's commit, where it has one, would be one for this run's code and policy."""
    try:
        made = _read(store, run, commit, item, Unsettled())
    except bounded.CorruptError:
        return False
    return made is None or made.refusal is None


async def read_call(services: Services, namespace: str, run: OpenedRun, command: ReadCall) -> Event:
    """Answers with the graph of a call that an eager task made, and whether its outcome is known."""
    left = Unsettled()
    prefix, path = run.factory.prefix, command.item.node_path
    key = layout.call_key(prefix, path, command.call)

    def is_over(store: Store) -> bool:
        return store.head(layout.outcome_key(prefix, path, command.call)) is not None

    def work(store: Store) -> Event:
        try:
            data = reads.get(store, key, MAX_GRAPH_BYTES + bounded.CALL_BYTES)
        except bounded.TooLargeError as error:
            refusal = failures.user(Code.GRAPH_TOO_LARGE, f"call {command.call}: {too_large(error.size)}")
            return CallRead(command.item, command.call, MadeGraph("", Closure(), refusal), is_over(store))
        if data is None:
            return CallRead(command.item, command.call, None)
        record = EagerCall.FromString(data)
        if (record.run_uid, record.call) != (run.spec.run_uid, command.call):
            raise bounded.CorruptError(f"{key} is call {record.call} of run {record.run_uid}")
        return CallRead(command.item, command.call, _called(run, record, command, left), is_over(store))

    answer = await reads.answer(services.store, command, work, key)
    if not isinstance(answer, CallRead) or answer.graph is None or answer.graph.refusal is not None:
        return answer
    try:
        refusal = await refused_by_cluster(services, namespace, run.factory, left)
    except ApiError as error:
        return StoreFailed(command, Code.API, error.message, retryable=True)
    return dataclasses.replace(answer, graph=dataclasses.replace(answer.graph, refusal=refusal))


def _called(run: OpenedRun, record: EagerCall, command: ReadCall, left: Unsettled) -> MadeGraph:
    task = run.graph.task_of(command.item)
    digest = "sha256:" + sha256_hex(record.graph)
    why = _of_too_many_parts(record.graph)
    if why:
        refusal = failures.user(Code.GRAPH_TOO_LARGE, f"call {command.call} of {task.name}: {why}")
        return MadeGraph(digest, Closure(), refusal)
    try:
        closure = Closure.FromString(record.graph)
    except DecodeError as error:
        message = f"call {command.call} of {task.name} is no graph: {error}"
        return MadeGraph(digest, Closure(), failures.user(Code.GRAPH_INVALID, message))
    problems = validate_call(closure, task, command.call)
    return MadeGraph(digest, closure, _refusal(closure, task, run, left, problems))


def _read(store: Store, run: OpenedRun, commit: Commit, item: Item, left: Unsettled) -> MadeGraph | None:
    kind = commit.WhichOneof("graph")
    if kind is None:
        return None
    task = run.graph.task_of(item)
    offloaded = commit.graph_offloaded
    why = too_large(offloaded.size)
    if not why:
        try:
            data = (
                commit.graph_inline
                if kind == "graph_inline"
                else reads.offloaded(store, run, offloaded.uri, offloaded.digest, MAX_GRAPH_BYTES)
            )
        except bounded.TooLargeError as error:
            # What the commit says of its size is the author's word.
            why = too_large(error.size)
        else:
            why = _of_too_many_parts(data)
    if why:
        refusal = failures.user(Code.GRAPH_TOO_LARGE, f"{task.name}: {why}")
        return MadeGraph(offloaded.digest, Closure(), refusal)
    digest = "sha256:" + sha256_hex(data)
    try:
        closure = Closure.FromString(data)
    except DecodeError as error:
        message = f"{task.name} committed something that is no graph: {error}"
        return MadeGraph(digest, Closure(), failures.user(Code.GRAPH_INVALID, message))
    return MadeGraph(digest, closure, _refusal(closure, task, run, left, validate_generated(closure, task)))


def _of_too_many_parts(graph: bytes) -> str:
    """Why a graph of few bytes takes too much memory; empty where it does not."""
    if decoded_size(Closure, graph, bounded.GRAPH_MEMORY) <= bounded.GRAPH_MEMORY:
        return ""
    return f"the graph has so many parts that it takes more than {bounded.GRAPH_MEMORY:,} bytes in memory; use map_task for repeated work"


def _refusal(
    closure: Closure, task: TaskSpec, run: OpenedRun, left: Unsettled, problems: list[Problem]
) -> Failure | None:
    wrong = sentences(problems) or (needs_admin(closure) if run.local else "")
    if wrong:
        return failures.user(Code.GRAPH_INVALID, f"the graph of {task.name} may not run: {wrong}")
    return refused_by_policy(nodes_with_tasks(closure), run.factory, left)
