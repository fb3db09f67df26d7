"""Results of local runs that later local runs take: one commit per key, below one directory."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from limosa.compiler.task_spec import source_version
from limosa.errors import LimosaError
from limosa.local.history import DOMAIN, PROJECT
from limosa.local.transfer import local_path
from limosa.options import cache_policy
from limosa.tasks import Task
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.task.v1alpha1.task_pb2 import CachePolicy, TaskSpec
from limosa_model.cache_key import cache_key
from limosa_model.digests import serialize
from limosa_model.references import references

if TYPE_CHECKING:
    from limosa.local.attempts import Attempt


class LocalCache:
    """Keyed as on the platform. A result whose files were deleted with their run is none."""

    def __init__(self, root: Path, mode: "run_pb2.CacheMode.ValueType") -> None:
        """Names the directory (".limosa/cache"), and what the run does with results that are there."""
        self._root = root
        self._mode = mode

    def key(self, task: "Task[..., Any]", item: "Attempt") -> str | None:
        """The key of a node item; None where its result is neither looked for nor kept."""
        if self._mode == run_pb2.CACHE_MODE_SKIP:
            return None
        overrides, policy = item.node.overrides, CachePolicy()
        if overrides.HasField("cache"):
            policy = overrides.cache
        elif task.options.cache is not None:
            version = task.options.cache.version or source_version(task)
            policy = cache_policy(task.options.cache, version)
        if not policy.enabled:
            return None
        spec = TaskSpec(name=task.name, interface=task.interface, cache=policy)
        return cache_key(PROJECT, DOMAIN, spec, item.inputs)

    def find(self, key: str) -> tuple[LiteralMap, str] | None:
        """The outputs and the name of the run that made them."""
        if self._mode == run_pb2.CACHE_MODE_OVERWRITE:
            return None
        try:
            commit = run_pb2.Commit.FromString(self._file(key).read_bytes())
        except (FileNotFoundError, DecodeError):
            return None
        files = references(commit.inline.literals.values())
        if not all(_is_here(uri) for uri, _ in files):
            return None
        return commit.inline, commit.origin_run

    def keep(self, key: str, run: str, outputs: LiteralMap) -> None:
        """Keeps outputs for later runs."""
        commit = run_pb2.Commit(inline=outputs, origin_run=run)
        self._root.mkdir(parents=True, exist_ok=True)
        made = self._file(f"{key}.{run}")
        made.write_bytes(serialize(commit))
        made.replace(self._file(key))

    def _file(self, name: str) -> Path:
        return self._root / f"{name}.pb"


def _is_here(uri: str) -> bool:
    try:
        return local_path(uri).exists()
    except LimosaError:
        return False
