"""`limosa approve`."""

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, open_target, target_options


@click.command()
@click.argument("run")
@click.argument("node")
@click.option("--reject", is_flag=True, help="Say no: the gate fails.")
@target_options
def command(run: str, node: str, reject: bool, **target: str | None) -> int:
    """Let RUN pass the gate NODE (its path, or its name), or with --reject not. The first answer counts."""
    from limosa.cli.console import say
    from limosa.cli.gates import answer, gate_of
    from limosa.errors import LimosaError
    from limosa.render.remedies import gate_remedy
    from limosa_idl.run.v1alpha1.run_pb2 import Signal

    with open_target(TargetFlags(**target)) as client:
        path, gate = gate_of(client, run, node)
        if not gate.gate.HasField("approval"):
            kind, remedy = "waits for a value", gate_remedy(run, path, gate)
            if gate.gate.HasField("sleep"):
                kind, remedy = "sleeps", "it ends by itself"
            message = f"{path} ({gate.display_name}) {kind}, not for an approval"
            raise LimosaError("NoApproval", message, run, remedy)
        before = answer(client, run, path, Signal(approved=not reject))
    said, what = "rejected" if reject else "approved", f"{path} ({gate.display_name}) of {run}"
    say(f"{what} was {said} {before}" if before else f"{said} {what}; see it go on with `limosa watch {run}`")
    return ExitCode.OK
