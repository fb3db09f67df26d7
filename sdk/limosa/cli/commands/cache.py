"""`limosa cache`."""

import itertools
from typing import TYPE_CHECKING

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, open_target, output_option, target_options

if TYPE_CHECKING:
    from limosa_idl.admin.v1alpha1.admin_pb2 import CacheEntry


@click.group()
def command() -> None:
    """List or forget results that later runs use in place of launches."""


@command.command(name="list")
@click.argument("task", required=False, default="")
@click.option(
    "--limit", type=click.IntRange(min=1), default=30, show_default=True, help="Most results shown."
)
@target_options
@output_option
def list_(task: str, limit: int, output: str, **target: str | None) -> int:
    """List cached results, newest first; of one TASK where it is named."""
    from limosa.cli.console import say, write_data
    from limosa.cli.entity_names import TASKS, full_name
    from limosa.cli.tables import age, moment, write_table
    from limosa.render.progress import now_utc

    with open_target(TargetFlags(**target)) as client:
        found = list(itertools.islice(client.list_cache(task), limit + 1))
        if task and not found:
            found = list(itertools.islice(client.list_cache(full_name(client, task, TASKS)), limit + 1))
    now = now_utc()
    rows = []
    for entry in found[:limit]:
        index = f"[{entry.index}]" if entry.HasField("index") else ""
        rows.append(
            {
                "key": entry.key if output != "text" else entry.key[:12],
                "task": entry.task,
                "version": entry.cache_version,
                "run": entry.run_name,
                "node": f"{entry.node_path}{index}",
                "hits": entry.hits,
                "age": age(entry.created_at, now),
                "created_at": moment(entry.created_at),
                "last_used_at": moment(entry.last_used_at),
            }
        )
    if output == "text":
        write_table(["key", "task", "version", "run", "node", "hits", "age"], rows)
    else:
        write_data([{name: value for name, value in row.items() if name != "age"} for row in rows], output)
    if len(found) > limit:
        say("there are more: raise --limit", "dim")
    return ExitCode.OK


@command.command()
@click.argument("task", required=False, default="")
@click.option("--version", "cache_version", default="", metavar="VERSION", help="Only of this cache version.")
@click.option("--key", default="", metavar="KEY", help="Only this key, as `limosa cache list` shows it.")
@target_options
def invalidate(task: str, cache_version: str, key: str, **target: str | None) -> int:
    """Forget cached results of TASK, or those that the options name: the next launch runs.

    What runs have taken from the cache already stays theirs.
    """
    from limosa.cli.console import say
    from limosa.cli.entity_names import TASKS, full_name

    if not (task or cache_version or key):
        raise click.UsageError("name a TASK, a --version or a --key")
    with open_target(TargetFlags(**target)) as client:
        if task and next(client.list_cache(task), None) is None:
            task = full_name(client, task, TASKS)
        keys = _whole(list(client.list_cache(task)), key) if 0 < len(key) < 64 else [key]
        count = sum(client.invalidate_cache(task, cache_version, each) for each in keys)
    results = "1 result" if count == 1 else f"{count} results"
    say(f"forgot {results}" if count else "there was nothing to forget; see `limosa cache list`")
    return ExitCode.OK


def _whole(entries: "list[CacheEntry]", start: str) -> list[str]:
    """The key that begins like this. Raises click.UsageError where there are several."""
    found = sorted({entry.key for entry in entries if entry.key.startswith(start)})
    if len(found) > 1:
        raise click.UsageError(f"{len(found)} keys begin with {start}: give more of it")
    return found
