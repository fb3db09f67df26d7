"""Reading objects that authors' code wrote: never more of one than the operator has room for, whatever a commit says of its size."""

from google.protobuf.message import Message

from limosa_model.decoded_size import decoded_size
from limosa_model.generated import MAX_GRAPH_BYTES
from limosa_model.large_values import too_large
from limosa_store.store import Store

COMMIT_BYTES = 2 * 1024 * 1024
"""Most of a commit: its outputs are 64 KB at most, and so is a graph that stands in it."""
OUTPUTS_BYTES = 16 * 1024 * 1024
"""Most of a node item's outputs together where they lie beside the commit; each one above 32 KB lies by itself."""
ERROR_BYTES = 1024 * 1024
"""Most of an error record."""
GRAPH_MEMORY = 8 * MAX_GRAPH_BYTES
"""Most memory of a graph: nodes are many small messages."""
CALL_BYTES = 64 * 1024
"""Most of a call's record, its graph left out."""


class CorruptError(Exception):
    """Stored bytes are not what they should be; the message names the object."""


class DeletedError(CorruptError):
    """An object went with the run that made it; the message names both."""


class TooLargeError(CorruptError):
    """An object is larger than what may be read of it; `size` is what it has."""

    def __init__(self, message: str, size: int) -> None:
        super().__init__(message)
        self.size = size


def get(store: Store, key: str, most: int, message: type[Message] | None = None) -> bytes:
    """What lies at a key.

    Args:
        store: Where.
        key: Of the object.
        most: Most bytes of it.
        message: What it is decoded as; that takes at most as much memory.

    Raises:
        StoreError: The store gave no answer, or there is no such object.
        TooLargeError: It is larger.
    """
    data = store.get(key, limit=most + 1)
    if len(data) > most:
        known = store.head(key)
        size = known.size if known else len(data)
        raise TooLargeError(too_large(store.uri(key), size, most), size)
    if message is not None and decoded_size(message, data, most) > most:
        raise TooLargeError(too_large(store.uri(key), len(data), most, decoded=True), len(data))
    return data
