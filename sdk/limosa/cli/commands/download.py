"""`limosa download`."""

from pathlib import Path

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, open_target, target_options


@click.command()
@click.argument("run")
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--node", default="", metavar="PATH", help="Outputs of this node, in place of the run's.")
@click.option("--index", type=click.IntRange(min=0), metavar="N", help="Item of a map node.")
@target_options
def command(run: str, directory: Path | None, node: str, index: int | None, **target: str | None) -> int:
    """Fetch the files, directories and frames that RUN gave into DIRECTORY (./RUN by default).

    Their paths are written to standard output; other outputs go to outputs.json beside them.
    """
    from limosa.cli.console import say, write_result
    from limosa.cli.downloads import Downloads
    from limosa.remote import ClientTransfer

    with open_target(TargetFlags(**target)) as client:
        data = client.run_data(run, node, index)
        if not data.HasField("outputs"):
            say(data.note or "the outputs are not known yet")
            return ExitCode.USAGE
        place = directory or Path(run)
        transfer = ClientTransfer(client)
        try:
            downloads = Downloads(transfer, place)
            for path in downloads.fetch(data.outputs, data.interface.outputs):
                write_result(f"{path}\n")
        finally:
            transfer.close()
    return ExitCode.OK
