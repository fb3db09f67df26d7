"""Carrying out the engine's commands: one function a command, one event an answer."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

from limosa_engine.commands import (
    AbortChild,
    CollectMap,
    CommitCall,
    CommitNode,
    CreatePod,
    DeletePod,
    KeepLog,
    LaunchChild,
    LoadValue,
    LookupCache,
    ReadCall,
    ReadCommit,
    ReadError,
    ReuseCommit,
)
from limosa_engine.events import Event, LogKept, PodCreated, PodDeleted, PodRejected
from limosa_engine.graph import Item
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_model.attempt_tokens import AttemptClaims, make_token
from limosa_model.digests import serialize
from limosa_model.failures import Code
from limosa_model.names import format_epoch
from limosa_model.pod_contract import CONTAINER_NAME
from limosa_model.quantity import QuantityError
from limosa_model.raw_containers import AUTHOR, ArgumentError
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.rejections import rejection_of
from limosa_propeller.kube.verbs import PODS, Object
from limosa_propeller.pods.manifest import Eager, PodPolicyError
from limosa_propeller.pods.policy import referenced_secrets
from limosa_propeller.pods.view import identity_of
from limosa_propeller.runs import (
    cached,
    child_runs,
    collecting,
    kept_logs,
    made_graphs,
    outcomes,
    own_commits,
    reads,
    reused,
)
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.removals import LOST
from limosa_propeller.runs.services import Services
from limosa_store.errors import StoreError

CAPACITY_RETRY_SECONDS = 2.0
GONE_RETRY_SECONDS = 1.0
TEMPLATE_RETRY_SECONDS = 2.0
ADMIN_RETRY_SECONDS = 0.5


class _TemplateMissingError(Exception):
    """A task names a PodTemplate that does not exist."""


class PodConflictError(Exception):
    """A pod with the launch's name exists and is another launch's, or was given other inputs."""


@dataclasses.dataclass
class RunContext:
    """What commands of one run are carried out with."""

    services: Services
    run: OpenedRun
    namespace: str
    object_uid: str
    """uid of the WorkflowRun object, which owns the pods."""
    pods: dict[tuple[Item, int], tuple[str, str]] = dataclasses.field(default_factory=dict)
    """Name and uid of each pod that exists, by launch."""
    arrived: dict[tuple[Item, int], float] = dataclasses.field(default_factory=dict)
    """When the event came that a launch follows from, by perf_counter, until its pod was asked for."""
    post: Callable[[Event], None] = lambda _: None
    """Takes what becomes known while a command is carried out, before its answer."""
    call_key: Callable[[], bytes] = lambda: b""
    """What tokens of eager nodes' attempts are made with; empty before admin has sent it."""


async def create_pod(context: RunContext, command: CreatePod) -> Event:
    """Asks for the pod; one that exists already for this very launch is as good."""
    services, namespace, graph = context.services, context.namespace, context.run.graph
    plan = graph.nodes[graph.by_path[command.item.node_path]]
    depth = plan.dynamic_depth if plan.makes_calls else 0
    shortage = services.capacity.shortage(namespace, context.object_uid, depth)
    if shortage:
        return _rejected(command, Code.CAPACITY, shortage, retry_after=CAPACITY_RETRY_SECONDS)
    task, key = plan.runs, context.call_key() if depth else b""
    if depth and not key:
        message = "admin has not sent what attempts of eager tasks are told apart by"
        return _rejected(command, Code.ADMIN_AWAITED, message, retry_after=ADMIN_RETRY_SECONDS)
    try:
        named = await _named_template(context, task)
        eager = Eager(_attempt_token(context.run, command, key), depth) if depth else None
        manifest = context.run.factory.make(command, task, named, eager)
    except _TemplateMissingError as error:
        return _rejected(command, Code.POD_TEMPLATE_MISSING, str(error), retry_after=TEMPLATE_RETRY_SECONDS)
    except ApiError as error:
        return _refused_by_api(command, error)
    except PodPolicyError as error:
        return _rejected(command, Code.POD_POLICY, str(error))
    except ArgumentError as error:
        return _rejected(command, Code.BAD_INPUT, f"task {task.name}: {error}")
    except QuantityError as error:
        return _rejected(command, Code.POD_INVALID, str(error))
    name = manifest["metadata"]["name"]
    services.capacity.add(namespace, name, context.object_uid, depth=depth)
    try:
        refusal = await _secrets_refusal(context, task, manifest)
        if refusal:
            answer: Event = _rejected(command, Code.SECRET_MISSING, refusal)
        else:
            await _store_inputs(context, command, task)
            answer = await _post(context, command, manifest)
    except ApiError as error:
        answer = _refused_by_api(command, error)
    except StoreError as error:
        answer = _rejected(command, Code.STORE, error.message, error.retryable, system=True)
    if not isinstance(answer, PodCreated):
        services.capacity.remove(namespace, name)
    return answer


def _attempt_token(run: OpenedRun, command: CreatePod, key: bytes) -> str:
    epoch = format_epoch(run.epoch)
    claims = AttemptClaims(run.spec.run_uid, command.item.node_path, epoch, command.launch)
    return make_token(key, claims)


def _refused_by_api(command: CreatePod, error: ApiError) -> PodRejected:
    rejection = rejection_of(error)
    return PodRejected(
        command.item,
        command.launch,
        rejection.code,
        error.message,
        rejection.retryable,
        error.retry_after,
        rejection.kind,
    )


async def _named_template(context: RunContext, task: TaskSpec) -> Object | None:
    """The PodTemplate that a task names; None where it names none. Raises ApiError, _TemplateMissingError."""
    name = task.pod_template_name
    if not name:
        return None
    found = await context.services.templates.get(context.namespace, name)
    if found is None:
        raise _TemplateMissingError(
            f"task {task.name} starts from PodTemplate '{name}', which namespace {context.namespace} does not have: "
            f"create it there, or correct pod_template_name"
        )
    return found


async def _post(context: RunContext, command: CreatePod, manifest: Object) -> Event:
    name = manifest["metadata"]["name"]
    try:
        async with context.services.pace:
            arrived = context.arrived.pop((command.item, command.launch), None)
            if arrived is not None:
                context.services.metrics.launch_wait_seconds.observe(perf_counter() - arrived)
            pod = await context.services.verbs.create(PODS, context.namespace, manifest)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        return await _existing(context, command, manifest)
    context.pods[command.item, command.launch] = name, pod["metadata"]["uid"]
    return PodCreated(command.item, command.launch, pod["metadata"]["uid"])


async def _existing(context: RunContext, command: CreatePod, manifest: Object) -> Event:
    """Compares the pod of this name with the launch. Raises PodConflictError."""
    name = manifest["metadata"]["name"]
    try:
        pod = await context.services.verbs.get(PODS, context.namespace, name)
    except ApiError as error:
        if error.status == 404:
            return _rejected(
                command, Code.API, "the pod's predecessor was just removed", True, GONE_RETRY_SECONDS
            )
        raise
    identity, metadata = identity_of(pod), pod["metadata"]
    if identity is None or (identity.launch_id, identity.input_digest) != (
        command.launch_id,
        command.input_digest,
    ):
        raise PodConflictError(f"pod {context.namespace}/{name} exists and belongs to another launch")
    if identity.owner_uid != context.object_uid:
        # Left by an object of the same claim that was deleted: the garbage collector is on its way, we only help.
        await context.services.verbs.delete(PODS, context.namespace, name, metadata["uid"])
        return _rejected(
            command, Code.API, "an earlier object's pod is being removed", True, GONE_RETRY_SECONDS
        )
    context.pods[command.item, command.launch] = name, metadata["uid"]
    return PodCreated(command.item, command.launch, metadata["uid"])


async def _secrets_refusal(context: RunContext, task: TaskSpec, manifest: Object) -> str:
    if not task.secrets and not task.pod_template and not task.pod_template_name:
        return ""
    return await context.services.secrets.refusal(context.namespace, referenced_secrets(manifest))


async def _store_inputs(context: RunContext, command: CreatePod, task: TaskSpec) -> None:
    factory = context.run.factory
    if not factory.travels_inline(command, task):
        key, data = factory.inputs_key(command), serialize(command.inputs)
        await context.services.store.call(lambda store: store.put(key, data))


async def delete_pod(context: RunContext, command: DeletePod) -> Event:
    """Deletes that very pod; tries until the API server has answered."""
    name, uid = context.pods.get((command.item, command.launch), ("", ""))
    if not uid:
        return PodDeleted(command.item, command.launch, gone=True)
    lost = command.reason == LOST
    if _is_raw(context, command.item) and not lost:
        # What it printed is nowhere else: an image that knows nothing of us stores no log.
        launch_id = context.run.graph.launch_id(command.item, command.launch)
        await _keep_log(context, command.item, command.launch, launch_id)
    gone = await context.services.removals.remove(context.namespace, name, uid, at_once=lost)
    if gone:
        context.pods.pop((command.item, command.launch), None)
    return PodDeleted(command.item, command.launch, gone)


def has_to_be_looked_at(context: RunContext, command: DeletePod) -> bool:
    """Whether a pod cannot go with others: its log is to be kept first, or it is not there any more."""
    return (command.item, command.launch) not in context.pods or _is_raw(context, command.item)


async def delete_pods(context: RunContext, commands: Sequence[DeletePod]) -> Sequence[Event]:
    """Deletes the pods of launches that are over, together with those of other runs; an answer for each."""
    graph, services = context.run.graph, context.services
    ids = [graph.launch_id(command.item, command.launch) for command in commands]
    if await services.removals.remove_launches(context.namespace, ids):
        return [PodDeleted(command.item, command.launch) for command in commands]
    return await asyncio.gather(*(delete_pod(context, command) for command in commands))


async def keep_log(context: RunContext, command: KeepLog) -> Event:
    """Stores what the pod printed last; a log that cannot be had is not worth a failure."""
    await _keep_log(context, command.item, command.launch, command.launch_id)
    return LogKept(command.item, command.launch)


async def _keep_log(context: RunContext, item: Item, launch: int, launch_id: str) -> None:
    name, _ = context.pods.get((item, launch), ("", ""))
    if name:
        container = AUTHOR if _is_raw(context, item) else CONTAINER_NAME
        prefix = context.run.factory.prefix
        await kept_logs.keep(context.services, context.namespace, name, container, prefix, launch_id)


def _is_raw(context: RunContext, item: Item) -> bool:
    number = context.run.graph.by_path.get(item.node_path)
    task = None if number is None else context.run.graph.nodes[number].task
    return task is not None and task.WhichOneof("target") == "container"


async def read_commit(context: RunContext, command: ReadCommit) -> Event:
    """Reads the node item's commit."""
    number = context.run.graph.by_path.get(command.item.node_path)
    if number is not None and context.run.graph.nodes[number].makes_graph:
        return await made_graphs.read_commit(context.services, context.namespace, context.run, command)
    return await reads.read_commit(context.services.store, context.run, command)


async def reuse_commit(context: RunContext, command: ReuseCommit) -> Event:
    """Reads the node item's commit; without one, takes over that of the run that this one resumes."""
    return await reused.reuse_commit(context.services, context.namespace, context.run, command)


async def read_error(context: RunContext, command: ReadError) -> Event:
    """Reads the launch's error record."""
    return await reads.read_error(context.services.store, context.run, command)


async def load_value(context: RunContext, command: LoadValue) -> Event:
    """Reads an offloaded literal."""
    return await reads.load_value(context.services.store, context.run, command)


async def collect_map(context: RunContext, command: CollectMap) -> Event:
    """Joins the outputs of a map's items."""
    return await collecting.collect_map(context.services.store, context.run, command)


async def look_up_cache(context: RunContext, command: LookupCache) -> Event:
    """Asks the cache; a result that is there becomes the item's commit."""
    return await cached.look_up(context.services, context.run, command)


async def commit_node(context: RunContext, command: CommitNode) -> Event:
    """Writes what a node gives that launches nothing."""
    return await own_commits.commit_node(context.services.store, context.run, command)


async def read_call(context: RunContext, command: ReadCall) -> Event:
    """Reads the record of a call of an eager node."""
    return await made_graphs.read_call(context.services, context.namespace, context.run, command)


async def commit_call(context: RunContext, command: CommitCall) -> Event:
    """Writes how such a call ended."""
    return await outcomes.commit_call(context.services.store, context.run, command)


async def launch_child(context: RunContext, command: LaunchChild) -> Event:
    """Has the child run made, and waits for its end."""
    return await child_runs.launch(context.services, context.run, command, context.post)


async def abort_child(context: RunContext, command: AbortChild) -> Event:
    """Has the child run ended, and waits for that."""
    return await child_runs.abort(context.services, context.run, command, context.post)


ACTIONS: dict[type[Any], Callable[[RunContext, Any], Awaitable[Event]]] = {
    CreatePod: create_pod,
    DeletePod: delete_pod,
    KeepLog: keep_log,
    ReadCommit: read_commit,
    ReuseCommit: reuse_commit,
    ReadError: read_error,
    LoadValue: load_value,
    CollectMap: collect_map,
    CommitNode: commit_node,
    ReadCall: read_call,
    CommitCall: commit_call,
    LookupCache: look_up_cache,
    LaunchChild: launch_child,
    AbortChild: abort_child,
}


def _rejected(
    command: CreatePod,
    code: str,
    message: str,
    retryable: bool | None = None,
    retry_after: float | None = None,
    system: bool = False,
) -> PodRejected:
    kind = FAILURE_KIND_SYSTEM if system else FAILURE_KIND_USER
    again = retry_after is not None if retryable is None else retryable
    return PodRejected(command.item, command.launch, code, message, again, retry_after, kind)
