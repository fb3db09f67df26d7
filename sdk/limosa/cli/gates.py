"""Telling a gate something: which gate a person means, and what it waits for."""

from limosa.cli.nodes import made_graphs, node_path
from limosa.errors import LimosaError
from limosa.remote import Client
from limosa_idl.run.v1alpha1.run_pb2 import Signal
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
from limosa_model.graph import Index, inside, scope_nodes


def gate_of(client: Client, run: str, name: str) -> tuple[str, Node]:
    """Path and node of a gate, named by its path or as the tree shows it.

    Raises:
        LimosaError: The run has no such node, or it is no gate.
        RemoteError: The run is not there.
    """
    path = node_path(client, run, name, None)
    detail = client.get_run(run)
    made = made_graphs(detail)
    graph = Index(detail.closure)
    nodes, here = list(scope_nodes(graph.entry)), ""
    node = Node()
    for part in path.split("/"):
        node = next(candidate for candidate in nodes if candidate.id == part)
        here = f"{here}/{part}" if here else part
        graph, below = inside(graph, node, made.get(here))
        nodes = list(below)
    if node.WhichOneof("target") != "gate":
        kind = (node.WhichOneof("target") or "empty").replace("_", " ")
        message = f"{path} ({node.display_name}) is a {kind} node and takes no answer"
        raise LimosaError("NoGate", message, run, "name a node made by approve() or wait_for_input()")
    return path, node


def answer(client: Client, run: str, path: str, signal: Signal) -> str:
    """Sends what a gate is told; gives when it was told so before, empty where it was not. Raises RemoteError."""
    signal.node_path = path
    earlier = client.signal_run(run, signal)
    if earlier is None:
        return ""
    return f"by you at {earlier.at.ToDatetime():%Y-%m-%d %H:%M:%S} UTC already; nothing changed"
