"""`limosa download`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, target_options

if TYPE_CHECKING:
    from limosa.cli.run_sources import RunSource


@click.command()
@click.argument("run")
@click.argument("words", nargs=-1, metavar="[NODE] [DIRECTORY]")
@click.option("--node", default="", metavar="NODE", help="The node, where it is not named after RUN.")
@click.option("--index", type=click.IntRange(min=0), metavar="N", help="Item of a map node.")
@target_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run: str,
    words: tuple[str, ...],
    node: str,
    index: int | None,
    **target: str | None,
) -> int:
    """Fetch the files, directories and frames that RUN, or one NODE of it, gave into DIRECTORY.

    Without DIRECTORY they go to ./RUN, those of a node to ./RUN/NODE. Their paths are written to standard output; other
    outputs go to outputs.json beside them. One word after RUN is a node where the run has one of that path or name, else the
    directory; ./WORD is always the directory. Files that are there with other content are not overwritten.
    """
    from limosa.cli.console import say, write_result
    from limosa.cli.downloads import Downloads
    from limosa.cli.nodes import node_path
    from limosa.cli.run_sources import open_runs
    from limosa.cli.run_values import no_values

    if len(words) > 2:
        raise click.UsageError(f"'{words[2]}' is one word too many", ctx)
    if len(words) == 2 and node:
        raise click.UsageError("the node is named twice", ctx)
    with open_runs(TargetFlags(**target), run) as source:
        named, given = _read_words(source, run, words, node)
        path = node_path(source, run, named, index)
        place = given or Path(run, path, "" if index is None else str(index))
        data = source.run_data(run, path, index)
        if not data.HasField("outputs"):
            raise no_values(source, run, path, data, "outputs")
        item = "" if index is None else f"[{index}]"
        say(f"outputs of {f'node {path}{item} of ' if path else ''}{run} go to {place}", "dim")
        with source.transfer() as transfer:
            downloads = Downloads(transfer, place)
            for written in downloads.fetch(data.outputs, data.interface.outputs):
                write_result(f"{written}\n")
    return ExitCode.OK


def _read_words(source: "RunSource", run: str, words: tuple[str, ...], node: str) -> tuple[str, Path | None]:
    """The node as it was named, and the directory; None where none was."""
    from limosa.cli.nodes import is_node, refuse_node_like

    if len(words) == 2:
        return words[0], Path(words[1])
    if not words:
        return node, None
    word = words[0]
    if not node and is_node(source, run, word):
        return word, None
    if not node and not word.startswith((".", "/", "~")) and not Path(word).exists():
        refuse_node_like(source, run, word)
    return node, Path(word)
