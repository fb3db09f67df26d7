"""A run as a WorkflowRun object, and back."""

import base64
import binascii
import gzip
import io
import zlib
from typing import Any

from google.protobuf.message import DecodeError

from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import CacheMode, Epoch, ParentRun, RunSpec
from limosa_model import names
from limosa_model.digests import serialize, sha256_hex
from limosa_model.pod_contract import INLINE_CLOSURE_LIMIT

MAX_CLOSURE_BYTES = 32 * 1024 * 1024
"""Longest closure that is unpacked; a longer one is refused before it fills memory."""

RUN, ABORT = "RUN", "ABORT"


class ManifestError(ValueError):
    """A WorkflowRun cannot be read; `field` is the place, the message says what stands there."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


def to_manifest(spec: RunSpec, epoch: Epoch, desired: str = RUN) -> dict[str, Any]:
    """The WorkflowRun that an operator is to work on.

    Args:
        spec: The run. A closure above the inline limit is left to be read by its digest.
        epoch: The claim.
        desired: "RUN" or "ABORT".
    """
    body: dict[str, Any] = {
        "uid": spec.run_uid,
        "epoch": {"generation": epoch.generation, "number": epoch.number},
        "project": spec.project,
        "domain": spec.domain,
        "closureDigest": spec.closure_digest,
        "inputs": base64.b64encode(serialize(spec.inputs)).decode(),
        "desired": desired,
    }
    if spec.closure and len(spec.closure) <= INLINE_CLOSURE_LIMIT:
        body["closure"] = base64.b64encode(gzip.compress(spec.closure, mtime=0)).decode()
    if spec.labels:
        body["labels"] = dict(sorted(spec.labels.items()))
    if spec.annotations:
        body["annotations"] = dict(sorted(spec.annotations.items()))
    body.update(_options(spec))
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {
            "name": spec.name,
            "namespace": names.namespace_of(spec.project, spec.domain),
            "labels": {names.LABEL_PROJECT: spec.project, names.LABEL_DOMAIN: spec.domain},
        },
        "spec": body,
    }


def to_local_manifest(spec: RunSpec) -> dict[str, Any]:
    """A WorkflowRun for `kubectl apply`: without uid and epoch, so that each object made of it is a new run."""
    manifest = to_manifest(spec, Epoch())
    del manifest["spec"]["uid"], manifest["spec"]["epoch"]
    return manifest


def is_local(manifest: dict[str, Any]) -> bool:
    """Whether a person applied it: no admin knows the run."""
    return not manifest.get("spec", {}).get("uid")


def from_manifest(manifest: dict[str, Any]) -> tuple[RunSpec, Epoch]:
    """Reads a WorkflowRun; a local one takes its object's uid and epoch 0.0. Raises ManifestError."""
    metadata, body = manifest.get("metadata", {}), manifest.get("spec")
    if not isinstance(body, dict):
        raise ManifestError("spec", "is missing")
    inputs = LiteralMap()
    try:
        inputs.ParseFromString(_decode("spec.inputs", body.get("inputs", "")))
    except DecodeError as error:
        raise ManifestError("spec.inputs", f"is not a LiteralMap: {error}") from error
    closure = _unpack("spec.closure", body["closure"]) if body.get("closure") else b""
    digest = body.get("closureDigest", "")
    if closure and digest and sha256_hex(closure) != digest:
        raise ManifestError(
            "spec.closureDigest", f"says {digest[:12]}…, the closure has {sha256_hex(closure)[:12]}…"
        )
    if not closure and not digest:
        raise ManifestError("spec.closure", "is missing")
    spec = RunSpec(
        run_uid=body.get("uid") or metadata.get("uid", ""),
        name=metadata.get("name", ""),
        project=body.get("project", ""),
        domain=body.get("domain", ""),
        closure_digest=digest or sha256_hex(closure),
        closure=closure,
        inputs=inputs,
        labels=body.get("labels") or {},
        annotations=body.get("annotations") or {},
    )
    _read_options(spec, body)
    return spec, _epoch(body.get("epoch") or {})


def desired_of(manifest: dict[str, Any]) -> str:
    """What is wanted of the run: "RUN" or "ABORT"."""
    return str(manifest.get("spec", {}).get("desired") or RUN)


def _options(spec: RunSpec) -> dict[str, Any]:
    """What most runs leave at its default."""
    found: dict[str, Any] = {}
    if spec.version:
        found["version"] = spec.version
    if spec.priority:
        found["priority"] = spec.priority
    if spec.cache_mode:
        found["cacheMode"] = CacheMode.Name(spec.cache_mode).removeprefix("CACHE_MODE_")
    if spec.max_parallelism:
        found["maxParallelism"] = spec.max_parallelism
    if spec.HasField("parent"):
        parent = spec.parent
        found["parent"] = {
            "uid": parent.run_uid,
            "name": parent.run_name,
            "node": parent.node_path,
            "depth": parent.depth,
        }
    if spec.HasField("reuse"):
        reuse = spec.reuse
        found["reuse"] = {
            "prefix": reuse.run_prefix,
            "run": reuse.run_name,
            "except": list(reuse.except_nodes),
        }
    return found


def _read_options(spec: RunSpec, body: dict[str, Any]) -> None:
    parent, reuse = body.get("parent") or {}, body.get("reuse") or {}
    try:
        spec.version = body.get("version") or ""
        spec.priority = body.get("priority") or 0
        spec.max_parallelism = body.get("maxParallelism") or 0
        if body.get("cacheMode"):
            spec.cache_mode = CacheMode.Value(f"CACHE_MODE_{body['cacheMode']}")
        if parent:
            spec.parent.CopyFrom(
                ParentRun(
                    run_uid=parent.get("uid", ""),
                    run_name=parent.get("name", ""),
                    node_path=parent.get("node", ""),
                    depth=parent.get("depth", 0),
                )
            )
        if reuse:
            spec.reuse.run_prefix = reuse.get("prefix", "")
            spec.reuse.run_name = reuse.get("run", "")
            spec.reuse.except_nodes.extend(reuse.get("except") or ())
    except (AttributeError, TypeError, ValueError) as error:
        raise ManifestError(
            "spec", f"version, priority, cacheMode, maxParallelism, parent or reuse: {error}"
        ) from error


def _epoch(body: Any) -> Epoch:
    try:
        return Epoch(generation=body.get("generation", 0), number=body.get("number", 0))
    except (AttributeError, TypeError, ValueError) as error:
        raise ManifestError("spec.epoch", f"is not {{generation, number}}: {error}") from error


def _decode(field: str, text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ManifestError(field, f"is not base64: {error}") from error


def _unpack(field: str, text: Any) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(_decode(field, text))) as stream:
            data = stream.read(MAX_CLOSURE_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ManifestError(field, f"is not gzip: {error}") from error
    if len(data) > MAX_CLOSURE_BYTES:
        raise ManifestError(field, f"unpacks to more than {MAX_CLOSURE_BYTES} bytes")
    return data
