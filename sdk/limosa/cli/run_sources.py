"""Where runs are read: from the platform, or from what is kept of runs on this machine."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from limosa.cli.console import say
from limosa.cli.options import NO_ENDPOINT, TargetFlags, open_target
from limosa.errors import LimosaError
from limosa.local import KEPT_RUNS, RUNS, KeptFiles, KeptRuns
from limosa.origin import source_root
from limosa.remote import Client, ClientTransfer, RemoteError
from limosa.types import TransferContext
from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse, LogChunk, RunDetail
from limosa_model.names import mistyped_run


class Fetcher(TransferContext, Protocol):
    """Reads what literals refer to, also into places that a person names."""

    def fetch(self, uri: str, target: Path, digest: str = "") -> Path:
        """Copies one object to a path, which appears only when it is complete and has the digest, if one is given.

        Raises:
            CorruptData: It has another.
        """
        ...

    def fetch_directory(self, uri: str, target: Path, digest: str = "") -> Path:
        """Copies everything below a prefix into a directory; likewise, but for what of it is there already."""
        ...


class RunSource(Protocol):
    """Runs that can be read. Every method raises LimosaError where there is no such run, or it cannot be read."""

    @property
    def selection(self) -> str:
        """Flags without which a command in this folder would read elsewhere; empty where none are needed."""
        ...

    def get_run(self, name: str) -> RunDetail:
        """A run with its graph and latest snapshots."""
        ...

    def run_data(self, name: str, node_path: str = "", index: int | None = None) -> GetRunDataResponse:
        """Inputs and outputs of a run or of one of its node items."""
        ...

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
        """What node items printed; all nodes where `node_path` is empty, all lines where `tail_lines` is 0."""
        ...

    def transfer(self) -> AbstractContextManager[Fetcher]:
        """What reads the objects that values refer to; its local copies go when it is left."""
        ...


@dataclasses.dataclass(frozen=True)
class PlatformRuns:
    """The runs of one project-domain of one server."""

    client: Client

    @property
    def selection(self) -> str:
        """See `RunSource`."""
        return self.client.target.selection

    def get_run(self, name: str) -> RunDetail:
        """See `RunSource`."""
        return self.client.get_run(name)

    def run_data(self, name: str, node_path: str = "", index: int | None = None) -> GetRunDataResponse:
        """See `RunSource`."""
        return self.client.run_data(name, node_path, index)

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
        """See `RunSource`."""
        return self.client.logs(
            name, node_path=node_path, index=index, launch=launch, follow=follow, tail_lines=tail_lines
        )

    @contextlib.contextmanager
    def transfer(self) -> Iterator[Fetcher]:
        """See `RunSource`."""
        made = ClientTransfer(self.client)
        try:
            yield made
        finally:
            made.close()


@dataclasses.dataclass(frozen=True)
class KeptSource:
    """What is kept of this project's runs on this machine."""

    kept: KeptRuns

    @property
    def selection(self) -> str:
        """See `RunSource`: the name is enough."""
        return ""

    def is_found_here(self) -> bool:
        """Whether commands in the working directory look among these runs."""
        return self.kept.root.resolve() == _runs_here().resolve()

    def get_run(self, name: str) -> RunDetail:
        """See `RunSource`."""
        return self.kept.get_run(name)

    def run_data(self, name: str, node_path: str = "", index: int | None = None) -> GetRunDataResponse:
        """See `RunSource`."""
        return self.kept.run_data(name, node_path, index)

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
        """See `RunSource`; nothing follows, because the run is over."""
        return self.kept.logs(name, node_path=node_path, index=index, launch=launch, tail_lines=tail_lines)

    @contextlib.contextmanager
    def transfer(self) -> Iterator[Fetcher]:
        """See `RunSource`."""
        yield KeptFiles()


@contextlib.contextmanager
def open_runs(flags: TargetFlags, run: str) -> Iterator[RunSource]:
    """Where a run of this name is read; it is named on standard error.

    Without flags that choose a target that is this machine, if the run is kept here, and else the platform.

    Raises:
        LimosaError: There is no such run; it says where it was looked for.
    """
    kept = open_kept()
    chosen = any(dataclasses.astuple(flags))
    if not chosen and kept.has(run):
        say(f"local · {shown_path(kept.root)}", "dim")
        yield KeptSource(kept)
        return
    try:
        with open_target(flags) as client:
            yield PlatformRuns(client)
    except LimosaError as error:
        if not chosen:
            _tell_of_kept(error, kept, run)
        raise


@contextlib.contextmanager
def open_platform(flags: TargetFlags, *runs: str) -> Iterator[Client]:
    """A client of the target, for what can be done with runs of the platform only.

    Raises:
        LimosaError: There is no such run; where it is kept on this machine, it says so.
    """
    try:
        with open_target(flags) as client:
            yield client
    except LimosaError as error:
        kept = open_kept()
        here = next((run for run in runs if kept.has(run)), "")
        unknown = error.code == NO_ENDPOINT or (
            isinstance(error, RemoteError) and error.known_runs is not None
        )
        if here and unknown:
            error.remedy = f"{here} is a run of this machine, which is over: `limosa get run {here}` shows it"
        raise


def open_kept() -> KeptRuns:
    """The runs kept for the project around the working directory."""
    return KeptRuns(_runs_here())


def shown_path(path: Path) -> str:
    """A path as short as the working directory allows."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _runs_here() -> Path:
    return Path(source_root(str(Path.cwd())), RUNS)


def _tell_of_kept(error: LimosaError, kept: KeptRuns, run: str) -> None:
    """Adds to the error of a run that is not found that it is not kept here either."""
    place, close = f"{shown_path(kept.root)}, which keeps the last {KEPT_RUNS} runs", kept.closest(run)
    if isinstance(error, RemoteError) and error.known_runs is not None:
        error.place = f"{error.place}, and {place}"
        found = mistyped_run(run, [*error.known_runs, close])
        error.remedy = f"did you mean '{found}'?" if found else error.remedy
    elif error.code == NO_ENDPOINT:
        error.message = f"there is no local run '{run}', and no platform is configured"
        error.place = place
        error.remedy = f"did you mean '{close}'?" if close else error.remedy
    elif close:
        error.remedy += f"; or did you mean the local run '{close}'?"
