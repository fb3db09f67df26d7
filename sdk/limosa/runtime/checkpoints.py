"""Checkpoints in the object store: `launches/<launch id>/checkpoint/data`."""

from collections.abc import Iterator
from pathlib import Path

from limosa_model import layout, names
from limosa_model.pod_contract import PodEnvironment
from limosa_store import Store, StoreError
from limosa_store.errors import ErrorCode

_CHUNK = 1024 * 1024
_NAME = "data"


class LaunchCheckpoints:
    """Writes below the launch's own directory; reads what launches of the same node item before it left."""

    def __init__(self, store: Store, pod: PodEnvironment, prefix: str) -> None:
        """Takes the store, the launch and the run's prefix."""
        self._store = store
        self._pod = pod
        self._prefix = prefix
        self._key = f"{layout.checkpoint_prefix(prefix, pod.launch_id)}/{_NAME}"

    def uri(self) -> str:
        """Where this launch keeps its own."""
        return self._store.uri(self._key)

    def previous(self) -> Iterator[str]:
        """The launch before as the operator says; then the earlier ones of the same claim, whose ids follow from ours."""
        pod = self._pod
        if pod.previous_checkpoint:
            yield f"{pod.previous_checkpoint}/{_NAME}"
        epoch = names.parse_epoch(pod.epoch)
        for ordinal in range(pod.launch - 2, -1, -1):
            launch = names.launch_id(pod.run_uid, pod.node_path, pod.index, epoch, ordinal)
            yield self._store.uri(f"{layout.checkpoint_prefix(self._prefix, launch)}/{_NAME}")

    def fetch(self, uri: str, target: Path) -> bool:
        """Streams an object into a file; False where there is none. Raises StoreError."""
        key = self._store.key(uri)
        if key is None:
            return False
        try:
            with self._store.open_reader(key) as source, target.open("wb") as sink:
                while chunk := source.read(_CHUNK):
                    sink.write(chunk)
        except StoreError as error:
            if error.code is ErrorCode.NOT_FOUND:
                return False
            raise
        return True

    def keep(self, source: Path) -> None:
        """Stores a file; a reader sees the whole of it or the one before. Raises StoreError."""
        self._store.put(self._key, source)
