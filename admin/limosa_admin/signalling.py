"""Answering a gate: which node it is, whether the answer fits, and whether it is the first."""

from collections.abc import Iterable

import sqlalchemy as sa

from limosa_admin.request_errors import Reason, RequestError, not_found
from limosa_admin.store import entities, runs, signals, snapshots
from limosa_idl.run.v1alpha1.run_pb2 import NODE_PHASE_SUCCEEDED, Signal
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, Node
from limosa_model.gates import signal_problem
from limosa_model.graph import Index, inside, scope_nodes


def signal_gate(connection: sa.Connection, row: sa.RowMapping, signal: Signal) -> Signal | None:
    """Keeps a signal for the operator; gives the equal one that was kept before, if there is one. The row must be locked.

    Args:
        connection: An open transaction.
        row: The run.
        signal: What the gate is told, `by` and `at` set.

    Raises:
        RequestError: NOT_FOUND for a path that the run's graph lacks (so far), INVALID for a signal that does not fit,
            PRECONDITION when the gate, or the run, is over or was told something before.
    """
    name, path = row["name"], signal.node_path
    if row["phase"] in runs.TERMINAL or row["abort_requested"]:
        how = "is being aborted" if row["phase"] not in runs.TERMINAL else "has ended"
        remedy = f"`limosa resume {name}` goes on from it in a new run, whose gates do"
        message = f"run '{name}' {how}: its gates take no answers any more; {remedy}"
        raise RequestError(Reason.PRECONDITION, message)
    closure = Closure.FromString(entities.spec(connection, row["closure_digest"]))
    node = _locate(connection, row, closure, path)
    what = f"node '{path}' of run '{name}'"
    if node.WhichOneof("target") != "gate":
        kind = (node.WhichOneof("target") or "empty").replace("_", " ")
        raise RequestError(Reason.INVALID, f"{what} is a {kind} node, not a gate; {_gates(closure)}")
    why = signal_problem(node.gate, signal)
    if why:
        raise RequestError(Reason.INVALID, f"{what}: {why}")
    counts = signals.keep(connection, row["uid"], signal)
    if counts is not signal and not _same(counts, signal):
        raise RequestError(Reason.PRECONDITION, f"{what} was {_told(counts)} before; the first answer counts")
    state = snapshots.of_node(connection, row["uid"], path)
    if counts is signal and state is not None and state.phase >= NODE_PHASE_SUCCEEDED:
        raise RequestError(Reason.PRECONDITION, f"{what} is over; it takes no answers any more")
    return None if counts is signal else counts


def _locate(connection: sa.Connection, row: sa.RowMapping, closure: Closure, path: str) -> Node:
    index = Index(closure)
    nodes: Iterable[Node] = scope_nodes(index.entry)
    here, node = "", None
    for part in path.split("/"):
        if node is not None:
            index, nodes = inside(index, node, _made(connection, row["uid"], node, here, part))
        node = next((candidate for candidate in nodes if candidate.id == part), None)
        here = f"{here}/{part}" if here else part
        if node is None:
            raise not_found(f"node '{here}' of run '{row['name']}'", _gates(closure))
    if node is None:
        raise not_found(f"node '{path}' of run '{row['name']}'", _gates(closure))
    return node


def _made(connection: sa.Connection, run_uid: str, node: Node, path: str, child: str) -> Closure | None:
    """What a dynamic node runs, or what the call of an eager node does; None where it is not known."""
    if node.WhichOneof("target") == "eager":
        called = snapshots.of_node(connection, run_uid, f"{path}/{child}")
        return called.call if called is not None and called.HasField("call") else None
    state = snapshots.of_node(connection, run_uid, path)
    return state.graph if state is not None and state.HasField("graph") else None


def _gates(closure: Closure) -> str:
    """Which gates the entry has, for people."""
    nodes = scope_nodes(Index(closure).entry)
    gates = [node.id for node in nodes if node.WhichOneof("target") == "gate"]
    return f"its gates are {', '.join(gates[:20])}" if gates else "`limosa get run` shows the run's nodes"


def _same(one: Signal, other: Signal) -> bool:
    """The same person says the same again: an answer was lost on the way."""
    first, second = Signal(), Signal()
    first.CopyFrom(one)
    second.CopyFrom(other)
    first.ClearField("at")
    second.ClearField("at")
    return first == second


def _told(signal: Signal) -> str:
    what = "given a value"
    if signal.WhichOneof("kind") == "approved":
        what = "approved" if signal.approved else "rejected"
    return f"{what} by {signal.by} at {signal.at.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"
