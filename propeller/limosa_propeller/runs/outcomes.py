"""How calls of eager nodes ended, written for whoever makes the same call again."""

from limosa_engine.commands import CommitCall
from limosa_engine.events import CallCommitted, Event
from limosa_idl.run.v1alpha1.run_pb2 import CallOutcome
from limosa_model import layout
from limosa_model.digests import serialize
from limosa_propeller.runs.opening import OpenedRun
from limosa_propeller.runs.reads import answer
from limosa_propeller.store_access import StoreAccess
from limosa_store.store import Store


async def commit_call(access: StoreAccess, run: OpenedRun, command: CommitCall) -> Event:
    """Writes the outcome unless there is one: the first is what attempts have gone on with."""
    key = layout.outcome_key(run.factory.prefix, command.item.node_path, command.call)
    outcome = CallOutcome(run_uid=run.spec.run_uid, outputs=command.outputs, failure=command.failure)
    outcome.at.GetCurrentTime()

    def work(store: Store) -> Event:
        store.put_if_absent(key, serialize(outcome))
        return CallCommitted(command.item, command.call)

    return await answer(access, command, work, key)
