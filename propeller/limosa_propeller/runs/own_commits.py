"""Commits of nodes that launch nothing: what a gate was told, or what was computed, written as any node item's result is."""

from limosa_engine.commands import CommitNode
from limosa_engine.events import CommitRead, Event
from limosa_idl.run.v1alpha1.run_pb2 import Commit
from limosa_model import layout
from limosa_model.names import launch_id
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.reads import answer, committed
from limosa_propeller.store_access import StoreAccess
from limosa_store.store import Store


async def commit_node(access: StoreAccess, run: OpenedRun, command: CommitNode) -> Event:
    """Answers with the node's commit: this one, unless there was one."""
    path = command.item.node_path
    key = layout.commit_key(run.factory.prefix, path, None)

    def work(store: Store) -> Event:
        return CommitRead(command.item, *committed(store, run, key, _commit(run, command)))

    return await answer(access, command, work, key)


def _commit(run: OpenedRun, command: CommitNode) -> Commit:
    name = launch_id(run.spec.run_uid, command.item.node_path, None, run.epoch, 0)
    commit = Commit(run_uid=run.spec.run_uid, launch_id=name, epoch=run.epoch, inline=command.outputs)
    if command.signal is not None:
        commit.signal.CopyFrom(command.signal)
    commit.committed_at.GetCurrentTime()
    return commit
