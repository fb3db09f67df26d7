"""Where runs are read: from the platform, or from what is kept of runs on this machine."""

import contextlib
import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from limosa.cli.options import TargetFlags, open_target
from limosa.remote import Client, ClientTransfer
from limosa.types import TransferContext
from limosa_idl.admin.v1alpha1.admin_pb2 import GetRunDataResponse, LogChunk, RunDetail


class Fetcher(TransferContext, Protocol):
    """Reads what literals refer to, also into places that a person names."""

    def fetch(self, uri: str, target: Path) -> Path:
        """Copies one object to a path, which appears only when it is complete."""
        ...

    def fetch_directory(self, uri: str, target: Path) -> Path:
        """Copies everything below a prefix into a directory."""
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


@contextlib.contextmanager
def open_runs(flags: TargetFlags) -> Iterator[RunSource]:
    """The runs of the target that the flags and everything below them choose."""
    with open_target(flags) as client:
        yield PlatformRuns(client)
