"""The one result of a node item: written once, read by whoever comes later."""

from google.protobuf.message import DecodeError

from limosa.runtime.outcome import Committed, LaunchFailed, Superseded
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap, Offloaded
from limosa_idl.run.v1alpha1.run_pb2 import Commit
from limosa_model import failures, layout
from limosa_model.digests import digest_of, serialize, sha256_hex
from limosa_model.failures import Code
from limosa_model.names import parse_epoch
from limosa_model.pod_contract import INLINE_OUTPUTS_LIMIT, PodEnvironment
from limosa_store import ErrorCode, Store, StoreError


class CommitSlot:
    """The place of one node item's commit, as one launch sees it."""

    def __init__(self, store: Store, pod: PodEnvironment, prefix: str, version: str) -> None:
        """Names the place.

        Args:
            store: Where commits lie.
            pod: The launch.
            prefix: Key prefix of the run.
            version: Version of this runtime, recorded in the commit.
        """
        self._store = store
        self._pod = pod
        self._prefix = prefix
        self._version = version
        self.key = layout.commit_key(prefix, pod.node_path, pod.index)

    def read(self) -> Committed | Superseded | None:
        """What the existing commit means for this launch; None where there is none."""
        try:
            data = self._store.get(self.key)
        except StoreError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return None
            raise
        try:
            commit = Commit.FromString(data)
        except DecodeError as error:
            message = f"the commit {self._store.uri(self.key)} cannot be read: {error}"
            raise LaunchFailed(failures.system(Code.CORRUPT_DATA, message, retryable=False)) from error
        if commit.launch_id != self._pod.launch_id:
            return Superseded()
        outputs = commit.inline if commit.WhichOneof("outputs") == "inline" else None
        return Committed("sha256:" + sha256_hex(data), outputs)

    def write(self, outputs: LiteralMap) -> Committed | Superseded:
        """Makes `outputs` the result unless another launch was first. All data they refer to is durable already."""
        commit = self._new()
        data = serialize(outputs)
        inline = len(data) <= INLINE_OUTPUTS_LIMIT
        if inline:
            commit.inline.CopyFrom(outputs)
        else:
            commit.offloaded.CopyFrom(self._offload(data, "outputs.pb"))
        return self._put(commit, outputs if inline else None)

    def write_graph(self, graph: bytes) -> Committed | Superseded:
        """Makes a serialised graph the result unless another launch was first, whose graph may be another one."""
        commit = self._new()
        if len(graph) <= INLINE_OUTPUTS_LIMIT:
            commit.graph_inline = graph
        else:
            commit.graph_offloaded.CopyFrom(self._offload(graph, "graph.pb"))
        return self._put(commit, None)

    def _new(self) -> Commit:
        commit = Commit(
            run_uid=self._pod.run_uid,
            launch_id=self._pod.launch_id,
            epoch=parse_epoch(self._pod.epoch),
            input_digest=self._pod.input_digest,
            runtime_version=self._version,
            task=self._pod.task,
        )
        commit.committed_at.GetCurrentTime()
        return commit

    def _offload(self, data: bytes, name: str) -> Offloaded:
        key = f"{layout.data_prefix(self._prefix, self._pod.launch_id)}/{name}"
        self._store.put(key, data)
        return Offloaded(uri=self._store.uri(key), size=len(data), digest="sha256:" + sha256_hex(data))

    def _put(self, commit: Commit, outputs: LiteralMap | None) -> Committed | Superseded:
        if self._store.put_if_absent(self.key, serialize(commit)):
            return Committed(digest_of(commit), outputs)
        found = self.read()
        if found is None:
            message = f"the store said {self._store.uri(self.key)} exists and then that it does not"
            raise LaunchFailed(failures.system(Code.STORE, message))
        return found
