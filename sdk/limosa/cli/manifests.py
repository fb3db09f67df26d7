"""A run as an object for `kubectl apply`, for clusters that no admin serves."""

from typing import TYPE_CHECKING, Any

from limosa.cli.console import write_data
from limosa.cli.exit_codes import ExitCode
from limosa.cli.options import open_client
from limosa.cli.submission import new_run_name, prepare, run_annotations, upload
from limosa.cli.typed_command import GivenInputs

if TYPE_CHECKING:
    from limosa.compiler import Compiled, LoadedModule
    from limosa.config import Settings
    from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap


def write_manifest(
    loaded: "LoadedModule",
    entity: Any,
    given: GivenInputs,
    settings: "Settings",
    name: str | None,
    output: str,
) -> int:
    """Uploads code and files, then writes the WorkflowRun to standard output; gives the exit status.

    Each object made from it is a run of its own; deleting it and applying it again runs anew.
    """
    from limosa.cli.launching import check_run_name, noted
    from limosa.remote import ClientTransfer
    from limosa_idl.run.v1alpha1.run_pb2 import RunSpec
    from limosa_model.digests import sha256_hex
    from limosa_model.manifest import to_local_manifest

    check_run_name(name)
    submission = prepare([loaded], [entity], settings, version=None, note=noted)
    try:
        with open_client(settings) as client:
            transfer = ClientTransfer(client)
            try:
                inputs = _complete(submission.compiled[0], given.literals(transfer))
                annotations = run_annotations(client.info().sandbox)
                upload(transfer, submission, noted)
            finally:
                transfer.close()
    finally:
        submission.bundle.discard()
    closure = submission.compiled[0].closure_bytes
    spec = RunSpec(
        name=name or new_run_name(),
        project=settings["project"],
        domain=settings["domain"],
        closure=closure,
        closure_digest=sha256_hex(closure),
        inputs=inputs,
        annotations=annotations,
    )
    write_data(to_local_manifest(spec), "json" if output == "json" else "yaml")
    return ExitCode.OK


def _complete(compiled: "Compiled", given: "LiteralMap") -> "LiteralMap":
    """All inputs of the workflow: what was given, a launch plan's, and defaults."""
    from limosa_model.interfaces import complete_inputs

    interface = next(w.interface for w in compiled.closure.workflows if w.name == compiled.closure.entry)
    plan = compiled.launch_plans[0] if compiled.launch_plans else None
    inputs, _ = complete_inputs(
        interface,
        given.literals,
        plan.default_inputs.literals if plan else None,
        plan.fixed_inputs.literals if plan else None,
    )
    return inputs
