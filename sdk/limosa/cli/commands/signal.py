"""`limosa signal`."""

import click

from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import TargetFlags, open_target, target_options


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("run")
@click.argument("node")
@click.argument("value")
@target_options
def command(run: str, node: str, value: str, **target: str | None) -> int:
    """Give the gate NODE of RUN the VALUE that it waits for.

    VALUE is written as an input of `limosa run` is; a list, dict or record is JSON, or @FILE with it.
    The first answer counts.
    """
    from limosa.cli.console import say
    from limosa.cli.gates import answer, gate_of
    from limosa.cli.input_values import InputValues
    from limosa.errors import LimosaError
    from limosa.remote.transfer import ClientTransfer
    from limosa_idl.run.v1alpha1.run_pb2 import Signal

    with open_target(TargetFlags(**target)) as client:
        path, gate = gate_of(client, run, node)
        if not gate.gate.HasField("wait_for_input"):
            kind, remedy = "waits for an approval", f"limosa approve {run} {path} [--reject]"
            if gate.gate.HasField("sleep"):
                kind, remedy = "sleeps", "it ends by itself"
            raise LimosaError("NoValue", f"{path} ({gate.display_name}) {kind}, not for a value", run, remedy)
        transfer = ClientTransfer(client)
        try:
            place = f"the value for {path} ({gate.display_name})"
            made = InputValues(transfer).from_text(value, gate.gate.wait_for_input.type, place)
        finally:
            transfer.close()
        before = answer(client, run, path, Signal(value=made))
    what = f"{path} ({gate.display_name}) of {run}"
    say(
        f"{what} was given that value {before}"
        if before
        else f"gave {what} its value; see it go on with `limosa watch {run}`"
    )
    return ExitCode.OK
