"""Kinds of nodes that compute: one file per kind, one row in the table below, and nothing else anywhere.

Belongs here: what such a kind takes and gives, and how; pure, as everybody who runs, checks or draws a graph asks it.
Does not belong here: kinds that wait, launch something or hold other nodes (`limosa_engine.nodes`).
"""

from limosa_model.computed import length
from limosa_model.computed.kind import ComputedKind

KINDS: dict[str, ComputedKind] = {
    "length": length.LENGTH,
}
"""By the name that an author calls (`from limosa.nodes import length`) and that `ComputedNode.kind` holds."""
