"""`limosa watch`."""

import click

from limosa.cli.options import TargetFlags, output_option, target_options, timeout_option


@click.command()
@click.argument("run")
@timeout_option("Stop waiting after this time (exit 5).")
@target_options
@output_option
def command(run: str, timeout: float | None, output: str, **target: str | None) -> int:
    """Follow RUN to its end; then show its outputs, or its failure."""
    from limosa.cli.following import follow_to_end
    from limosa.cli.run_sources import open_platform

    with open_platform(TargetFlags(**target), run) as client:
        return follow_to_end(client, run, form=output, timeout=timeout)
