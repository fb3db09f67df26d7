"""`limosa resume`."""

from typing import Any

import click

from limosa.cli.options import output_option, target_options, timeout_option


class _Resume(click.Command):
    """A command that says of an option it lacks that inputs are not given to it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            close = f" (did you mean {error.possibilities[0]}?)" if error.possibilities else ""
            message = (
                f"there is no option {error.option_name}{close}; the new run takes RUN's inputs. "
                f"For a run with other inputs: limosa run --remote FILE {error.option_name} …"
            )
            raise click.UsageError(message, ctx) from error


@click.command(cls=_Resume)
@click.argument("run")
@click.argument("file", required=False)
@click.option(
    "--from",
    "from_nodes",
    multiple=True,
    metavar="NODE",
    help="Run this node again, and all that depends on it; may be given several times.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be reused, and why.")
@click.option("--detach", is_flag=True, help="Start the run and return.")
@timeout_option("Stop waiting after this time (exit 5).")
@click.option("--name", metavar="NAME", help="Name of the new run, in place of a generated one.")
@click.option(
    "--copy",
    type=click.Choice(["imported", "all"]),
    help="With FILE: which files travel, those imported, or all that git does not ignore.",
)
@click.option("--include", multiple=True, metavar="GLOB", help="With FILE: further files that travel.")
@click.option("--image", metavar="IMAGE", help="With FILE: container image of tasks that name none.")
@target_options
@output_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    run: str,
    file: str | None,
    from_nodes: tuple[str, ...],
    dry_run: bool,
    detach: bool,
    timeout: float | None,
    name: str | None,
    copy: str | None,
    include: tuple[str, ...],
    image: str | None,
    output: str,
    **target: str | None,
) -> int:
    """Go on from RUN, which has ended: as it was, or with the code of FILE as it is now.

    Results of RUN are reused where a node has the same place, task and inputs; what failed, is new or depends on such
    a node runs. The new run takes RUN's inputs.
    """
    from limosa.cli.launching import Flags, check_run_name
    from limosa.cli.options import TargetFlags
    from limosa.cli.resumption import Resume, resume
    from limosa_idl.run.v1alpha1.run_pb2 import CACHE_MODE_UNSPECIFIED

    if dry_run and (detach or timeout is not None or name):
        raise click.UsageError("--dry-run starts nothing: leave out --detach, --timeout and --name", ctx)
    packing: dict[str, Any] = {"copy": copy, "include": include, "container_image": image}
    if file is None and any(packing.values()):
        raise click.UsageError("--copy, --include and --image are about FILE: name it", ctx)
    check_run_name(name)
    flags = Flags(detach, timeout, name, output, CACHE_MODE_UNSPECIFIED)
    return resume(Resume(run, from_nodes, dry_run, file, packing), flags, TargetFlags(**target))
