"""Running an entity of a file: here, or on the platform."""

import dataclasses
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from limosa.cli.console import say, write_data, write_result
from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import open_client
from limosa.cli.submission import Submission, new_run_name, prepare, register, run_annotations
from limosa.cli.typed_command import GivenInputs, read_arguments
from limosa.origin import origin_of_class

if TYPE_CHECKING:
    from limosa.compiler import Compiled, LoadedModule
    from limosa.config import Settings
    from limosa.remote import Client
    from limosa_idl.admin.v1alpha1.admin_pb2 import EntityId, Run
    from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
    from limosa_idl.run.v1alpha1.run_pb2 import CacheMode


@dataclasses.dataclass(frozen=True)
class Flags:
    """How to go on once the run exists."""

    detach: bool
    timeout: float | None
    """Seconds to wait; None waits for ever."""
    name: str | None
    """Of the run; None generates one."""
    output: str
    """Form of the result: text, json or yaml."""
    cache_mode: "CacheMode.ValueType"
    """What the run does with cached results."""
    priority: int = 0
    """Greater ones are claimed first."""
    max_parallelism: int = 0
    """Most node items launched at once; 0: as the platform allows."""


def run_remotely(
    loaded: "LoadedModule",
    entity: Any,
    given: GivenInputs,
    settings: "Settings",
    flags: Flags,
) -> int:
    """Registers an entity and runs it on the platform; gives the exit status."""
    from limosa.remote import ClientTransfer

    check_run_name(flags.name)
    submission = prepare([loaded], [entity], settings, version=None)
    try:
        with open_client(settings) as client:
            transfer = ClientTransfer(client)
            try:
                inputs = given.literals(transfer)
                info = client.info()
                register(client, transfer, submission, noted)
                warn_of_secrets(settings, submission)
                compiled = submission.compiled[0]
                target = entity_id(client, compiled, submission.version)
                run = create_run(client, target, inputs, flags, sandbox=info.sandbox)
            finally:
                transfer.close()
            submission.bundle.discard()  # whoever follows for hours may be ended by a signal
            return stay(client, run, flags)
    finally:
        submission.bundle.discard()


def warn_of_secrets(settings: "Settings", submission: Submission) -> None:
    """Says which secrets of the registered tasks their namespace lacks, where this machine can see."""
    from limosa.cli.cluster_secrets import missing_secrets

    for told in missing_secrets(settings, submission.tasks):
        say(f"warning: {told}", "yellow")


def create_run(
    client: "Client", target: "EntityId", inputs: "LiteralMap", flags: Flags, *, sandbox: bool
) -> "Run":
    """Starts a run; says so where a run of the name that was asked for is there already. Raises RemoteError."""
    there = flags.name is not None and client.has_run(flags.name)
    run = client.create_run(
        flags.name or new_run_name(),
        target,
        inputs,
        annotations=run_annotations(sandbox),
        cache_mode=flags.cache_mode,
        priority=flags.priority,
        max_parallelism=flags.max_parallelism,
    )
    if there:
        # The server takes an equal request for the same one, sent again.
        from limosa.cli.tables import moment

        say(f"run {run.name} exists already (made {moment(run.created_at)}); this is that run", "yellow")
    return run


def stay(client: "Client", run: "Run", flags: Flags) -> int:
    """Says what was started, then follows it or leaves; gives the exit status."""
    say(f"run {run.name}" + (f"  {run.url}" if run.url else ""))
    if flags.detach:
        if flags.output == "text":
            write_result(run.name + "\n")
        else:
            write_data({"name": run.name, "uid": run.uid, "url": run.url}, flags.output)
        return ExitCode.OK
    from limosa.cli.following import follow_to_end

    return follow_to_end(client, run.name, form=flags.output, timeout=flags.timeout)


def entity_id(client: "Client", compiled: "Compiled", version: str) -> "EntityId":
    """The id under which a compiled entity was registered."""
    from limosa_idl.admin.v1alpha1 import admin_pb2

    kind = admin_pb2.EntityKind.Value(f"ENTITY_KIND_{compiled.kind.upper()}")
    return client.entity_id(kind, compiled.name, version)


def check_run_name(name: str | None) -> None:
    """Refuses a run name that is not legal. Raises click.UsageError."""
    from limosa_model.names import check_name

    problem = check_name("run", name) if name else None
    if problem:
        raise click.UsageError(problem)


def short_name(name: str) -> str:
    """The last part of an entity's name."""
    return name.rpartition(".")[2]


def read_inputs(
    entity: Any, arguments: Sequence[str], usage: str, inputs_file: str | None = None
) -> GivenInputs:
    """What stands after the name of an entity of a file. Raises click.UsageError.

    Args:
        entity: Task, workflow or launch plan.
        arguments: Everything after its name.
        usage: The words before.
        inputs_file: As it was named among our own options.
    """
    documented = getattr(entity, "workflow", entity)  # a launch plan is described by its workflow
    description = inspect.cleandoc(documented.__doc__ or "")
    return read_arguments(
        entity.interface,
        arguments,
        name=short_name(entity.name),
        description=description,
        usage=usage,
        inputs_file=inputs_file,
        fixed={key: repr(value) for key, value in getattr(entity, "fixed_inputs", {}).items()},
        declared=lambda name: _declared(entity.python_inputs[name]),
    )


def _declared(python_type: Any) -> str:
    """Where the dataclass in a type was written; empty where there is none, or its source cannot be had."""
    from limosa.types.dataclass_ import dataclass_in

    found = dataclass_in(python_type)
    try:
        return f"{found.__name__}, {origin_of_class(found)}" if found is not None else ""
    except (OSError, TypeError):
        return ""


def noted(text: str) -> None:
    """Tells something on the way."""
    say(text, "dim")
