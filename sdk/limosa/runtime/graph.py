"""A dynamic task's function: literals in, Python call, a graph out."""

from pathlib import Path
from typing import Any

from limosa.compiler import compile_generated
from limosa.errors import CorruptData
from limosa.origin import pin_loader
from limosa.runtime.call import python_inputs, raised
from limosa.runtime.made_code import settings_of
from limosa.runtime.outcome import LaunchFailed, Preempted
from limosa.runtime.transfer import LaunchTransfer
from limosa.types.offloaded import offload
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.generated import too_large
from limosa_model.pod_contract import PodEnvironment
from limosa_store import StoreError


def make_graph(
    task: Any, literals: LiteralMap, transfer: LaunchTransfer, code_root: Path, pod: PodEnvironment
) -> bytes:
    """Runs a dynamic task's function on its inputs; gives the graph it describes as a serialised Closure.

    Args:
        task: The author's dynamic task object.
        literals: Every input of its interface.
        transfer: Moves files and frames between the pod and the store.
        code_root: Where the code bundle lies, for tracebacks.
        pod: What the launch was told: the graph runs the same code, where nothing else is said in the same image.

    Raises:
        LaunchFailed: The inputs, the function or its graph are at fault.
        StoreError, CorruptData: The store is.
    """
    pin_loader(pod.loader)
    arguments = python_inputs(task, literals, transfer, code_root)
    settings = settings_of(pod)

    def stored(literal: Literal) -> Literal:
        return offload(literal, "value", transfer)

    try:
        made = task.generate(arguments, transfer, stored)
        _, data = compile_generated(made, task, settings)
    except (Preempted, StoreError, LaunchFailed, CorruptData):
        raise
    except BaseException as error:
        raise LaunchFailed(raised(error, code_root)) from error
    why = too_large(len(data))
    if why:
        raise LaunchFailed(failures.user(Code.GRAPH_TOO_LARGE, f"{task.name}: {why}"))
    return data
