"""From a WorkflowRun object to a graph and a state: what is accepted, what is refused, and why."""

import asyncio
import base64
import binascii
import dataclasses
import logging
import random
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from limosa_engine import codec
from limosa_engine.graph import Graph, GraphError
from limosa_engine.state import State
from limosa_engine.step import new_state
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import CACHE_MODE_SKIP, Epoch, RunSpec
from limosa_model import failures, layout
from limosa_model.digests import sha256_hex
from limosa_model.failures import Code
from limosa_model.graph import Index
from limosa_model.interfaces import complete_inputs
from limosa_model.manifest import MAX_CLOSURE_BYTES, ManifestError, from_manifest, is_local
from limosa_model.names import check_name
from limosa_model.problems import Problem
from limosa_propeller.clock import RunClock
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.pods.manifest import PodFactory
from limosa_propeller.runs.closures import CheckedClosure
from limosa_propeller.runs.pod_admission import Unsettled, refused_by_cluster, refused_by_policy
from limosa_propeller.runs.services import Services
from limosa_propeller.runs.spec_digest import spec_digest
from limosa_propeller.runs.status import is_sealed
from limosa_store.errors import ErrorCode, StoreError

logger = logging.getLogger(__name__)

RETRY_SECONDS = (1, 2, 5, 10, 30)


class RefusedError(Exception):
    """The object cannot be run; `failure` says why to its author."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


@dataclasses.dataclass(frozen=True)
class OpenedRun:
    """A run that can be driven."""

    spec: RunSpec
    epoch: Epoch
    local: bool
    """Applied by hand: no admin knows it."""
    graph: Graph
    state: State
    restored: bool
    """The state comes from the object's status."""
    factory: PodFactory


async def open_run(manifest: dict[str, Any], services: Services, clock: RunClock) -> OpenedRun:
    """Reads everything a run needs. Waits while the store or the API server gives no answer. Raises RefusedError."""
    spec, epoch = _read(manifest)
    namespace = manifest["metadata"]["namespace"]
    await _check_tenant(spec, namespace, services)
    checked = await _checked(spec, services)
    async with services.openings:
        # What else is due has its turn first.
        await asyncio.sleep(0)
        opened = _opened(manifest, spec, epoch, checked, services, clock)
    if checked.shaped and not opened.restored:
        await _check_pods(opened, namespace, checked, services)
    return opened


def _opened(
    manifest: dict[str, Any],
    spec: RunSpec,
    epoch: Epoch,
    checked: CheckedClosure,
    services: Services,
    clock: RunClock,
) -> OpenedRun:
    """The run that a closure and a spec make. Raises RefusedError."""
    namespace = manifest["metadata"]["namespace"]
    if checked.problems:
        raise RefusedError(failures.user(Code.GRAPH_INVALID, sentences(checked.problems)))
    entry = Index(checked.closure).entry
    inputs, wrong = complete_inputs(entry.interface, spec.inputs.literals)
    if wrong:
        raise RefusedError(failures.user(Code.BAD_INPUT, sentences(wrong)))
    local = is_local(manifest)
    if local and checked.needs_admin:
        raise RefusedError(failures.user(Code.GRAPH_INVALID, checked.needs_admin))
    graph = _graph(spec, epoch, local, inputs, checked, services)
    state, restored = _state(manifest, graph, clock)
    factory = PodFactory(
        spec,
        epoch,
        namespace,
        manifest["metadata"]["uid"],
        services.store.root,
        services.settings.pods,
        services.division.labels(spec.run_uid),
    )
    return OpenedRun(spec, epoch, local, graph, state, restored, factory)


def _graph(
    spec: RunSpec, epoch: Epoch, local: bool, inputs: LiteralMap, checked: CheckedClosure, services: Services
) -> Graph:
    """The closure unfolded, once for all runs that do not differ in it. Raises RefusedError."""
    live_pods = min(services.engine.live_pods, spec.max_parallelism or services.engine.live_pods)
    settings = dataclasses.replace(services.engine, snapshots=not local, live_pods=live_pods)
    # No admin knows a local run, so nobody can say what others made, or take its results.
    cache_mode = CACHE_MODE_SKIP if local else spec.cache_mode
    reuse = spec.reuse if spec.HasField("reuse") else None
    try:
        like = checked.graphs.get(cache_mode) if reuse is None else None
        if like is None:
            like = Graph(
                checked.closure,
                settings,
                run_uid=spec.run_uid,
                name=spec.name,
                epoch=epoch,
                inputs=inputs.literals,
                project=spec.project,
                domain=spec.domain,
                cache_mode=cache_mode,
                reuse=reuse,
            )
        if reuse is not None:
            return like
        checked.graphs[cache_mode] = like
        return like.for_run(
            settings, run_uid=spec.run_uid, name=spec.name, epoch=epoch, inputs=inputs.literals
        )
    except GraphError as error:
        raise RefusedError(failures.user(Code.GRAPH_INVALID, str(error))) from error


def _read(manifest: dict[str, Any]) -> tuple[RunSpec, Epoch]:
    try:
        spec, epoch = from_manifest(manifest)
    except ManifestError as error:
        raise RefusedError(failures.user(Code.GRAPH_INVALID, str(error))) from error
    problem = check_name("run", spec.name)
    if problem:
        raise RefusedError(failures.user(Code.GRAPH_INVALID, f"metadata.name: {problem}"))
    status = manifest.get("status") or {}
    observed = status.get("observedSpec")
    if observed and observed != spec_digest(manifest) and is_sealed(status):
        raise RefusedError(spec_changed(is_local(manifest)))
    return spec, epoch


def spec_changed(local: bool) -> Failure:
    """The run's object was edited: its state belongs to another spec.

    Args:
        local: A person applied the object; else it is admin's, and goes with the run.
    """
    again = "delete this WorkflowRun and apply it again" if local else "submit it with `limosa run --remote`"
    return failures.user(
        Code.SPEC_CHANGED,
        "spec was changed while the run existed; results committed so far are kept. "
        f"To run the new spec, {again}",
    )


async def _check_tenant(spec: RunSpec, namespace: str, services: Services) -> None:
    for seconds in _delays():
        try:
            project, domain = await services.namespaces.tenant(namespace)
            break
        except ApiError as error:
            await _wait(spec, f"namespace {namespace}", error, seconds)
    if (project, domain) != (spec.project, spec.domain):
        told = f"{project}/{domain}" if project and domain else "no project and domain"
        raise RefusedError(
            failures.user(
                Code.NAMESPACE_MISMATCH,
                f"spec says project-domain {spec.project}/{spec.domain}, the labels of namespace {namespace} say {told}",
            )
        )


async def _check_pods(opened: OpenedRun, namespace: str, checked: CheckedClosure, services: Services) -> None:
    """No pod of a run is made where a later one would be refused. Raises RefusedError."""
    left = Unsettled()
    refusal = refused_by_policy(checked.shaped, opened.factory, left)
    for seconds in _delays():
        try:
            refusal = refusal or await refused_by_cluster(services, namespace, opened.factory, left)
            break
        except ApiError as error:
            await _wait(opened.spec, f"templates and secrets of {namespace}", error, seconds)
    if refusal is not None:
        raise RefusedError(refusal)


async def _checked(spec: RunSpec, services: Services) -> CheckedClosure:
    """The closure that a run names; of runs that name the same one at once, one reads it. Raises RefusedError."""
    of, closures = (spec.project, spec.domain, spec.closure_digest), services.closures
    found = closures.get(*of)
    if found is not None:
        return found
    async with closures.turn(*of):
        found = closures.get(*of)
        if found is None:
            data = spec.closure or await _stored_closure(spec, services)
            async with services.openings:
                await asyncio.sleep(0)
                found = _check(spec, data)
            closures.keep(*of, found)
        return found


def _check(spec: RunSpec, data: bytes) -> CheckedClosure:
    if sha256_hex(data) != spec.closure_digest:
        raise RefusedError(
            failures.system(
                Code.CORRUPT_DATA,
                f"the closure does not have the digest {spec.closure_digest}",
                retryable=False,
            )
        )
    try:
        return CheckedClosure.of(data)
    except DecodeError as error:
        raise RefusedError(
            failures.user(Code.GRAPH_INVALID, f"spec.closure is not a Closure: {error}")
        ) from error


async def _stored_closure(spec: RunSpec, services: Services) -> bytes:
    key = layout.closure_key(spec.project, spec.domain, spec.closure_digest)
    for seconds in _delays():
        try:
            return await services.store.call(lambda store: store.get(key, limit=MAX_CLOSURE_BYTES + 1))
        except StoreError as error:
            if not error.retryable:
                code = Code.GRAPH_INVALID if error.code is ErrorCode.NOT_FOUND else Code.STORE
                raise RefusedError(
                    failures.system(code, f"closure {key}: {error.message}", retryable=False)
                ) from error
            await _wait(spec, f"closure {key}", error, seconds)
    raise AssertionError("the delays have no end")


def _state(manifest: dict[str, Any], graph: Graph, clock: RunClock) -> tuple[State, bool]:
    status = manifest.get("status") or {}
    if not status.get("state") or status.get("observedUid") != manifest["metadata"]["uid"]:
        return new_state(graph, clock.now()), False
    if not is_sealed(status):
        # Somebody's edit: pods and commits say what there is, as they do for a run without a status.
        return new_state(graph, clock.now()), False
    try:
        return codec.decode(graph, base64.b64decode(status["state"], validate=True), clock.now()), True
    except (codec.CodecError, binascii.Error) as error:
        message = (
            f"status.state cannot be read ({error}); what was committed is kept. Launch the workflow again"
        )
        raise RefusedError(failures.system(Code.INTERNAL, message, retryable=False)) from error


def sentences(problems: Sequence[Problem]) -> str:
    """The first five problems, and how many more there are."""
    told = [f"{p.place}: {p.message}" + (f" ({p.remedy})" if p.remedy else "") for p in problems[:5]]
    more = len(problems) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more > 0 else "")


def _delays() -> Any:
    yield from RETRY_SECONDS
    while True:
        yield RETRY_SECONDS[-1]


async def _wait(spec: RunSpec, what: str, error: Exception, seconds: float) -> None:
    logger.warning("run waits to be opened", extra={"run": spec.name, "for": what, "error": str(error)})
    await asyncio.sleep(seconds * random.uniform(0.7, 1.3))
