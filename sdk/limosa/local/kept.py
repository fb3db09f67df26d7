"""Kept runs: read back as the platform's are."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from limosa.errors import LimosaError
from limosa.local.history import DETAIL, DOMAIN, INPUTS, KEPT_RUNS, PROJECT, values_key
from limosa.local.holding import is_held
from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse, LogChunk, Run, RunDetail
from limosa_idl.core.v1alpha1.interface_pb2 import Interface
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import layout, names
from limosa_model.graph import Index, find_node
from limosa_model.interfaces import node_interface

RUNS = Path(".limosa", "runs")
"""Below the source root."""
_RUN_ENDS = {run_pb2.RUN_PHASE_FAILED: "the run failed", run_pb2.RUN_PHASE_ABORTED: "the run was stopped"}
_NODE_ENDS = {
    run_pb2.NODE_PHASE_FAILED: "the node failed",
    run_pb2.NODE_PHASE_ABORTED: "the node was stopped",
}
_OPEN = (run_pb2.NODE_PHASE_RUNNING, run_pb2.NODE_PHASE_RETRYING)
_NO_END = "it did not come to an end"
_Message = TypeVar("_Message", bound=Message)


class KeptRuns:
    """The runs kept below one root."""

    def __init__(self, root: Path) -> None:
        """Reads nothing yet."""
        self.root = root
        self._runs = root / layout.project_prefix(PROJECT, DOMAIN) / "runs"

    def has(self, name: str) -> bool:
        """Whether a run of that name is kept."""
        return name in self._found()

    def closest(self, name: str) -> str:
        """The kept run that is meant by a name with a slip; empty where none is."""
        return names.mistyped_run(name, self._found())

    def runs(self) -> Iterator[Run]:
        """All runs, newest first. Raises LimosaError."""
        for name in self._found():
            yield self.get_run(name).run

    def get_run(self, name: str) -> RunDetail:
        """A run with its graph and what became of its nodes. Raises LimosaError."""
        directory = self._directory(name)
        alive = is_held(directory)  # before the record: it may end in between
        detail = _read(directory / DETAIL, RunDetail)
        if detail.run.state.phase == run_pb2.RUN_PHASE_RUNNING:
            _keep_latest(detail)
            if not alive:
                _abort(detail, directory)
        return detail

    def run_data(self, name: str, node_path: str = "", index: int | None = None) -> GetRunDataResponse:
        """Inputs and outputs of a run or of one of its node items. Raises LimosaError."""
        directory, detail = self._directory(name), self.get_run(name)
        if not node_path:
            return _run_data(directory, detail)
        path = directory / values_key(node_path, index)
        if not path.exists():
            return GetRunDataResponse(note=f"{node_path} did not begin")
        data = _read(path, GetRunDataResponse)
        data.interface.CopyFrom(_interface(detail, node_path, index))
        if not data.HasField("outputs"):
            states = (one.node for one in detail.snapshots if one.key.node_path == node_path)
            ends = (_NODE_ENDS[state.phase] for state in states if state.phase in _NODE_ENDS)
            data.note = f"outputs: {next(ends, _NO_END)}"
        return data

    def logs(
        self,
        name: str,
        *,
        node_path: str = "",
        index: int | None = None,
        launch: int | None = None,
        follow: bool = False,
        tail_lines: int = 0,
    ) -> Iterator[LogChunk]:
        """What node items printed, of each the latest launch or the one asked for; nothing more will come.

        Raises:
            LimosaError: The run is not kept, or cannot be read.
        """
        directory = self._directory(name)
        for snapshot in _launches(self.get_run(name), node_path, index, launch):
            key = snapshot.key
            path = Path(layout.log_key(str(directory), snapshot.launch.launch_id, 0))
            if not path.exists():
                continue
            lines = path.read_text(encoding="utf-8").splitlines()[-tail_lines:]
            chunk = LogChunk(node_path=key.node_path, launch=key.launch, text="\n".join(lines) + "\n")
            if key.HasField("index"):
                chunk.index = key.index
            yield chunk

    def _directory(self, name: str) -> Path:
        found = self._found()
        if name not in found:
            place = f"{self.root}, which keeps the last {KEPT_RUNS} runs"
            raise LimosaError("NotFound", f"there is no local run '{name}'", place)
        return found[name]

    def _found(self) -> dict[str, Path]:
        """Directories by run name, newest first; a name used twice means its latest run."""
        kept = sorted(
            self._runs.glob(f"*/{DETAIL}"), key=lambda path: path.parent.stat().st_mtime_ns, reverse=True
        )
        found: dict[str, Path] = {}
        for path in kept:
            found.setdefault(path.parent.name.partition(".")[0], path.parent)
        return found


def _keep_latest(detail: RunDetail) -> None:
    """Drops the snapshots that later ones of the same node or launch replace."""
    latest = {one.key.SerializeToString(deterministic=True): one for one in detail.snapshots}
    kept = list(latest.values())
    del detail.snapshots[:]
    detail.snapshots.extend(kept)


def _abort(detail: RunDetail, directory: Path) -> None:
    """What became of a run whose process was gone before it could say so."""
    state = detail.run.state
    state.phase = run_pb2.RUN_PHASE_ABORTED
    last = max(path.stat().st_mtime_ns for path in (directory, *directory.rglob("*")))
    state.finished_at.FromNanoseconds(last)
    detail.run.abort_reason = "the process ended before the run did"
    for one in detail.snapshots:
        if one.HasField("node") and one.node.phase in _OPEN:
            one.node.phase = run_pb2.NODE_PHASE_ABORTED
            one.node.finished_at.CopyFrom(state.finished_at)
        elif one.launch.phase == run_pb2.LAUNCH_PHASE_RUNNING:
            one.launch.phase = run_pb2.LAUNCH_PHASE_ABORTED
            one.launch.finished_at.CopyFrom(state.finished_at)
            # The last to begin: an eager task waits for what it calls.
            detail.run.abort_reason = _ended_in(detail, one.key)


def _ended_in(detail: RunDetail, key: run_pb2.SnapshotKey) -> str:
    """At which node item the process ended, and how to see more."""
    names = (one.node.display_name for one in detail.snapshots if one.key.node_path == key.node_path)
    item = key.HasField("index")
    where = f"{key.node_path}{f'[{key.index}]' if item else ''} {next(names, '')}".rstrip()
    logs = f"limosa logs {detail.run.name} {key.node_path}" + (f" --index {key.index}" if item else "")
    why = "os._exit(), a crash in native code, or a signal"
    return f"the process ended while node {where} ran ({why}); what it printed: {logs}"


def _run_data(directory: Path, detail: RunDetail) -> GetRunDataResponse:
    data = GetRunDataResponse(interface=Index(detail.closure).entry.interface)
    data.inputs.CopyFrom(_read(directory / INPUTS, LiteralMap))
    outputs = Path(layout.outputs_key(str(directory)))
    if outputs.exists():
        data.outputs.CopyFrom(_read(outputs, LiteralMap))
    else:
        data.note = f"outputs: {_RUN_ENDS.get(detail.run.state.phase, _NO_END)}"
    return data


def _interface(detail: RunDetail, node_path: str, index: int | None) -> Interface:
    """What a node, or an item of a map, takes and gives; empty where the graph does not say."""
    graph, node = Index(detail.closure), find_node(detail.closure, node_path)
    if node is None:
        return Interface()
    if index is not None and node.WhichOneof("target") == "map" and graph.has_task(node.map.task):
        return graph.task(node.map.task).interface
    return node_interface(graph, node) or Interface()


def _launches(
    detail: RunDetail, node_path: str, index: int | None, launch: int | None
) -> list[run_pb2.Snapshot]:
    """Of each node item the launch asked for, or the latest, in the order in which they began."""
    chosen: dict[tuple[str, int], run_pb2.Snapshot] = {}
    for one in detail.snapshots:
        key = one.key
        if one.WhichOneof("state") != "launch" or node_path not in ("", key.node_path):
            continue
        if index in (None, key.index) and launch in (None, key.launch):
            chosen[key.node_path, key.index] = one
    return sorted(chosen.values(), key=lambda one: one.launch.created_at.ToNanoseconds())


def _read(path: Path, kind: type[_Message]) -> _Message:
    try:
        return kind.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        message = f"the record of a local run cannot be read: {error}"
        raise LimosaError("CorruptData", message, str(path), "run it again") from error
