"""Results of the run that this one resumes: taken over where they are the task's on the same inputs, with all their data."""

from collections.abc import Mapping

from google.protobuf.message import DecodeError

from limosa_engine.commands import ReuseCommit
from limosa_engine.events import Event
from limosa_engine.graph import Item
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.run.v1alpha1.run_pb2 import ORIGIN_REUSE, Commit
from limosa_idl.task.v1alpha1.task_pb2 import TaskSpec
from limosa_model import layout
from limosa_model.types import conforms
from limosa_propeller.runs import borrowing, made_graphs, reads
from limosa_propeller.runs.bounded import CorruptError
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.services import Services
from limosa_store.store import Store


async def reuse_commit(services: Services, namespace: str, run: OpenedRun, command: ReuseCommit) -> Event:
    """Answers with the item's commit, which may be the earlier run's, taken over now."""
    item = command.item
    plan = run.graph.nodes[run.graph.by_path[item.node_path]]

    def instead(store: Store) -> Commit | None:
        commit = _earlier(store, run, item)
        if commit is None or (commit.input_digest, commit.task) != (command.input_digest, command.task):
            return None
        if plan.makes_graph != (commit.WhichOneof("graph") is not None) or not _fits(commit, plan.runs):
            return None
        if not (borrowing.is_whole(store, commit) and made_graphs.may_run(store, run, commit, item)):
            return None
        return borrowing.taken_over(run, commit, ORIGIN_REUSE, run.spec.reuse.run_name)

    if plan.makes_graph:
        return await made_graphs.read_commit(services, namespace, run, command, instead)
    return await reads.read_commit(services.store, run, command, instead=instead)


def joined_before(store: Store, run: OpenedRun, item: Item) -> Mapping[str, Literal]:
    """The outputs of a map as the earlier run joined them: where they are the same, what follows has the same inputs."""
    commit = _earlier(store, run, item) if run.spec.HasField("reuse") else None
    return {} if commit is None or not borrowing.is_whole(store, commit) else commit.inline.literals


def _earlier(store: Store, run: OpenedRun, item: Item) -> Commit | None:
    """The commit of the earlier run; None where it has none that can be read. Raises StoreError."""
    key = layout.commit_key(run.spec.reuse.run_prefix, item.node_path, item.index)
    try:
        return borrowing.commit_of_other(store, run, key)
    except (CorruptError, DecodeError):
        return None


def _fits(commit: Commit, task: TaskSpec) -> bool:
    """Whether the outputs, as far as they stand in the commit, are what the task gives."""
    if commit.WhichOneof("outputs") != "inline":
        return True
    found = commit.inline.literals
    wanted = task.interface.outputs
    return all(one.name in found and conforms(found[one.name], one.type) is None for one in wanted)
