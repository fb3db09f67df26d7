"""`limosa run`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from limosa.cli.options import (
    cache_mode,
    cache_options,
    inputs_file_option,
    output_option,
    resolve_settings,
    scheduling_options,
    target_options,
    timeout_option,
)

if TYPE_CHECKING:
    from limosa.cli.typed_command import GivenInputs
    from limosa.compiler import LoadedModule

_ANSWERS_ARE_LOCAL = "--answer is for runs here; on the platform: limosa approve, limosa signal"
_NO_CACHE_BY_HAND = "a WorkflowRun applied by hand uses no cache: leave out --overwrite-cache and --no-cache"


@click.command(
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.option("-m", "--module", metavar="MODULE", help="A module to take instead of FILE.")
@click.option("--remote", is_flag=True, help="Run on the platform, not here.")
@click.option("--wait", is_flag=True, help="Follow the run to its end (the default with --remote).")
@click.option("--detach", is_flag=True, help="With --remote: start the run and return.")
@timeout_option("With --remote: stop waiting after this time (exit 5).")
@click.option("--name", metavar="NAME", help="With --remote: name of the run, in place of a generated one.")
@click.option(
    "--manifest",
    is_flag=True,
    help="Upload the code and print a WorkflowRun for kubectl apply, instead of running.",
)
@click.option(
    "--copy",
    type=click.Choice(["imported", "all"]),
    help="Which files travel: those imported, or all that git does not ignore.",
)
@click.option("--include", multiple=True, metavar="GLOB", help="Further files that travel.")
@click.option("--image", metavar="IMAGE", help="Container image of tasks that name none.")
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="GATE=VALUE",
    help="Without --remote: what a gate is told (yes, no, or its value), instead of asking on the terminal.",
)
@cache_options
@scheduling_options
@inputs_file_option
@target_options
@output_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="FILE [NAME] [INPUTS]...")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    module: str | None,
    remote: bool,
    wait: bool,
    detach: bool,
    timeout: float | None,
    name: str | None,
    manifest: bool,
    copy: str | None,
    include: tuple[str, ...],
    image: str | None,
    answers: tuple[str, ...],
    overwrite_cache: bool,
    no_cache: bool,
    priority: int | None,
    max_parallelism: int | None,
    inputs_file: str | None,
    words: tuple[str, ...],
    output: str,
    **target: str | None,
) -> int:
    """Run a task, workflow or launch plan of FILE: here, or on the platform with --remote.

    Our options stand before FILE; everything after NAME is an input, such as --learning-rate 0.1.
    NAME may be left out where FILE has one workflow. Its inputs are shown by: limosa run FILE NAME --help
    """
    from limosa.cli.launching import Flags, run_remotely

    _refuse_conflicts(ctx)
    mode = cache_mode(overwrite_cache, no_cache)
    if here := not remote and not manifest:
        from limosa.local.printing import copying

        ctx.with_resource(copying())
    loaded, entity, given = _read(ctx, module, list(words), inputs_file)
    if here:
        from limosa.cli.local_runs import run_here
        from limosa.config import checked_project_file

        checked_project_file(Path(loaded.source_root))
        told = dict(answer.split("=", 1) for answer in answers)
        return run_here(loaded, entity, given, form=output, cache_mode=mode, answers=told)
    given_flags: dict[str, Any] = {**target, "copy": copy, "include": include, "container_image": image}
    settings = resolve_settings(given_flags, Path(loaded.source_root))
    if manifest:
        from limosa.cli.manifests import write_manifest

        return write_manifest(loaded, entity, given, settings, name, output)
    flags = Flags(detach, timeout, name, output, mode, priority or 0, max_parallelism or 0)
    return run_remotely(loaded, entity, given, settings, flags)


def _read(
    ctx: click.Context, module: str | None, rest: list[str], inputs_file: str | None
) -> "tuple[LoadedModule, Any, GivenInputs]":
    """The module, what of it is to run, and its inputs; ends the command where help is asked for and shown."""
    from limosa.cli.launching import read_inputs
    from limosa.cli.submission import choose
    from limosa.compiler import load_module

    source = module if module is not None else rest.pop(0)
    entity_name = rest.pop(0) if rest and not rest[0].startswith("-") else None
    loaded = load_module(source)
    if entity_name is None and rest and rest[0] in ("-h", "--help"):
        from limosa.cli.listing import is_ambiguous, write_entities

        if is_ambiguous(loaded):
            ctx.exit(write_entities(loaded, source))
    entity = choose(loaded, entity_name, source)
    words_before = ["limosa run", f"-m {module}" if module else source, entity_name or ""]
    return loaded, entity, read_inputs(entity, rest, " ".join(filter(None, words_before)), inputs_file)


def _refuse_conflicts(ctx: click.Context) -> None:
    """Raises a usage error for the first thing that is missing, or that other options exclude."""
    given = ctx.params
    remote, detach, manifest = given["remote"], given["detach"], given["manifest"]
    named = given["name"] and not manifest
    answers, cached = given["answers"], given["overwrite_cache"] or given["no_cache"]
    scheduled = given["priority"] is not None or given["max_parallelism"] is not None
    conflicts = {
        "name a FILE, or a module with -m": given["module"] is None and not given["words"],
        "--wait and --detach exclude each other": given["wait"] and detach,
        "--manifest runs nothing: leave out --remote and --detach": manifest and (remote or detach),
        "--detach, --timeout and --name need --remote": not remote
        and (detach or given["timeout"] is not None or named),
        "--priority and --max-parallelism need --remote": not remote and scheduled,
        _ANSWERS_ARE_LOCAL: answers and (remote or manifest),
        "--answer takes GATE=VALUE": not all("=" in answer for answer in answers),
        _NO_CACHE_BY_HAND: cached and manifest,
    }
    for message, is_there in conflicts.items():
        if is_there:
            raise click.UsageError(message, ctx)
