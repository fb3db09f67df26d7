"""From an author's file to registered specs: choose, pack, compile, upload, register."""

import dataclasses
import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from limosa.bundle import Bundle, all_files, imported_files, included_files, pack
from limosa.compiler import (
    Compiled,
    CompileSettings,
    LoadedModule,
    compile_entity,
    packages_declared,
    with_launched,
)
from limosa.config import Settings
from limosa.errors import LimosaError
from limosa_model.interfaces import suggest

if TYPE_CHECKING:
    from limosa.packages.resolution import Resolved
    from limosa.remote import Client, ClientTransfer
    from limosa_idl.admin.v1alpha1.admin_pb2 import RegisterResponse
    from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec


@dataclasses.dataclass(frozen=True)
class Submission:
    """Specs that belong together, and the code they need."""

    compiled: Sequence[Compiled]
    bundle: Bundle
    packages: "Sequence[Resolved]"
    """Locks of what its tasks declare, each once."""
    version: str
    """As the person named it, else a digest of the specs: same source, same version."""

    @property
    def tasks(self) -> "Sequence[TaskSpec]":
        """Every task of the specs, some of them more than once."""
        return [task for one in self.compiled for task in one.closure.tasks]


def choose(loaded: LoadedModule, name: str | None, place: str) -> Any:
    """The entity a person means: by name, or the only workflow there is.

    Raises:
        LimosaError: There is none of that name, or there are several.
    """
    entities = loaded.entities
    if not entities:
        message = "there is no task, workflow or launch plan in it"
        remedy = "decorate a function with @task or @workflow from limosa"
        raise LimosaError(code="NothingToRun", message=message, place=place, remedy=remedy)
    if name is not None:
        for attribute, entity in entities.items():
            if name in (attribute, entity.name, attribute.replace("_", "-")):
                return entity
        for entity in entities.values():
            if name == entity.name.rpartition(".")[2]:  # what trees show
                return entity
        message = f"there is no task, workflow or launch plan '{name}' in it"
        raise LimosaError(code="UnknownEntity", message=message, place=place, remedy=suggest(name, entities))
    from limosa.workflows import Workflow

    workflows = {key: entity for key, entity in entities.items() if isinstance(entity, Workflow)}
    chosen = workflows or entities
    if len(chosen) > 1:
        what = "workflows" if workflows else "tasks"
        message = f"there are several {what} in it: {', '.join(chosen)}"
        raise LimosaError(
            code="AmbiguousEntity", message=message, place=place, remedy="name the one to run after the file"
        )
    return next(iter(chosen.values()))


def check_one_root(loaded: Sequence[LoadedModule]) -> None:
    """Refuses files of different projects in one registration. Raises LimosaError."""
    roots = sorted({one.source_root for one in loaded})
    if len(roots) > 1:
        message = f"the files belong to different projects: {', '.join(roots)}"
        raise LimosaError(code="SeveralRoots", message=message, remedy="register each project by itself")


def prepare(
    loaded: Sequence[LoadedModule],
    entities: Iterable[Any],
    settings: Settings,
    *,
    version: str | None,
    note: Callable[[str], None] = lambda _: None,
) -> Submission:
    """Compiles entities against the packed code; `note` is told what was decided for them, such as versions of caches.

    Raises:
        LimosaError: What the author wrote cannot run, or cannot be packed.
    """
    told: set[str] = set()

    def note_once(text: str) -> None:
        """A task is compiled by itself and in each workflow that has it."""
        if text not in told:
            told.add(text)
            note(text)

    # Once without the code, because tracing may import more of the project that must be packed.
    entities = with_launched(entities, CompileSettings(default_image=settings["container_image"]))
    resolved = _resolved(entities)
    bundle = pack_code(loaded, settings)
    compile_settings = CompileSettings(
        bundle_digest=bundle.digest,
        default_image=settings["container_image"],
        note=note_once,
        package_locks={key: one.lock.digest for key, one in resolved.items()},
    )
    compiled = [compile_entity(entity, compile_settings) for entity in entities]
    return Submission(compiled, bundle, list(resolved.values()), version or _version_of(compiled))


def _resolved(entities: Iterable[Any]) -> "dict[str, Resolved]":
    """Locks of what the tasks declare, by its key. Raises LimosaError."""
    declared = packages_declared(entities)
    if not declared:
        return {}
    from limosa.packages.resolution import resolve

    return resolve(declared)


def pack_code(loaded: Sequence[LoadedModule], settings: Settings) -> Bundle:
    """Packs the files that travel, as the settings say. Raises BundleError."""
    root = Path(loaded[0].source_root)
    files: set[PurePosixPath] = set()
    if settings["copy"] == "all":
        files |= all_files(root)
    else:
        files |= imported_files(root, sys.modules)
    files |= included_files(root, settings.include)
    return pack(root, files, max_bytes=settings.bundle_max_bytes)


def register(
    client: "Client", transfer: "ClientTransfer", submission: Submission, note: Callable[[str], None]
) -> "RegisterResponse":
    """Uploads code and packages and registers the specs. Raises RemoteError."""
    upload(transfer, submission, note)
    closures = dict.fromkeys(one.closure_bytes for one in submission.compiled if one.kind != "task")
    tasks = dict.fromkeys(_task_bytes(one) for one in submission.compiled if one.kind == "task")
    plans = [plan for one in submission.compiled for plan in one.launch_plans]
    return client.register(submission.version, list(closures), list(tasks), plans)


def upload(transfer: "ClientTransfer", submission: Submission, note: Callable[[str], None]) -> None:
    """Sends what the store lacks of code and packages. Raises RemoteError, and LimosaError for packages that are gone."""
    from limosa.bundle.archive import format_size

    bundle = submission.bundle
    files = f"{len(bundle.files)} file{'' if len(bundle.files) == 1 else 's'}"
    if transfer.upload_bundle(bundle):
        note(f"code: {files}, {format_size(bundle.compressed_size)} uploaded")
    else:
        note(f"code: {files}, unchanged since the last upload")
    if submission.packages:
        from limosa.remote.wheels import upload_packages

        wheels = {wheel.sha256 for one in submission.packages for wheel in one.lock.wheels}
        sent, size = upload_packages(transfer, submission.packages, os.environ)
        told = f"{sent} of them new, {format_size(size)} uploaded" if sent else "in the store already"
        note(f"packages: {len(wheels)} wheel{'' if len(wheels) == 1 else 's'}, {told}")


def run_annotations(sandbox: bool) -> Mapping[str, str]:
    """What a run tells the platform about the person's machine: for the embedded cluster, its interpreter."""
    from limosa_model.names import ANNOTATION_SANDBOX_PYTHON

    return {ANNOTATION_SANDBOX_PYTHON: sys.executable} if sandbox else {}


def new_run_name() -> str:
    """A name nobody has used, as far as chance can tell."""
    import secrets

    from limosa_model.names import generate_run_name

    return generate_run_name(secrets.token_bytes(4))


def _task_bytes(compiled: Compiled) -> bytes:
    from limosa_model.digests import serialize

    return serialize(compiled.closure.tasks[0])


def _version_of(compiled: Sequence[Compiled]) -> str:
    from limosa_model.digests import serialize

    digest = hashlib.sha256()
    for one in sorted(compiled, key=lambda item: (item.kind, item.name)):
        parts = [one.kind.encode(), one.closure_bytes, *(serialize(plan) for plan in one.launch_plans)]
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]
