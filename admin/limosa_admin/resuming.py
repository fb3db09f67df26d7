"""Resuming: from a run that has ended to one that goes on from it."""

import sqlalchemy as sa

from limosa_admin.request_errors import Reason, RequestError, nearest
from limosa_admin.resume_plan import ResumePlan, node_paths, plan_resume
from limosa_admin.run_view import run_prefix
from limosa_admin.store import entities, runs, snapshots
from limosa_admin.submission import Resumption, Submissions, check_request
from limosa_admin.targets import Target
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_model.digests import serialize, sha256_hex


def resume(
    submissions: Submissions, row: sa.RowMapping, request: pb.ResumeRunRequest, created_by: str
) -> tuple[ResumePlan, runs.Row | None]:
    """What is reused, and the new run's row; None for a dry run.

    Args:
        submissions: Queues runs.
        row: The run to go on from.
        request: What is wanted.
        created_by: Who wants it.

    Raises:
        RequestError: PRECONDITION while the run has not ended, NOT_FOUND for the target or a node, and as `submit`.
    """
    if row["phase"] not in runs.TERMINAL:
        remedy = f"wait for its end, or abort it first: limosa abort {row['name']}"
        raise RequestError(Reason.PRECONDITION, f"run '{row['name']}' has not ended; {remedy}")
    with submissions.database.snapshot() as connection:
        old = Closure.FromString(entities.spec(connection, row["closure_digest"]))
        states = snapshots.of_nodes(connection, row["uid"])
    wanted = _wanted(row, request)
    target = submissions.targets.find(wanted)
    _carry_inputs(wanted, row, target)
    new = Closure.FromString(target.closure)
    _check_nodes(new, states, request, row["name"])
    plan = plan_resume(old, states, new, request.from_nodes)
    if request.dry_run:
        check_request(wanted, target)
        return plan, None
    reuse = run_pb2.Reuse(run_prefix=run_prefix(row), run_name=row["name"], except_nodes=plan.except_nodes)
    resumption = Resumption(sha256_hex(serialize(request)), row["uid"], reuse)
    return plan, submissions.submit(wanted, created_by, resumption=resumption)


def _wanted(row: sa.RowMapping, request: pb.ResumeRunRequest) -> pb.CreateRunRequest:
    """The old run's request anew, but for its inputs."""
    return pb.CreateRunRequest(
        project=row["project"],
        domain=row["domain"],
        name=request.name,
        target=pb.EntityId(
            kind=row["target_kind"],
            name=row["target_name"],
            version=request.version or row["target_version"],
        ),
        labels=row["labels"],
        annotations={**row["annotations"], **request.annotations},
        priority=row["priority"],
        cache_mode=_cache_mode(row, request),
        max_parallelism=row["max_parallelism"],
    )


def _carry_inputs(wanted: pb.CreateRunRequest, row: sa.RowMapping, target: Target) -> None:
    """The old run's inputs, as far as the target still takes them: new ones have their defaults."""
    taken = {variable.name for variable in target.interface.inputs} - set(target.plan.fixed_inputs.literals)
    for name, literal in LiteralMap.FromString(bytes(row["inputs"])).literals.items():
        if name in taken:
            wanted.inputs.literals[name].CopyFrom(literal)


def _check_nodes(
    new: Closure, states: dict[str, run_pb2.NodeState], request: pb.ResumeRunRequest, name: str
) -> None:
    known = node_paths(new, states)
    unknown = [path for path in request.from_nodes if path not in known]
    if unknown:
        what = f"node '{unknown[0]}' of run '{name}' does not exist"
        raise RequestError(Reason.NOT_FOUND, f"{what}; {nearest(unknown[0], known)}")


def _cache_mode(row: sa.RowMapping, request: pb.ResumeRunRequest) -> run_pb2.CacheMode.ValueType:
    """What is asked for with --from runs, whatever somebody else has."""
    if request.from_nodes and row["cache_mode"] != run_pb2.CACHE_MODE_SKIP:
        return run_pb2.CACHE_MODE_OVERWRITE
    mode: run_pb2.CacheMode.ValueType = row["cache_mode"]
    return mode
