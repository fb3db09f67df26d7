"""`limosa get`."""

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, open_target, output_option, target_options

if TYPE_CHECKING:
    from limosa.remote import Client
    from limosa_idl.admin.v1alpha1.admin_pb2 import Entity

_PHASES = ["queued", "running", "parked", "failing", "aborting", "succeeded", "failed", "aborted"]


@click.group()
def command() -> None:
    """List or show runs and what is registered."""


@command.command()
@click.option(
    "--phase",
    "phases",
    multiple=True,
    type=click.Choice(_PHASES),
    help="Only runs in this phase; may be repeated.",
)
@click.option(
    "--target", "entity", default="", metavar="NAME", help="Only runs of this workflow, task or launch plan."
)
@click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="Most runs shown.")
@click.option(
    "--local",
    is_flag=True,
    help="The runs kept on this machine: the last 20 of `limosa run` without --remote.",
)
@target_options
@output_option
def runs(
    phases: tuple[str, ...], entity: str, limit: int, local: bool, output: str, **target: str | None
) -> int:
    """List runs, newest first."""
    from limosa.cli.console import say, write_data
    from limosa.cli.entity_names import TARGETS, full_name
    from limosa.cli.run_facts import run_facts
    from limosa.cli.tables import age, write_table
    from limosa.local import KEPT_RUNS
    from limosa.render.progress import now_utc
    from limosa.render.run_view import RunView
    from limosa.render.tree import duration
    from limosa_idl.run.v1alpha1 import run_pb2

    wanted = [run_pb2.RunPhase.Value(f"RUN_PHASE_{phase.upper()}") for phase in phases]
    if local:
        from limosa.cli.run_sources import open_kept

        kept = (
            run
            for run in open_kept().runs()
            if (not wanted or run.state.phase in wanted)
            and entity in ("", run.target.name, run.target.name.rpartition(".")[2])
        )
        found = list(itertools.islice(kept, limit + 1))
    else:
        with open_target(TargetFlags(**target)) as client:
            found = list(itertools.islice(client.list_runs(phases=wanted, target=entity), limit + 1))
            if not (found or wanted or entity) and not _is_known(client):
                place = f"project '{client.target.project}', domain '{client.target.domain}'"
                say(f"nothing was ever registered in {place}", "yellow")
            if entity and not found:
                whole = full_name(client, entity, TARGETS)
                found = list(itertools.islice(client.list_runs(phases=wanted, target=whole), limit + 1))
    shown, now = found[:limit], now_utc()
    if output != "text":
        write_data([run_facts(run) for run in shown], output)
        return ExitCode.OK
    rows = []
    for run in shown:
        view = RunView()
        view.run.CopyFrom(run)
        seconds = view.seconds(now)
        took = "" if seconds is None else duration(seconds)
        rows.append({**run_facts(run), "age": age(run.created_at, now), "took": took})
    write_table(["name", "phase", "target", "nodes", "age", "took"], rows)
    if len(found) > limit:
        say("there are more: raise --limit", "dim")
    elif local and len(found) == KEPT_RUNS:
        say(f"older runs than the last {KEPT_RUNS} of a project are not kept on this machine", "dim")
    return ExitCode.OK


@command.command()
@click.argument("name", metavar="RUN")
@click.argument("node", required=False, default="")
@click.option("--index", type=click.IntRange(min=0), metavar="N", help="Item of a map node.")
@target_options
@output_option
def run(name: str, node: str, index: int | None, output: str, **target: str | None) -> int:
    """Show RUN: its tree, its failure, its values; or one NODE of it (its path or name, as the tree shows them)."""
    from limosa.cli.nodes import node_path
    from limosa.cli.run_pages import write_node, write_run
    from limosa.cli.run_sources import open_runs

    with open_runs(TargetFlags(**target), name) as source:
        path = node_path(source, name, node, index)
        if path:
            write_node(source, name, path, index, form=output)
        else:
            write_run(source, name, form=output)
    return ExitCode.OK


def _is_known(client: "Client") -> bool:
    """Whether anything is registered in the client's project and domain."""
    from limosa_idl.admin.v1alpha1 import admin_pb2

    kinds = (admin_pb2.ENTITY_KIND_WORKFLOW, admin_pb2.ENTITY_KIND_TASK)
    return any(next(iter(client.list_entities(kind, "")), None) for kind in kinds)


def _list_entities(kind: str, name: str, limit: int, output: str, target: dict[str, str | None]) -> int:
    from limosa.cli.console import say, write_data
    from limosa.cli.tables import age, write_table
    from limosa.render.progress import now_utc
    from limosa_idl.admin.v1alpha1 import admin_pb2

    with open_target(TargetFlags(**target)) as client:
        value = admin_pb2.EntityKind.Value(f"ENTITY_KIND_{kind}")
        entities = client.list_entities(value, name)
        found = list(itertools.islice(entities if name else _newest(entities), limit + 1))
    now = now_utc()
    rows = [{**_entity_facts(entity), "age": age(entity.created_at, now)} for entity in found[:limit]]
    if output == "text":
        write_table(["name", "version", "inputs", "age", "created_by"], rows)
    else:
        write_data([{k: v for k, v in row.items() if k != "age"} for row in rows], output)
    if len(found) > limit:
        say("there are more: raise --limit", "dim")
    return ExitCode.OK


def _newest(entities: Iterable["Entity"]) -> Iterator["Entity"]:
    """Of entities, newest first, the first of each name."""
    seen = set()
    for entity in entities:
        if entity.id.name not in seen:
            seen.add(entity.id.name)
            yield entity


def _entity_facts(entity: "Entity") -> dict[str, Any]:
    from limosa.cli.tables import moment
    from limosa_model.types import describe

    inputs = [f"{one.name}: {describe(one.type)}" for one in entity.interface.inputs]
    return {
        "name": entity.id.name,
        "version": entity.id.version,
        "inputs": ", ".join(inputs),
        "digest": entity.digest,
        "created_at": moment(entity.created_at),
        "created_by": entity.created_by,
    }


def _lister(kind: str, words: str) -> click.Command:
    @click.argument("name", required=False, default="")
    @click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Most shown.")
    @target_options
    @output_option
    def listed(name: str, limit: int, output: str, **target: str | None) -> int:
        return _list_entities(kind, name, limit, output, target)

    return click.command(help=f"List {words} in their newest version; all versions of one with NAME.")(listed)


command.add_command(_lister("WORKFLOW", "workflows"), "workflows")
command.add_command(_lister("TASK", "tasks"), "tasks")
command.add_command(_lister("LAUNCH_PLAN", "launch plans"), "launch-plans")
