"""`limosa explain`."""

from typing import TYPE_CHECKING

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, target_options

if TYPE_CHECKING:
    from limosa.cli.run_sources import RunSource
    from limosa_idl.admin.v1alpha1.admin_pb2 import RunDetail


@click.command()
@click.argument("run")
@click.argument("node", required=False, default="")
@click.option("--index", type=click.IntRange(min=0), metavar="N", help="Item of a map node.")
@target_options
def command(run: str, node: str, index: int | None, **target: str | None) -> int:
    """Say why RUN, or one NODE of it, is in its state, since when, and what comes next."""
    from limosa.cli.console import write_result
    from limosa.cli.nodes import node_path
    from limosa.cli.run_sources import open_runs
    from limosa.render.explanation import explain_node, explain_run
    from limosa.render.progress import now_utc

    with open_runs(TargetFlags(**target), run) as source:
        path = node_path(source, run, node, index)
        detail = source.get_run(run)
        reuse = _reuse(source, detail, path, index) if path else ""
        flags = source.selection
    text = explain_node(detail, path, index, now_utc()) if path else explain_run(detail, now_utc(), flags)
    write_result(text + (f"\n  {reuse}\n" if reuse else "\n"))
    return ExitCode.OK


def _reuse(source: "RunSource", detail: "RunDetail", path: str, index: int | None) -> str:
    """Of a resumed run: why a node was launched or not."""
    from limosa.remote import RemoteError
    from limosa.render.reuse import why_reused_or_not

    earlier = None
    if detail.run.resumed_from:
        try:
            earlier = source.get_run(detail.run.resumed_from)
        except RemoteError as error:
            if error.code != RemoteError.NOT_FOUND:
                raise
    return why_reused_or_not(detail, earlier, path, index)
