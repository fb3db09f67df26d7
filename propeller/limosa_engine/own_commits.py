"""Nodes that launch nothing and have a commit all the same: it is decided here, written by the operator, and read back.

Of two commits the first one written counts, in every cluster and after every restart.
"""

import dataclasses
from collections.abc import Callable

from limosa_engine import scopes
from limosa_engine.commands import CommitNode, ReadCommit
from limosa_engine.graph import NodePlan
from limosa_engine.phases import NODE_TERMINAL, NodePhase
from limosa_engine.state import Asking, NodeRecord, OwnCommit
from limosa_engine.turn import Turn
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Commit, Signal
from limosa_model.failures import Code


@dataclasses.dataclass(frozen=True)
class Decider:
    """What a kind of such nodes does with what it is told."""

    concluded: Callable[[Turn, NodePlan, NodeRecord, Commit], None]
    """There is a commit: it ends the node, whoever wrote it."""
    absent: Callable[[Turn, NodePlan, NodeRecord, Asking], None] | None = None
    """There is none, to kinds that ask."""
    signalled: Callable[[Turn, NodePlan, NodeRecord, Signal], None] | None = None
    """A person or a program says something, perhaps before the node's turn; None: nobody is listened to."""
    tell_again: Callable[[Turn, NodePlan, Failure], None] | None = None
    """After a restart: what the state does not say of a failure."""
    failure_of: Callable[[NodePlan, Commit], Failure] | None = None
    """What a commit stands for where it was read to tell of a failure again."""


def is_due(turn: Turn, own: OwnCommit) -> bool:
    """Whether nothing is asked of the store, and nothing put off."""
    return own.asking is Asking.NOTHING and (own.again_at is None or turn.now >= own.again_at)


def ask(turn: Turn, plan: NodePlan, own: OwnCommit, why: Asking) -> None:
    """Has the commit read."""
    own.asking, own.unread, own.again_at = why, False, None
    turn.state.own_asked.add(plan.number)
    turn.emit(ReadCommit(plan.item))


def write(
    turn: Turn,
    plan: NodePlan,
    own: OwnCommit,
    outputs: LiteralMap,
    signal: Signal | None = None,
    *,
    rests_on_state: bool = False,
) -> None:
    """Has the commit written; which one counts is read back.

    Args:
        turn: The step.
        plan: The node.
        own: What is known of its commit.
        outputs: What the node gives.
        signal: What it was told, if anything, the value left out.
        rests_on_state: The decision follows from what only the state knows.
    """
    own.asking, own.again_at = Asking.COMMITTED, None
    turn.state.own_asked.add(plan.number)
    turn.emit(CommitNode(plan.item, outputs, signal, rests_on_state))


def commit_read(turn: Turn, number: int, commit: Commit | None, decider: Decider) -> None:
    """The commit was asked for, or written."""
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    asking = _answered(turn, number)
    if asking is None:
        return
    if record.ending is not None:
        turn.mark(number)
    elif commit is not None:
        decider.concluded(turn, plan, record, commit)
    elif decider.absent is not None:
        decider.absent(turn, plan, record, asking)


def store_failed(turn: Turn, number: int, failure: Failure) -> None:
    """The commit could not be read or written: that is tried again, or it never will be."""
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    asking = _answered(turn, number)
    if asking is None:
        return
    own = turn.state.own_commits[number]
    if record.ending is not None:
        turn.mark(number)
    elif failure.retryable:
        own.unread = asking is Asking.BEFORE
        own.again_at = turn.now + turn.settings.store_backoff
        record.waiting = turn.waiting(record.waiting, Code.STORE, failure.message, own.again_at)
        turn.state.timers.add(own.again_at, number)
        turn.touched_nodes[number] = None
    else:
        failure.origin.node_path = plan.path
        scopes.finish_node(turn, plan, record, NodePhase.FAILED, failure)


def succeed(turn: Turn, plan: NodePlan, record: NodeRecord, commit: Commit) -> None:
    """The node ends with what its commit gives."""
    turn.state.values.put((plan.number, 0), commit.inline)
    scopes.finish_node(turn, plan, record, NodePhase.SUCCEEDED)


def _answered(turn: Turn, number: int) -> Asking | None:
    """What the store has answered; None where the node did not ask, or is over."""
    own = turn.state.own_commits.get(number)
    if own is None or own.asking is Asking.NOTHING:
        return None
    asking, own.asking = own.asking, Asking.NOTHING
    turn.state.own_asked.discard(number)
    return None if turn.state.nodes[number].phase in NODE_TERMINAL else asking
