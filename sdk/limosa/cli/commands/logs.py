"""`limosa logs`."""

from typing import TYPE_CHECKING

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, target_options

if TYPE_CHECKING:
    from limosa_idl.admin.v1alpha1.admin_pb2 import LogChunk


@click.command()
@click.argument("run")
@click.argument("node", required=False, default="")
@click.option("-f", "--follow", is_flag=True, help="Go on until the tasks end.")
@click.option("--index", type=click.IntRange(min=0), metavar="N", help="Item of a map node.")
@click.option(
    "--attempt", type=click.IntRange(min=1), metavar="N", help="Attempt, from 1; the latest by default."
)
@click.option(
    "--tail", type=click.IntRange(min=0), default=0, metavar="LINES", help="Only the last lines of each task."
)
@target_options
def command(
    run: str, node: str, follow: bool, index: int | None, attempt: int | None, tail: int, **target: str | None
) -> int:
    """Show what the tasks of RUN printed, or those of one NODE (its path or name, as the tree shows them)."""
    from limosa.cli.console import say, write_result
    from limosa.cli.nodes import check_attempt, node_path
    from limosa.cli.run_sources import open_runs

    launch = None if attempt is None else attempt - 1
    with open_runs(TargetFlags(**target), run) as source:
        node = node_path(source, run, node, index)
        if attempt is not None:
            check_attempt(source, run, node, index, attempt)
        chunks = source.logs(run, node_path=node, index=index, launch=launch, follow=follow, tail_lines=tail)
        empty = True
        try:
            for chunk in chunks:
                empty = False
                write_result(_prefixed(chunk) if not node else _prefixed_item(chunk, index))
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED
    if empty:
        say("nothing was printed", "dim")
    return ExitCode.OK


def _prefixed(chunk: "LogChunk") -> str:
    item = f"[{chunk.index}]" if chunk.HasField("index") else ""
    return _each_line(chunk.text, f"{chunk.node_path}{item} │ ")


def _prefixed_item(chunk: "LogChunk", index: int | None) -> str:
    if chunk.HasField("index") and index is None:
        return _each_line(chunk.text, f"[{chunk.index}] │ ")
    return chunk.text


def _each_line(text: str, prefix: str) -> str:
    return "".join(prefix + line for line in text.splitlines(keepends=True))
