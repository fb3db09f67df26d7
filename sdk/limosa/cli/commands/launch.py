"""`limosa launch`."""

from typing import TYPE_CHECKING

import click

from limosa.cli.options import (
    TargetFlags,
    cache_mode,
    cache_options,
    inputs_file_option,
    open_target,
    output_option,
    scheduling_options,
    target_options,
    timeout_option,
)

if TYPE_CHECKING:
    from limosa.remote import Client
    from limosa_idl.admin.v1alpha1.admin_pb2 import Entity

_KINDS = ("launch-plan", "workflow", "task")


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--kind", type=click.Choice(_KINDS), help="What NAME is, where a launch plan, workflow and task share it."
)
@click.option("--version", default="", metavar="VERSION", help="Version; the newest by default.")
@click.option("--wait", is_flag=True, help="Follow the run to its end (the default).")
@click.option("--detach", is_flag=True, help="Start the run and return.")
@timeout_option("Stop waiting after this time (exit 5).")
@click.option("--name", "run_name", metavar="NAME", help="Name of the run, in place of a generated one.")
@cache_options
@scheduling_options
@inputs_file_option
@target_options
@output_option
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="NAME [INPUTS]...")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    kind: str | None,
    version: str,
    wait: bool,
    detach: bool,
    timeout: float | None,
    run_name: str | None,
    overwrite_cache: bool,
    no_cache: bool,
    priority: int | None,
    max_parallelism: int | None,
    inputs_file: str | None,
    words: tuple[str, ...],
    output: str,
    **target: str | None,
) -> int:
    """Run what is registered under NAME. Everything after NAME is an input."""
    from limosa.cli.launching import Flags, check_run_name, create_run, short_name, stay
    from limosa.cli.typed_command import read_arguments
    from limosa.remote import ClientTransfer
    from limosa_model.values import summarize

    if wait and detach:
        raise click.UsageError("--wait and --detach exclude each other", ctx)
    check_run_name(run_name)
    mode = cache_mode(overwrite_cache, no_cache)
    flags = Flags(detach, timeout, run_name, output, mode, priority or 0, max_parallelism or 0)
    name, *arguments = words
    with open_target(TargetFlags(**target)) as client:
        entity = find_entity(client, name, kind, version)
        description = description_of(entity)
        given = read_arguments(
            entity.interface,
            arguments,
            name=short_name(entity.id.name),
            description=description,
            usage=f"limosa launch {name}",
            inputs_file=inputs_file,
            fixed={
                key: summarize(value, 60) for key, value in entity.launch_plan.fixed_inputs.literals.items()
            },
        )
        transfer = ClientTransfer(client)
        try:
            inputs = given.literals(transfer)
            sandbox = client.info().sandbox
            run = create_run(client, entity.id, inputs, flags, sandbox=sandbox)
        finally:
            transfer.close()
        return stay(client, run, flags)


def find_entity(client: "Client", name: str, kind: str | None, version: str) -> "Entity":
    """The launch plan, workflow or task of a name, in this order unless a kind is given.

    A workflow with a launch plan of the same name is reached through the launch plan. Raises LimosaError.
    """
    from limosa.cli.entity_names import full_name
    from limosa.remote import RemoteError
    from limosa_idl.admin.v1alpha1 import admin_pb2

    words = (kind,) if kind else _KINDS
    kinds = [admin_pb2.EntityKind.Value(f"ENTITY_KIND_{word.replace('-', '_').upper()}") for word in words]
    for each in kinds:
        try:
            return client.get_entity(each, name, version)
        except RemoteError as error:
            if error.code != RemoteError.NOT_FOUND:
                raise
    whole = full_name(client, name, kinds)
    if whole != name:
        return find_entity(client, whole, kind, version)
    raise RemoteError(
        code=RemoteError.NOT_FOUND,
        message=f"{name} has no version {version}",
        place=client.target.describe(),
        remedy=f"limosa get {words[-1]}s {name} lists those there are",
    )


def description_of(entity: "Entity") -> str:
    """What the author wrote about an entity."""
    kind = entity.WhichOneof("spec")
    if kind == "workflow":
        found = (one.description for one in entity.workflow.workflows if one.name == entity.workflow.entry)
        return next(found, "")
    return entity.task.description or entity.launch_plan.description
