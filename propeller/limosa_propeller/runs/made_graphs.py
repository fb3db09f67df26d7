"""Graphs that dynamic tasks committed, and calls of eager ones: read, and examined before the first pod of theirs, as registered ones are."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError

from limosa_engine.commands import ReadCall, ReadCommit, ReuseCommit
from limosa_engine.events import CallRead, CommitRead, Event, MadeGraph, StoreFailed
from limosa_engine.graph import Item
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1.run_pb2 import Commit, EagerCall
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_model import failures, layout
from limosa_model.digests import sha256_hex
from limosa_model.failures import Code
from limosa_model.generated import nodes_with_tasks, place_of, too_large, validate_call, validate_generated
from limosa_model.problems import Problem
from limosa_model.quantity import QuantityError
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.pods.manifest import PodFactory, PodPolicyError
from limosa_propeller.pods.policy import referenced_secrets
from limosa_propeller.runs import reads
from limosa_propeller.runs.closures import needs_admin
from limosa_propeller.runs.opening import OpenedRun, sentences
from limosa_propeller.runs.services import Services
from limosa_store.store import Store


@dataclasses.dataclass
class _Open:
    """What only the API server can tell, by the place in the author's code."""

    secrets: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    """Names of Secrets that a task's pod would read."""
    templates: dict[str, TaskSpec] = dataclasses.field(default_factory=dict)
    """Tasks whose pod starts from a PodTemplate of the namespace."""


async def read_commit(
    services: Services,
    namespace: str,
    run: OpenedRun,
    command: ReadCommit | ReuseCommit,
    instead: reads.Instead = reads.nothing,
) -> Event:
    """Answers with a dynamic node's commit and its graph; `instead` as for other commits."""
    left = _Open()

    def graph_of(store: Store, commit: Commit) -> MadeGraph | None:
        return _read(store, run, commit, command.item, left)

    answer = await reads.read_commit(services.store, run, command, graph_of, instead)
    if not isinstance(answer, CommitRead) or answer.graph is None or answer.graph.refusal is not None:
        return answer
    try:
        refusal = await _refused_by_cluster(services, namespace, run.factory, left)
    except ApiError as error:
        return StoreFailed(command, Code.API, error.message, retryable=True)
    return dataclasses.replace(answer, graph=dataclasses.replace(answer.graph, refusal=refusal))


def may_run(store: Store, run: OpenedRun, commit: Commit, item: Item) -> bool:
    """Whether the graph in another run's commit, where it has one, would be one for this run's code and policy."""
    try:
        made = _read(store, run, commit, item, _Open())
    except reads.CorruptError:
        return False
    return made is None or made.refusal is None


async def read_call(services: Services, namespace: str, run: OpenedRun, command: ReadCall) -> Event:
    """Answers with the graph of a call that an eager task made, and whether its outcome is known."""
    left = _Open()
    prefix, path = run.factory.prefix, command.item.node_path
    key = layout.call_key(prefix, path, command.call)

    def work(store: Store) -> Event:
        data = reads.get(store, key)
        if data is None:
            return CallRead(command.item, command.call, None)
        record = EagerCall.FromString(data)
        if (record.run_uid, record.call) != (run.spec.run_uid, command.call):
            raise reads.CorruptError(f"{key} is call {record.call} of run {record.run_uid}")
        over = store.head(layout.outcome_key(prefix, path, command.call)) is not None
        return CallRead(command.item, command.call, _called(run, record, command, left), over)

    answer = await reads.answer(services.store, command, work, key)
    if not isinstance(answer, CallRead) or answer.graph is None or answer.graph.refusal is not None:
        return answer
    try:
        refusal = await _refused_by_cluster(services, namespace, run.factory, left)
    except ApiError as error:
        return StoreFailed(command, Code.API, error.message, retryable=True)
    return dataclasses.replace(answer, graph=dataclasses.replace(answer.graph, refusal=refusal))


def _called(run: OpenedRun, record: EagerCall, command: ReadCall, left: _Open) -> MadeGraph:
    task = run.graph.task_of(command.item)
    digest = "sha256:" + sha256_hex(record.graph)
    try:
        closure = Closure.FromString(record.graph)
    except DecodeError as error:
        message = f"call {command.call} of {task.name} is no graph: {error}"
        return MadeGraph(digest, Closure(), failures.user(Code.GRAPH_INVALID, message))
    problems = validate_call(closure, task, command.call)
    return MadeGraph(digest, closure, _refusal(closure, task, run, left, problems))


async def _refused_by_cluster(
    services: Services, namespace: str, factory: PodFactory, left: _Open
) -> Failure | None:
    for place, task in left.templates.items():
        named = await services.templates.get(namespace, task.pod_template_name)
        # Its pod waits for a template that is not there yet, as any other task's.
        refusal = None if named is None else _try_out(factory, task, place, left, named)
        if refusal is not None:
            return refusal
    for place, names in left.secrets.items():
        why = await services.secrets.refusal(namespace, names)
        if why:
            return failures.user(Code.SECRET_MISSING, f"{place}: {why}")
    return None


def _read(store: Store, run: OpenedRun, commit: Commit, item: Item, left: _Open) -> MadeGraph | None:
    kind = commit.WhichOneof("graph")
    if kind is None:
        return None
    task = run.graph.task_of(item)
    offloaded = commit.graph_offloaded
    size = len(commit.graph_inline) if kind == "graph_inline" else offloaded.size
    why = too_large(size)
    if why:
        return MadeGraph(
            offloaded.digest, Closure(), failures.user(Code.GRAPH_TOO_LARGE, f"{task.name}: {why}")
        )
    data = (
        commit.graph_inline
        if kind == "graph_inline"
        else reads.offloaded(store, run, offloaded.uri, offloaded.digest)
    )
    digest = "sha256:" + sha256_hex(data)
    try:
        closure = Closure.FromString(data)
    except DecodeError as error:
        message = f"{task.name} committed something that is no graph: {error}"
        return MadeGraph(digest, Closure(), failures.user(Code.GRAPH_INVALID, message))
    return MadeGraph(digest, closure, _refusal(closure, task, run, left, validate_generated(closure, task)))


def _refusal(
    closure: Closure, task: TaskSpec, run: OpenedRun, left: _Open, problems: list[Problem]
) -> Failure | None:
    wrong = sentences(problems) or (needs_admin(closure) if run.local else "")
    if wrong:
        return failures.user(Code.GRAPH_INVALID, f"the graph of {task.name} may not run: {wrong}")
    examined: set[str] = set()
    for node, other in nodes_with_tasks(closure):
        if other.name in examined:
            continue
        examined.add(other.name)
        if other.pod_template_name:
            left.templates[place_of(node)] = other
            continue
        refusal = _try_out(run.factory, other, place_of(node), left, None)
        if refusal is not None:
            return refusal
    return None


def _try_out(
    factory: PodFactory, task: TaskSpec, place: str, left: _Open, named: Mapping[str, Any] | None
) -> Failure | None:
    try:
        manifest = factory.try_out(task, named)
    except PodPolicyError as error:
        return failures.user(Code.POD_POLICY, f"{place}: {error}")
    except QuantityError as error:
        return failures.user(Code.POD_INVALID, f"{place}: {error}")
    if task.secrets or task.pod_template or named is not None:
        left.secrets[place] = referenced_secrets(manifest)
    return None
