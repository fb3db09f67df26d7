"""Graphs that dynamic tasks committed: read, and examined before the first pod of theirs, as registered ones are."""

import dataclasses
from typing import Any

from google.protobuf.message import DecodeError

from limosa_engine.commands import ReadCommit
from limosa_engine.events import CommitRead, Event, MadeGraph, StoreFailed
from limosa_engine.graph import Item
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.run.v1alpha1.run_pb2 import Commit
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_model import failures
from limosa_model.digests import sha256_hex
from limosa_model.failures import Code
from limosa_model.generated import nodes_with_tasks, place_of, too_large, validate_generated
from limosa_model.quantity import QuantityError
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.pods.manifest import PodFactory, PodPolicyError
from limosa_propeller.pods.policy import referenced_secrets
from limosa_propeller.runs import reads
from limosa_propeller.runs.opening import OpenedRun, sentences
from limosa_propeller.runs.services import Services
from limosa_store.store import Store


async def read_commit(services: Services, namespace: str, run: OpenedRun, command: ReadCommit) -> Event:
    """Answers with a dynamic node's commit and its graph."""
    secrets: dict[str, set[str]] = {}

    def graph_of(store: Store, commit: Commit) -> MadeGraph | None:
        return _read(store, run, commit, command.item, secrets)

    answer = await reads.read_commit(services.store, run, command, graph_of)
    if not isinstance(answer, CommitRead) or answer.graph is None or answer.graph.refusal is not None:
        return answer
    for place, names in secrets.items():
        try:
            why = await services.secrets.refusal(namespace, names)
        except ApiError as error:
            return StoreFailed(command, Code.API, error.message, retryable=True)
        if why:
            refusal = failures.user(Code.SECRET_MISSING, f"{place}: {why}")
            return dataclasses.replace(answer, graph=dataclasses.replace(answer.graph, refusal=refusal))
    return answer


def _read(
    store: Store, run: OpenedRun, commit: Commit, item: Item, secrets: dict[str, set[str]]
) -> MadeGraph | None:
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
    return MadeGraph(digest, closure, _refusal(closure, task, run.factory, secrets))


def _refusal(
    closure: Closure, task: TaskSpec, factory: PodFactory, secrets: dict[str, set[str]]
) -> Failure | None:
    problems = validate_generated(closure, task)
    if problems:
        return failures.user(
            Code.GRAPH_INVALID, f"the graph of {task.name} may not run: {sentences(problems)}"
        )
    examined: set[str] = set()
    for node, other in nodes_with_tasks(closure):
        if other.name in examined:
            continue
        examined.add(other.name)
        try:
            manifest: dict[str, Any] = factory.try_out(other)
        except PodPolicyError as error:
            return failures.user(Code.POD_POLICY, f"{place_of(node)}: {error}")
        except QuantityError as error:
            return failures.user(Code.POD_INVALID, f"{place_of(node)}: {error}")
        if other.secrets or other.pod_template:
            secrets[place_of(node)] = referenced_secrets(manifest)
    return None
