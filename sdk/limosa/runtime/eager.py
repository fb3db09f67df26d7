"""An eager task's function: literals in, Python call, outputs out, and meanwhile calls that others carry out."""

from pathlib import Path
from typing import Any

from limosa.errors import CorruptData
from limosa.origin import pin_loader
from limosa.runtime.call import outputs_of, python_inputs, raised
from limosa.runtime.made_calls import MadeCalls
from limosa.runtime.made_code import settings_of
from limosa.runtime.outcome import LaunchFailed, Preempted
from limosa.runtime.recorded_calls import CallRecords
from limosa.runtime.transfer import LaunchTransfer
from limosa.types.offloaded import offload
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.pod_contract import PodEnvironment
from limosa_store import Store, StoreError


def run_eager(
    task: Any,
    literals: LiteralMap,
    transfer: LaunchTransfer,
    code_root: Path,
    pod: PodEnvironment,
    store: Store,
    prefix: str,
) -> LiteralMap:
    """Runs an eager task on its inputs; gives its outputs, their data durable, once all that it called has ended.

    Args:
        task: The author's task object.
        literals: Every input of its interface.
        transfer: Moves files and frames between the pod and the store.
        code_root: Where the code bundle lies, for tracebacks.
        pod: What the launch was told.
        store: Where calls are recorded.
        prefix: Key prefix of the run.

    Raises:
        LaunchFailed: The inputs, the function, what it called, or its result are at fault.
        StoreError, CorruptData: The store is.
    """
    if not pod.admin_endpoint:
        message = f"{task.name} is an eager task, and its pod was not told where admin is"
        raise LaunchFailed(failures.user(Code.EAGER_WITHOUT_ADMIN, message))
    pin_loader(pod.loader)
    arguments = python_inputs(task, literals, transfer, code_root)
    settings = settings_of(pod)

    def stored(literal: Literal) -> Literal:
        return offload(literal, "value", transfer)

    records = CallRecords(store, prefix, pod)
    with MadeCalls(task, records, settings, pod) as calls:
        try:
            result = task.perform(arguments, calls, transfer, stored)
        except (Preempted, StoreError, LaunchFailed, CorruptData):
            raise
        except BaseException as error:
            calls.check()
            raise LaunchFailed(raised(error, code_root)) from error
        calls.check()
        calls.check_complete()
    return outputs_of(task, result, transfer, code_root)
