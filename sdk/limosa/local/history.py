"""What a local run leaves: its inputs, commits, errors and data, in the store's layout."""

import contextlib
import datetime as dt
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from limosa.errors import LimosaError
from limosa.kept_folder import make_kept
from limosa.local.printing import copied_to
from limosa.version import VERSION
from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse, RunDetail
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit, Epoch, ErrorRecord, Snapshot
from limosa_model import layout, names
from limosa_model.digests import digest_of, serialize

Literals = Mapping[str, Literal]
PROJECT = DOMAIN = "local"
KEPT_RUNS = 20
"""Older runs of a directory are deleted when a new one begins."""
DETAIL = "run.pb"
"""A RunDetail: the run, its graph, and what became of its nodes. It and the values of nodes are there for local runs only."""
INPUTS = "inputs.pb"


def values_key(path: str, index: int | None) -> str:
    """A GetRunDataResponse without its interface: inputs and, once there are any, outputs of a node item."""
    return f"values/{path}.pb" if index is None else f"values/{path}/{index}.pb"


class RunDirectory:
    """Where one run's files lie; keeps nothing else of it."""

    def __init__(self, root: Path) -> None:
        """Begins a new run below a root."""
        self.root = root.absolute()
        self.name = names.generate_run_name(os.urandom(4))
        self.uid = str(uuid.uuid4())
        self._prefix = layout.run_prefix(PROJECT, DOMAIN, self.name, self.uid)

    def data(self, launch_id: str) -> Path:
        """Where a launch's files go."""
        return self.root / layout.data_prefix(self._prefix, launch_id)

    def checkpoint(self, launch_id: str) -> Path:
        """Where a launch's checkpoint goes."""
        return self.root / layout.checkpoint_prefix(self._prefix, launch_id) / "data"

    def launch_id(self, path: str, index: int | None, attempt: int) -> str:
        """The id of one attempt, counted from 1."""
        return names.launch_id(self.uid, path, index, Epoch(), attempt - 1)

    def commit(
        self, path: str, index: int | None, launch_id: str, inputs: LiteralMap, outputs: LiteralMap
    ) -> None:
        """Takes a node item's result."""

    def error(self, launch_id: str, failure: Failure) -> None:
        """Takes how an attempt failed."""

    def values(self, path: str, index: int | None, inputs: Literals, outputs: Literals | None = None) -> None:
        """Takes what a node item was given and, once it has ended, what it gave."""

    def printed(self, launch_id: str) -> AbstractContextManager[None]:
        """Takes what is printed meanwhile."""
        return contextlib.nullcontext()


class RunRecord(RunDirectory):
    """A run of which inputs, commits, errors and outputs are kept."""

    def __init__(self, root: Path) -> None:
        """Begins a new run below a root and forgets the oldest ones.

        Raises:
            LimosaError: Nothing can be written there.
        """
        super().__init__(root)
        self.directory = self.root / self._prefix
        try:
            make_kept(self.directory)
            _forget(self.directory.parent)
        except OSError as error:
            raise LimosaError(
                "LocalFile",
                f"runs of this machine are kept there, and nothing can be written: {error.strerror}",
                str(error.filename or self.root),
                "make it a folder that you may write to, or remove it",
            ) from error

    def inputs(self, inputs: LiteralMap) -> None:
        """Keeps the run's inputs."""
        self._write(f"{self._prefix}/{INPUTS}", serialize(inputs))

    def outputs(self, outputs: LiteralMap) -> None:
        """Keeps the run's outputs."""
        self._write(layout.outputs_key(self._prefix), serialize(outputs))

    def commit(
        self, path: str, index: int | None, launch_id: str, inputs: LiteralMap, outputs: LiteralMap
    ) -> None:
        """Keeps a node item's result."""
        commit = Commit(
            run_uid=self.uid,
            launch_id=launch_id,
            epoch=Epoch(),
            input_digest=digest_of(inputs),
            inline=outputs,
            runtime_version=VERSION,
        )
        commit.committed_at.FromDatetime(dt.datetime.now(dt.timezone.utc))
        self._write(layout.commit_key(self._prefix, path, index), serialize(commit))
        self.values(path, index, inputs.literals, outputs.literals)

    def error(self, launch_id: str, failure: Failure) -> None:
        """Keeps how an attempt failed."""
        record = ErrorRecord(run_uid=self.uid, launch_id=launch_id, failure=failure, runtime_version=VERSION)
        record.at.FromDatetime(dt.datetime.now(dt.timezone.utc))
        self._write(layout.error_key(self._prefix, launch_id), serialize(record))
        self._end_log(launch_id, failure)

    def _end_log(self, launch_id: str, failure: Failure) -> None:
        from limosa.runtime.exceptions import last_words

        log = self.root / layout.log_key(self._prefix, launch_id, 0)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8", errors="replace") as file:
            file.write(last_words(failure))

    def values(self, path: str, index: int | None, inputs: Literals, outputs: Literals | None = None) -> None:
        """Keeps what a node item was given and gave."""
        found = GetRunDataResponse()
        _fill(found.inputs, inputs)
        if outputs is not None:
            _fill(found.outputs, outputs)
        self._write(f"{self._prefix}/{values_key(path, index)}", serialize(found))

    def printed(self, launch_id: str) -> AbstractContextManager[None]:
        """Keeps what is printed meanwhile as the launch's log."""
        return copied_to(self.root / layout.log_key(self._prefix, launch_id, 0))

    def detail(self, detail: RunDetail) -> None:
        """Keeps what there is to say of the run as a whole."""
        self._write(f"{self._prefix}/{DETAIL}", serialize(detail))

    def changed(self, snapshots: Iterable[Snapshot]) -> None:
        """Adds what became of nodes to what there is to say: of two snapshots with one key the later one counts.

        Whatever ends the process, it is there. Protobuf takes messages that follow one another as one.
        """
        data = RunDetail(snapshots=snapshots).SerializeToString()
        with (self.directory / DETAIL).open("ab", buffering=0) as file:
            file.write(data)

    def _write(self, key: str, data: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _fill(into: LiteralMap, literals: Literals) -> None:
    """Copies literals once: given to constructors they are copied with every message around them."""
    into.SetInParent()
    for name, literal in literals.items():
        into.literals[name].CopyFrom(literal)


def _forget(runs: Path) -> None:
    directories = sorted(
        (entry for entry in runs.iterdir() if entry.is_dir()), key=lambda run: run.stat().st_mtime_ns
    )
    for old in directories[:-KEPT_RUNS]:
        shutil.rmtree(old, ignore_errors=True)
