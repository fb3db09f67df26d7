"""What eager pods of the crash world do: records of calls in the store, outcomes that the operator wrote there."""

from typing import Any

import engine_graphs as graphs
from engine_eager import batches, call_graph
from memory_store import MemoryStore

from limosa_idl.run.v1alpha1.run_pb2 import CallOutcome, EagerCall
from limosa_model.digests import serialize
from limosa_model.layout import call_key, outcome_key

TOKEN_KEY = b"key"
"""What tokens of attempts are made with; nobody reads them here."""


class EagerPods:
    """Every attempt makes the same calls, each batch from what the ones before gave; it outlives every operator."""

    def __init__(
        self, store: MemoryStore, prefix: str, run_uid: str, seed: int, tasks: dict[str, Any]
    ) -> None:
        self._store, self._prefix, self._run_uid = store, prefix, run_uid
        self._seed, self._tasks = seed, tasks
        self._asked: dict[tuple[str, str], None] = {}

    def open(self, path: str, value: int) -> tuple[bool, int]:
        """Goes as far as an attempt can: whether it waits for calls now, and the sum so far."""
        for calls, total in batches(self._seed, path, value, lambda call: self._value(path, call)):
            for call, node in calls:
                graph = call_graph(call, node, self._tasks)
                made = serialize(EagerCall(run_uid=self._run_uid, call=call, graph=graph))
                key = call_key(self._prefix, path, call)
                assert self._store.put_if_absent(key, made) or self._store.get(key) == made
                self._asked[path, call] = None
            if not calls or any(self._outcome(path, call) is None for call, _ in calls):
                return bool(calls), total
        raise AssertionError("the last batch has no calls")

    def told(self) -> list[str]:
        """Paths of calls that attempts wait for, as admin tells of them until they are over."""
        return [f"{path}/{call}" for path, call in self._asked if self._outcome(path, call) is None]

    def _outcome(self, path: str, call: str) -> CallOutcome | None:
        data = self._store.objects.get(outcome_key(self._prefix, path, call))
        return None if data is None else CallOutcome.FromString(data)

    def _value(self, path: str, call: str) -> int | None:
        found = self._outcome(path, call)
        if found is None or found.HasField("failure"):
            return None
        return int(graphs.plain(found.outputs)["o0"])
