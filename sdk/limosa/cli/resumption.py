"""Going on from a run that has ended: what `limosa resume` does."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from limosa.cli.console import say, write_data, write_result
from limosa.cli.exit_codes import ExitCode
from limosa.cli.launching import Flags, noted, stay, warn_of_secrets
from limosa.cli.nodes import path_of
from limosa.cli.options import TargetFlags, open_client, resolve_settings
from limosa.cli.run_sources import open_kept
from limosa.cli.submission import choose, new_run_name, prepare, register, run_annotations
from limosa.errors import LimosaError
from limosa.render.resumption import rows, warnings

if TYPE_CHECKING:
    from limosa.cli.submission import Submission
    from limosa.compiler import LoadedModule
    from limosa.config import Settings
    from limosa.remote import Client
    from limosa_idl.admin.v1alpha1.admin_pb2 import ResumedNode, RunDetail


@dataclasses.dataclass(frozen=True)
class Resume:
    """What is to be gone on from, and with what."""

    run: str
    from_nodes: Sequence[str]
    """Paths or names of nodes that run again."""
    dry_run: bool
    file: str | None
    """The working tree's code; None for that of the run."""
    packing: Mapping[str, Any]
    """Settings of what travels with the file."""


def resume(wanted: Resume, flags: Flags, target: TargetFlags) -> int:
    """Shows what is reused, and starts and follows the new run; gives the exit status.

    Raises:
        LimosaError: The run was a local one, the file has nothing of its target's name, or a node does not exist.
        RemoteError: The server refuses, such as for a run that has not ended.
    """
    _refuse_local(wanted, target)
    chosen = dataclasses.asdict(target)
    if wanted.file is None:
        with open_client(resolve_settings(chosen)) as client:
            return _go_on(client, client.get_run(wanted.run), wanted, flags, None)
    from limosa.compiler import load_module

    loaded = load_module(wanted.file)
    settings = resolve_settings({**chosen, **wanted.packing}, Path(loaded.source_root))
    with open_client(settings) as client:
        detail = client.get_run(wanted.run)
        entity = choose(loaded, detail.run.target.name, wanted.file)
        submission = prepare([loaded], [entity], settings, version=None)
        try:
            return _go_on(client, detail, wanted, flags, _Code(loaded, settings, submission))
        finally:
            submission.bundle.discard()


@dataclasses.dataclass(frozen=True)
class _Code:
    """The working tree's, compiled and packed."""

    loaded: "LoadedModule"
    settings: "Settings"
    submission: "Submission"


def _go_on(client: "Client", detail: "RunDetail", wanted: Resume, flags: Flags, code: _Code | None) -> int:
    closure = detail.closure if code is None else code.submission.compiled[0].closure
    paths = [path_of(closure, detail, node) for node in wanted.from_nodes]
    version = "" if code is None else _register(client, code)
    answer = client.resume_run(
        wanted.run,
        flags.name or new_run_name(),
        version=version,
        from_nodes=paths,
        dry_run=wanted.dry_run,
        annotations=run_annotations(client.info().sandbox),
    )
    if wanted.dry_run and flags.output != "text":
        write_data([_facts(node) for node in answer.nodes], flags.output)
        return ExitCode.OK
    tell = write_result if wanted.dry_run else lambda text: say(text.rstrip("\n"))
    for line in rows(answer.nodes):
        tell(line + "\n")
    for line in warnings(answer.nodes):
        say(f"warning: {line}", "yellow")
    return ExitCode.OK if wanted.dry_run else stay(client, answer.run, flags)


def _register(client: "Client", code: _Code) -> str:
    """Makes the working tree's code known; gives its version."""
    from limosa.remote import ClientTransfer

    transfer = ClientTransfer(client)
    try:
        register(client, transfer, code.submission, noted)
    finally:
        transfer.close()
    code.submission.bundle.discard()  # whoever follows for hours may be ended by a signal
    warn_of_secrets(code.settings, code.submission)
    return code.submission.version


def _refuse_local(wanted: Resume, target: TargetFlags) -> None:
    """A local run's nodes ran in one process and left nothing that pods could take over."""
    if any(dataclasses.astuple(target)) or not open_kept().has(wanted.run):
        return
    message = f"'{wanted.run}' was a local run; only runs of the platform can be gone on from"
    remedy = "run it again with `limosa run`; with `cache=` on its tasks what succeeded is not made twice"
    raise LimosaError("LocalRun", message, remedy=remedy)


def _facts(node: "ResumedNode") -> dict[str, Any]:
    return {
        "node": node.node_path,
        "name": node.display_name,
        "reused": node.reused,
        "items": node.items or None,
        "items_reused": node.items_reused if node.items else None,
        "why": node.detail or None,
        "code_changed": node.code_changed,
    }
