"""Records of an eager node's calls in the store: written once, so that every attempt makes the same calls."""

from typing import TYPE_CHECKING

from limosa.runtime.outcome import LaunchFailed
from limosa_idl.run.v1alpha1.run_pb2 import CallOutcome, EagerCall
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure
from limosa_model import failures, layout
from limosa_model.cache_key import value_digest
from limosa_model.digests import serialize, sha256_hex
from limosa_model.failures import Code
from limosa_store import ErrorCode, StoreError

if TYPE_CHECKING:
    from limosa.eager_calls import Prepared
    from limosa_model.pod_contract import PodEnvironment
    from limosa_store import Store

_OUTCOME = ".outcome.pb"


class CallRecords:
    """What this and earlier attempts of an eager node recorded."""

    def __init__(self, store: "Store", prefix: str, pod: "PodEnvironment") -> None:
        """Lists what earlier attempts left."""
        self._store, self._prefix, self._pod = store, prefix, pod
        folder = layout.calls_prefix(prefix, pod.node_path)
        names = [info.key[len(folder) :] for info in store.list(folder.rstrip("/"))]
        own = [name for name in names if "/" not in name]
        self._ended = {name[: -len(_OUTCOME)] for name in own if name.endswith(_OUTCOME)}
        self.earlier = {name[:-3] for name in own if not name.endswith(_OUTCOME)}
        """Ids of calls that earlier attempts made."""

    def put(self, prepared: "Prepared", closure: Closure) -> None:
        """Records a call, or finds that an earlier attempt made the same one. Raises LaunchFailed where it made another."""
        call = self._record(prepared, closure)
        key = layout.call_key(self._prefix, self._pod.node_path, prepared.id)
        if prepared.id not in self.earlier and self._store.put_if_absent(key, serialize(call)):
            return
        before = self.read(prepared.id)
        if before.target_digest != call.target_digest:
            told = (
                f"the same as {_named(before)}" if before.target != call.target else "with the same options"
            )
            raise _mismatch(
                prepared, f"an earlier attempt called {_named(before)} there, and now it is not {told}"
            )
        if before.input_digest != call.input_digest:
            raise _mismatch(prepared, f"an earlier attempt called {_named(before)} there with other inputs")

    def read(self, call: str) -> EagerCall:
        """The record of a call that was made. Raises StoreError."""
        return EagerCall.FromString(self._store.get(layout.call_key(self._prefix, self._pod.node_path, call)))

    def had_ended(self, call: str) -> bool:
        """Whether a call had its outcome before this attempt."""
        return call in self._ended

    def outcome(self, call: str) -> CallOutcome | None:
        """How a call ended; None where nothing is known of that yet. Raises StoreError."""
        try:
            data = self._store.get(layout.outcome_key(self._prefix, self._pod.node_path, call))
        except StoreError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return None
            raise
        return CallOutcome.FromString(data)

    def _record(self, prepared: "Prepared", closure: Closure) -> EagerCall:
        node = prepared.made.spec.nodes[0]
        call = EagerCall(
            run_uid=self._pod.run_uid,
            launch_id=self._pod.launch_id,
            call=prepared.id,
            target=prepared.called,
            target_digest=_target_digest(closure),
            input_digest=_input_digest(closure),
            source=node.source,
            graph=serialize(closure),
        )
        call.at.GetCurrentTime()
        return call


def _target_digest(closure: Closure) -> str:
    bare = Closure()
    bare.CopyFrom(closure)
    entry = next(workflow for workflow in bare.workflows if workflow.name == bare.entry)
    entry.ClearField("source")
    for node in entry.nodes:
        node.ClearField("inputs")
        node.ClearField("source")
    return "sha256:" + sha256_hex(serialize(bare))


def _input_digest(closure: Closure) -> str:
    """Over what stands for the inputs in cache keys: where an attempt keeps a file decides nothing."""
    entry = next(workflow for workflow in closure.workflows if workflow.name == closure.entry)
    parts = sorted(
        f"{binding.name}={value_digest(binding.data.literal)}"
        for node in entry.nodes
        for binding in node.inputs
    )
    return "sha256:" + sha256_hex("\n".join(parts).encode())


def _named(call: EagerCall) -> str:
    return f"{call.target} ({call.source.file}:{call.source.line})"


def left_out(call: EagerCall) -> LaunchFailed:
    """An attempt ended without a call that an earlier one made."""
    message = (
        f"call {call.call}: an earlier attempt called {_named(call)}, this one ended without it; {_REMEDY}"
    )
    return LaunchFailed(failures.user(Code.CALL_MISMATCH, message))


_REMEDY = (
    "an eager function has to make the same calls on every attempt: let them follow from its inputs and from what its "
    "calls gave, not from time, randomness or which of two calls ends first"
)


def _mismatch(prepared: "Prepared", what: str) -> LaunchFailed:
    message = f"{prepared.place}: call {prepared.id} of {prepared.called}: {what}; {_REMEDY}"
    return LaunchFailed(failures.user(Code.CALL_MISMATCH, message))
