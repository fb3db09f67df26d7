"""Submission: from a request for a run to a queued run."""

import dataclasses
import secrets
import uuid

from limosa_admin.request_errors import Reason, RequestError, check, invalid
from limosa_admin.store import runs, uses
from limosa_admin.store.arrivals import Arrivals, NewRun
from limosa_admin.store.changes import ARRIVALS, QUEUE, RUNS, Changes
from limosa_admin.store.database import Database
from limosa_admin.targets import Target, Targets
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import failures
from limosa_model.digests import serialize, sha256_hex
from limosa_model.interfaces import complete_inputs
from limosa_model.layout import closure_key, project_prefix, run_of
from limosa_model.names import check_name, generate_run_name
from limosa_model.pod_contract import INLINE_CLOSURE_LIMIT
from limosa_model.pod_fields import wrong_annotations, wrong_labels
from limosa_model.references import references
from limosa_store import Store

INPUTS_LIMIT = 256 * 1024
"""Bytes of a run's serialised inputs; they travel in a Kubernetes object."""
METADATA_LIMIT = 32 * 1024
"""Characters of a run's labels and annotations; they are copied onto every pod."""
MOST_PARALLELISM = 1_000_000
"""More than any run has items."""
_CACHE_MODES = frozenset(run_pb2.CacheMode.values())
_MOST_TRIES = 5
"""Times that one request tries to make its run."""


@dataclasses.dataclass(frozen=True)
class Resumption:
    """What a run takes from an earlier one."""

    request_digest: str
    """Of the request to resume: the same one finds the run that it made before."""
    run_uid: str
    reuse: run_pb2.Reuse


@dataclasses.dataclass(frozen=True)
class Submissions:
    """Queues runs.

    Attributes:
        database: The tables.
        arrivals: Writes new runs.
        store: The objects.
        changes: Is told of new runs.
        targets: Finds what is to run.
    """

    database: Database
    arrivals: Arrivals
    store: Store
    changes: Changes
    targets: Targets

    def submit(
        self,
        request: pb.CreateRunRequest,
        created_by: str,
        *,
        uid: str = "",
        parent: run_pb2.ParentRun | None = None,
        resumption: Resumption | None = None,
    ) -> runs.Row:
        """Queues a run, or finds the one that the same request made before; returns its row.

        Args:
            request: What is wanted.
            created_by: Who wants it.
            uid: Of the new run; empty: one that nobody has.
            parent: The run and node it is made for; None where a person asks.
            resumption: What it takes from an earlier run; None for a run from the start.

        Raises:
            RequestError: INVALID for bad names or inputs, NOT_FOUND for the target, EXISTS when another request has the name.
        """
        check(check_name("run", request.name) if request.name else None)
        if request.cache_mode not in _CACHE_MODES:
            raise RequestError(Reason.INVALID, f"there is no cache mode {request.cache_mode}")
        if request.max_parallelism > MOST_PARALLELISM:
            message = f"max_parallelism is {request.max_parallelism}; at most {MOST_PARALLELISM} is taken, 0 is no limit"
            raise RequestError(Reason.INVALID, message)
        digest = sha256_hex(serialize(request)) if resumption is None else resumption.request_digest
        for _ in range(_MOST_TRIES):
            try:
                target = self.targets.find(request)
                new = _new_run(request, target, digest, created_by)
            except RequestError:
                # What the run was made of may be gone since; the run is still the answer.
                known = self._known(request, digest)
                if known is None:
                    raise
                return known
            new = dataclasses.replace(new, uid=uid or str(uuid.uuid4()), parent=parent)
            if resumption is not None:
                new = dataclasses.replace(new, resumed_uid=resumption.run_uid, reuse=resumption.reuse)
            self._keep_closure(request, target)
            row = self.arrivals.create(new)
            if row is not None:
                self._note_uses(new)
                self.changes.tell(QUEUE if parent else ARRIVALS, RUNS)
                return row
            known = self._known(request, digest)
            if known is not None:
                return known
            # A name that was made up is somebody's, or the run was deleted at this moment, or the database has lost what
            # was read of it: with another name, and with what is read again, it may be made.
            self.targets.forget()
        raise RequestError(Reason.UNAVAILABLE, f"run '{request.name}' could not be made now; try again")

    def _keep_closure(self, request: pb.CreateRunRequest, target: Target) -> None:
        """Before the run is queued: whoever claims it must find its graph."""
        if len(target.closure) > INLINE_CLOSURE_LIMIT:
            key = closure_key(request.project, request.domain, target.closure_digest)
            self.store.put_if_absent(key, target.closure)

    def _note_uses(self, new: NewRun) -> None:
        """What it is given may lie where other runs of its project and domain put it."""
        tenant = project_prefix(new.project, new.domain)
        keys = (self.store.key(uri) for uri, _ in references(new.inputs.literals.values()))
        makers = [run_of(key) for key in keys if key is not None and key.startswith(f"{tenant}/")]
        pairs = [(new.uid, maker.uid) for maker in makers if maker is not None]
        if pairs:
            with self.database.transaction() as connection:
                uses.note(connection, pairs)

    def _known(self, request: pb.CreateRunRequest, digest: str) -> runs.Row | None:
        if not request.name:
            return None
        named = pb.RunId(project=request.project, domain=request.domain, name=request.name)
        with self.database.transaction() as connection:
            row = runs.find(connection, named)
        if row is not None and row["request_digest"] != digest:
            raise RequestError(
                Reason.EXISTS,
                f"run '{request.name}' exists in {request.project}/{request.domain} and was asked for differently; "
                "choose another name",
            )
        return row


def check_request(request: pb.CreateRunRequest, target: Target) -> None:
    """Refuses inputs, labels and annotations that `submit` would refuse. Raises RequestError."""
    _new_run(request, target, "", "")


def _new_run(request: pb.CreateRunRequest, target: Target, digest: str, created_by: str) -> NewRun:
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
    return NewRun(
        uid="",
        project=request.project,
        domain=request.domain,
        name=request.name or generate_run_name(secrets.token_bytes(4)),
        request_digest=digest,
        target=target.id,
        closure_digest=target.closure_digest,
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
