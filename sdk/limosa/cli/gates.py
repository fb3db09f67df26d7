"""Telling a gate something: which gate a person means, and what it waits for."""

from limosa.cli.nodes import node_of, target_words
from limosa.errors import LimosaError
from limosa.remote import Client
from limosa_idl.run.v1alpha1.run_pb2 import Signal
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node


def gate_of(client: Client, run: str, name: str) -> tuple[str, Node]:
    """Path and node of a gate, named by its path or as the tree shows it.

    Raises:
        LimosaError: The run has no such node, it is no gate, or several gates are called so.
        RemoteError: The run is not there.
    """
    detail = client.get_run(run)
    path, node = node_of(detail.closure, detail, name, _is_gate)
    if not _is_gate(node):
        kind = target_words(node)
        message = f"{path} ({node.display_name}) is a {kind} node and takes no answer"
        raise LimosaError("NoGate", message, run, "name a node made by approve() or wait_for_input()")
    return path, node


def _is_gate(node: Node) -> bool:
    return node.WhichOneof("target") == "gate"


def answer(client: Client, run: str, path: str, signal: Signal) -> str:
    """Sends what a gate is told; gives when it was told so before, empty where it was not. Raises RemoteError."""
    signal.node_path = path
    earlier = client.signal_run(run, signal)
    if earlier is None:
        return ""
    return f"by you at {earlier.at.ToDatetime():%Y-%m-%d %H:%M:%S} UTC already; nothing changed"
