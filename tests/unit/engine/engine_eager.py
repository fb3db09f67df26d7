"""What eager pods of the world do: the same calls on every attempt, each batch from what the ones before gave."""

import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import engine_graphs as graphs

from limosa_engine import commands as cmd

Batch = list[tuple[str, dict[str, Any]]]
"""Calls made at once: id, and the node that it becomes."""
Outcome = Callable[[str], int | None]
"""What a call came to; None: it failed."""


def batches(seed: int, path: str, value: int, outcome: Outcome) -> Iterator[tuple[Batch, int]]:
    """The calls of the eager task at a path, and the sum so far; the last batch has no calls.

    Args:
        seed: Of the whole run.
        path: The eager node's.
        value: The sum of its inputs.
        outcome: Asked about the calls of a batch when all of them are over.
    """
    rng = random.Random(zlib.crc32(f"eager/{seed}/{path}".encode()))
    number = 0
    for _ in range(rng.randint(1, 3)):
        calls: Batch = []
        for _ in range(rng.randint(1, 2)):
            nested = path.count("/") < 2 and rng.random() < 0.3
            kind, letter = ("eager", "e") if nested else ("task", rng.choice("tcs"))
            calls.append((f"e{number}", {kind: f"{letter}{rng.randint(0, 2)}", "with": {"x": value}}))
            number += 1
        yield calls, value
        value += sum(outcome(call) or 0 for call, _ in calls)
    yield [], value


def call_graph(call: str, node: dict[str, Any], tasks: dict[str, Any]) -> bytes:
    """The record's graph."""
    spec = {"tasks": tasks, "nodes": {call: node}, "outputs": {"o0": f"{call}.o0"}}
    return graphs.closure_of(spec).SerializeToString(deterministic=True)


class Calls:
    """Records of calls and their outcomes, as the store has them."""

    def __init__(self, seed: int, tasks: dict[str, Any]) -> None:
        self.seed, self.tasks = seed, tasks
        self.records: dict[tuple[str, str], bytes] = {}
        self.outcomes: dict[tuple[str, str], cmd.CommitCall] = {}

    def open(self, path: str, value: int) -> tuple[list[str], int]:
        """Goes as far as an attempt can: the calls that it waits for now, and the sum so far."""
        for calls, total in batches(self.seed, path, value, lambda call: self.value(path, call)):
            for call, node in calls:
                made = call_graph(call, node, self.tasks)
                assert self.records.setdefault((path, call), made) == made, "an attempt made another call"
            waits = [call for call, _ in calls if (path, call) not in self.outcomes]
            if waits or not calls:
                return waits, total
        raise AssertionError("the last batch has no calls")

    def value(self, path: str, call: str) -> int | None:
        """What a call came to."""
        outputs = self.outcomes[path, call].outputs
        return None if outputs is None else int(graphs.plain(outputs)["o0"])
