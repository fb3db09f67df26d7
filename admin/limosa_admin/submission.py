"""Submission: from a request for a run to a queued run."""

import dataclasses
import secrets
import uuid

import sqlalchemy as sa

from limosa_admin.request_errors import Reason, RequestError, check, invalid, nearest, not_found
from limosa_admin.store import entities, runs
from limosa_admin.store.database import Database
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.interface_pb2 import Interface
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, LaunchPlanSpec
from limosa_model import failures
from limosa_model.digests import serialize, sha256_hex
from limosa_model.graph import Index, wrap_task
from limosa_model.interfaces import complete_inputs
from limosa_model.layout import closure_key
from limosa_model.names import check_name, generate_run_name
from limosa_model.pod_contract import INLINE_CLOSURE_LIMIT
from limosa_model.pod_fields import wrong_annotations, wrong_labels
from limosa_store import Store

INPUTS_LIMIT = 256 * 1024
"""Bytes of a run's serialised inputs; they travel in a Kubernetes object."""
METADATA_LIMIT = 32 * 1024
"""Characters of a run's labels and annotations; they are copied onto every pod."""
_KIND_WORDS = {
    pb.ENTITY_KIND_TASK: "task",
    pb.ENTITY_KIND_WORKFLOW: "workflow",
    pb.ENTITY_KIND_LAUNCH_PLAN: "launch plan",
}


@dataclasses.dataclass(frozen=True)
class Target:
    """What a run runs."""

    id: pb.EntityId
    closure: bytes
    interface: Interface
    plan: LaunchPlanSpec


@dataclasses.dataclass(frozen=True)
class Resumption:
    """What a run takes from an earlier one."""

    request_digest: str
    """Of the request to resume: the same one finds the run that it made before."""
    run_uid: str
    reuse: run_pb2.Reuse


def submit(
    database: Database,
    store: Store,
    request: pb.CreateRunRequest,
    created_by: str,
    *,
    uid: str = "",
    parent: run_pb2.ParentRun | None = None,
    resumption: Resumption | None = None,
) -> sa.RowMapping:
    """Queues a run, or finds the one that the same request made before; returns its row.

    Args:
        database: The tables.
        store: The objects.
        request: What is wanted.
        created_by: Who wants it.
        uid: Of the new run; empty: one that nobody has.
        parent: The run and node it is made for; None where a person asks.
        resumption: What it takes from an earlier run; None for a run from the start.

    Raises:
        RequestError: INVALID for bad names or inputs, NOT_FOUND for the target, EXISTS when another request has the name.
    """
    check(check_name("run", request.name) if request.name else None)
    if request.cache_mode not in run_pb2.CacheMode.values():
        raise RequestError(Reason.INVALID, f"there is no cache mode {request.cache_mode}")
    digest = sha256_hex(serialize(request)) if resumption is None else resumption.request_digest
    with database.transaction() as connection:
        try:
            target = find_target(connection, request)
            new = _new_run(request, target, digest, created_by)
        except RequestError:
            # What the run was made of may be gone since; the run is still the answer.
            known = _known(connection, request, digest)
            if known is None:
                raise
            return known
        new = dataclasses.replace(new, uid=uid or str(uuid.uuid4()), parent=parent)
        if resumption is not None:
            new = dataclasses.replace(new, resumed_uid=resumption.run_uid, reuse=resumption.reuse)
        if len(target.closure) > INLINE_CLOSURE_LIMIT:
            # Before the run is queued: whoever claims it must find its graph.
            key = closure_key(request.project, request.domain, new.closure_digest)
            store.put_if_absent(key, target.closure)
        if target.id.kind == pb.ENTITY_KIND_TASK:
            # Its workflow of one node is nothing that was registered.
            entities.add_spec(connection, target.closure)
        row = runs.create(connection, new) or _known(connection, request, digest)
    if row is None:
        raise RequestError(Reason.UNAVAILABLE, f"run '{request.name}' was deleted at this moment; try again")
    return row


def find_target(connection: sa.Connection, request: pb.CreateRunRequest) -> Target:
    """The closure and interface of a request's target. Raises RequestError(NOT_FOUND)."""
    wanted = pb.EntityId()
    wanted.CopyFrom(request.target)
    wanted.project, wanted.domain = request.project, request.domain
    for key in ("project", "domain"):
        given = getattr(request.target, key)
        if given and given != getattr(request, key):
            raise RequestError(
                Reason.INVALID, f"the target is of {key} '{given}' and the run of another; make them equal"
            )
    kinds = [wanted.kind] if wanted.kind else list(_KIND_WORDS)
    for kind in kinds:
        wanted.kind = kind
        found = entities.find(connection, wanted)
        if found is not None:
            return _target(connection, *found)
    wanted.kind = request.target.kind
    raise _unknown_target(connection, wanted)


def check_request(request: pb.CreateRunRequest, target: Target) -> None:
    """Refuses inputs, labels and annotations that `submit` would refuse. Raises RequestError."""
    _new_run(request, target, "", "")


def _target(connection: sa.Connection, entity: pb.Entity, body: bytes) -> Target:
    plan = LaunchPlanSpec()
    if entity.id.kind == pb.ENTITY_KIND_TASK:
        task = TaskSpec.FromString(body)
        return Target(entity.id, serialize(wrap_task(task)), task.interface, plan)
    if entity.id.kind == pb.ENTITY_KIND_LAUNCH_PLAN:
        plan.MergeFromString(body)
        workflow = pb.EntityId()
        workflow.CopyFrom(entity.id)
        workflow.kind, workflow.name = pb.ENTITY_KIND_WORKFLOW, plan.workflow
        found = entities.find(connection, workflow)
        if found is None:
            raise _unknown_target(connection, workflow)
        body = found[1]
    interface = Index(Closure.FromString(body)).entry.interface
    return Target(entity.id, body, interface, plan)


def _known(connection: sa.Connection, request: pb.CreateRunRequest, digest: str) -> sa.RowMapping | None:
    if not request.name:
        return None
    row = runs.find(connection, pb.RunId(project=request.project, domain=request.domain, name=request.name))
    if row is not None and row["request_digest"] != digest:
        raise RequestError(
            Reason.EXISTS,
            f"run '{request.name}' exists in {request.project}/{request.domain} and was asked for differently; "
            "choose another name",
        )
    return row


def _new_run(request: pb.CreateRunRequest, target: Target, digest: str, created_by: str) -> runs.NewRun:
    plan = target.plan
    inputs, problems = complete_inputs(
        target.interface, request.inputs.literals, plan.default_inputs.literals, plan.fixed_inputs.literals
    )
    if problems:
        refusal = invalid(f"inputs of {target.id.name}", problems)
        refusal.failure = failures.user(failures.Code.BAD_INPUT, refusal.message)
        raise refusal
    size = len(serialize(inputs))
    if size > INPUTS_LIMIT:
        message = (
            f"the inputs are {size} bytes and a run takes at most {INPUTS_LIMIT}; pass large values as File"
        )
        raise RequestError(Reason.INVALID, message)
    labels = {**plan.labels, **request.labels}
    annotations = {**plan.annotations, **request.annotations}
    size = sum(len(key) + len(value) for pairs in (labels, annotations) for key, value in pairs.items())
    if size > METADATA_LIMIT:
        message = f"labels and annotations have {size} characters; at most {METADATA_LIMIT} are taken"
        raise RequestError(Reason.INVALID, message)
    # The SDK itself marks runs with annotations of the platform's domain; what a pod must not take is left out there.
    for told, remedy in (*wrong_labels(labels, own=True), *wrong_annotations(annotations, own=True)):
        raise RequestError(Reason.INVALID, f"{told}; {remedy}")
    return runs.NewRun(
        uid="",
        project=request.project,
        domain=request.domain,
        name=request.name or generate_run_name(secrets.token_bytes(4)),
        request_digest=digest,
        target=target.id,
        closure_digest=sha256_hex(target.closure),
        inputs=inputs,
        labels=labels,
        annotations=annotations,
        created_by=created_by,
        priority=request.priority,
        cache_mode=request.cache_mode,
        max_parallelism=request.max_parallelism,
        lane=plan.name if plan.max_active_runs else "",
        lane_limit=plan.max_active_runs,
    )


def _unknown_target(connection: sa.Connection, wanted: pb.EntityId) -> RequestError:
    what = f"{_KIND_WORDS.get(wanted.kind, 'entity')} '{wanted.name}'"
    if wanted.version:
        what += f" version {wanted.version}"
    what += f" in {wanted.project}/{wanted.domain}"
    return not_found(what, nearest(wanted.name, entities.names(connection, wanted)))
