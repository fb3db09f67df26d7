"""The in-pod runtime: what runs as `python -m limosa.runtime` in every launch.

Belongs here: one launch, from its environment to its commit: start check, code,
inputs, the author's function, data, commit or error record, termination message;
and the container's first process, which keeps its log and says how it ended when it
could not. Does not belong here: anything that decides about other launches
(the engine does), or that a client machine needs.

Importing it loads what every launch uses and nothing else, so that a pre-forked
interpreter may import it once for many launches: no threads, no connections.
"""

from limosa.runtime.container import main

__all__ = ["main"]
