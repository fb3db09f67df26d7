"""What operator and runtime agree on: a pod's environment and its last word.

Variables are named LIMOSA_POD_*, so that a pod never configures a client by accident.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from google.protobuf.message import DecodeError

from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import TerminationRecord
from limosa_model.digests import serialize

CONTRACT_VERSION = "1"
POD_COMMAND = ("python", "-m", "limosa.runtime")
CONTAINER_NAME = "task"
INLINE_INPUTS_LIMIT = 8 * 1024
"""Bytes of serialised inputs that travel in the pod spec; larger ones by URI."""
INLINE_OUTPUTS_LIMIT = 64 * 1024
"""Bytes of serialised outputs that a commit holds; larger ones are offloaded."""
INLINE_CLOSURE_LIMIT = 256 * 1024
"""Bytes of a serialised closure that travel in a WorkflowRun; larger ones by digest."""
TERMINATION_LIMIT = 4096
"""Bytes Kubernetes keeps of a termination message (12,288 for the pod, shared by its containers)."""
TERMINATION_PATH = "/dev/termination-log"
EXIT_CONTRACT = 64
"""Exit code of a runtime that its environment does not tell enough: nothing was done, and the termination message says why."""

_PREFIX = "LIMOSA_POD_"
_MAGIC = "limosa1"


class PodContractError(ValueError):
    """A pod's environment is not what the contract says; the message names the variable."""


class PodEnvironment(NamedTuple):
    """What one launch is told, as environment variables."""

    run_uid: str
    run_name: str
    project: str
    domain: str
    node_path: str
    index: int | None  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    launch: int
    """Ordinal of the launch of this node item, from 0."""
    launch_id: str
    epoch: str
    """Written "generation.number"."""
    task: str
    """Qualified name of the task."""
    loader: str
    """Written "module:attribute"."""
    bundle: str
    """sha256 (hex) of the code bundle; empty where the image has the code."""
    python_version: str
    """Minor version the code was compiled under ("3.11")."""
    storage_root: str
    """Absolute URI of the store's root."""
    input_digest: str
    inputs: LiteralMap | None
    """None where they are read from `inputs_uri`."""
    inputs_uri: str = ""
    previous_checkpoint: str = ""
    """Absolute URI (a prefix) where the launch before kept its checkpoint; empty for a first launch."""
    step: str = ""
    """Raw containers: one of the two steps that `raw_containers` names; empty: the whole launch."""
    container: str = ""
    """Raw containers: a serialised TaskSpec with the interface, in base64."""
    input_directory: str = ""
    """Raw containers: where inputs are laid."""
    output_directory: str = ""
    """Raw containers: where outputs are left."""
    termination_path: str = TERMINATION_PATH
    image: str = ""
    """The task's own image, empty for the platform's: what tasks get that a dynamic or eager task calls and that name none."""
    admin_endpoint: str = ""
    """Eager nodes: host:port of admin's gRPC server, as pods reach it."""
    admin_ca: str = ""
    """Eager nodes: PEM of the authority that signed admin's certificate; empty: plain text."""
    attempt_token: str = ""
    """Eager nodes: what the attempt shows to admin; see `attempt_tokens`."""
    packages: str = ""
    """sha256 (hex) of the lock of the task's packages; empty: none beyond the image's."""
    packages_directory: str = ""
    """Where packages are unpacked for every pod that comes here; empty: this pod unpacks for itself."""
    package_locks: str = ""
    """Dynamic and eager nodes: locks of the tasks they may name, by the digest of what these declare, as JSON."""

    def to_environ(self) -> dict[str, str]:
        """The variables, in a fixed order."""
        environ = {_PREFIX + "CONTRACT": CONTRACT_VERSION}
        for name, value in zip(self._fields, self, strict=True):
            if isinstance(value, LiteralMap):
                environ[_PREFIX + name.upper()] = base64.b64encode(serialize(value)).decode()
            elif value is not None:
                environ[_PREFIX + name.upper()] = str(value)
        return environ

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "PodEnvironment":
        """Reads what `to_environ` wrote. Raises PodContractError."""
        contract = environ.get(_PREFIX + "CONTRACT")
        if contract != CONTRACT_VERSION:
            raise PodContractError(
                f"{_PREFIX}CONTRACT is {contract!r}, this runtime speaks {CONTRACT_VERSION!r}: "
                "the image's limosa and the operator's are of different generations"
            )
        values: dict[str, object] = {}
        for name in cls._fields:
            variable = _PREFIX + name.upper()
            text = environ.get(variable)
            if text is not None:
                values[name] = _parse(name, variable, text)
            elif name in ("index", "inputs"):
                values[name] = None
            elif name not in cls._field_defaults:
                raise PodContractError(f"{variable} is not set")
        return cls(**values)  # type: ignore[arg-type]


def is_contract_variable(name: str) -> bool:
    """Whether a variable belongs to this contract (and is removed before the author's code starts)."""
    return name.startswith(_PREFIX)


def encode_termination(record: TerminationRecord, limit: int = TERMINATION_LIMIT) -> str:
    """One ASCII line of at most `limit` bytes; what does not fit is left out, largest first."""
    candidate = TerminationRecord()
    candidate.CopyFrom(record)
    steps = (_drop_outputs, _drop_source, _drop_traceback, _shorten_message, _drop_exception)
    for step in (None, *steps):
        if step is not None:
            step(candidate)
        line = _line(serialize(candidate))
        if len(line) <= limit:
            return line
    return _line(serialize(TerminationRecord(launch_id=record.launch_id, outcome=record.outcome)))


def decode_termination(text: str) -> TerminationRecord | None:
    """The record of a termination message; None for anything that is not exactly one."""
    parts = text.strip().split(" ")
    if len(parts) != 3 or parts[0] != _MAGIC:
        return None
    try:
        payload = base64.b64decode(parts[2].encode("ascii"), validate=True)
        if int(parts[1], 16) != zlib.crc32(payload):
            return None
        record = TerminationRecord()
        record.ParseFromString(payload)
    except (binascii.Error, ValueError, DecodeError):
        return None
    return record


def _parse(name: str, variable: str, text: str) -> object:
    try:
        if name in ("index", "launch"):
            return int(text)
        if name == "inputs":
            return LiteralMap.FromString(base64.b64decode(text, validate=True))
    except (ValueError, DecodeError) as error:
        raise PodContractError(f"{variable} cannot be read: {error}") from error
    return text


def _line(payload: bytes) -> str:
    return f"{_MAGIC} {zlib.crc32(payload):08x} {base64.b64encode(payload).decode()}"


def _drop_outputs(record: TerminationRecord) -> None:
    record.ClearField("outputs")


def _drop_source(record: TerminationRecord) -> None:
    for frame in record.failure.exception.frames:
        frame.ClearField("source")


def _drop_traceback(record: TerminationRecord) -> None:
    record.failure.exception.ClearField("traceback")
    del record.failure.exception.frames[:-3]


def _shorten_message(record: TerminationRecord) -> None:
    if record.HasField("failure"):
        record.failure.message = record.failure.message[:500]
        record.failure.exception.message = record.failure.exception.message[:200]


def _drop_exception(record: TerminationRecord) -> None:
    record.failure.ClearField("exception")
