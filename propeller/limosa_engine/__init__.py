"""The workflow state machine: data in, data out.

Belongs here: every decision about a run (what is ready, what a pod's end means,
what is tried again, when a run is over), as `step(graph, state, events, now)`,
which changes the state it is given and returns commands. Does not belong here:
I/O, clocks, randomness, threads, Kubernetes objects, or anything that carries
commands out; the operator does that and answers with events.

Start reading at `step.py`; the vocabulary is `phases.py`, `events.py`, `commands.py`.
"""

from limosa_engine.codec import CodecError, decode, encode
from limosa_engine.graph import Graph, GraphError, Item
from limosa_engine.settings import EngineSettings
from limosa_engine.size import worst_case_size
from limosa_engine.state import State
from limosa_engine.step import new_state, step
from limosa_engine.story import InvalidTransition, story

__all__ = [
    "CodecError",
    "EngineSettings",
    "Graph",
    "GraphError",
    "InvalidTransition",
    "Item",
    "State",
    "decode",
    "encode",
    "new_state",
    "step",
    "story",
    "worst_case_size",
]
