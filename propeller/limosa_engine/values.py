"""Values in memory: a bounded cache, and who waits for which value."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping

from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap

Inputs = Mapping[str, Literal]
OutputsKey = tuple[int, int]
"""(node number, item position; -1 for the whole node): the outputs, as a LiteralMap."""
Key = OutputsKey | str
"""Outputs, or the URI of an offloaded literal."""
Value = LiteralMap | Literal


class Values:
    """A cache of values bounded by their serialised size, and the values that nodes wait for.

    A value that arrived for a waiting node is held, whatever its size, until that node has used it.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._size = 0
        self._cache: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._held: dict[Key, Value] = {}
        self._waiters: dict[Key, list[int]] = {}
        self._missing: dict[int, int] = {}
        self._holds: dict[int, list[Key]] = {}
        self._broken: dict[int, Failure] = {}
        self.retries: deque[tuple[float, Key, str]] = deque()
        """Reads to be tried again: (when, key, digest), in order of time."""

    def get(self, key: Key) -> Value | None:
        """The value, if it is in memory."""
        held = self._held.get(key)
        if held is not None:
            return held
        entry = self._cache.get(key)
        if entry is None:
            return None
        self._cache.move_to_end(key)
        return entry[0]

    def put(self, key: Key, value: Value) -> None:
        """Remembers a value; the least recently used ones make room."""
        size = value.ByteSize() + 64
        self.drop(key)
        self._cache[key] = (value, size)
        self._size += size
        while self._size > self._limit and len(self._cache) > 1:
            _, (_, freed) = self._cache.popitem(last=False)
            self._size -= freed

    def drop(self, key: Key) -> None:
        """Forgets a value."""
        entry = self._cache.pop(key, None)
        if entry is not None:
            self._size -= entry[1]

    def want(self, key: Key, waiter: int) -> bool:
        """Notes that a node waits for a value. True when nobody did before: it has to be read."""
        waiters = self._waiters.setdefault(key, [])
        if waiter not in waiters:
            waiters.append(waiter)
            self._missing[waiter] = self._missing.get(waiter, 0) + 1
        return len(waiters) == 1

    def is_wanted(self, key: Key) -> bool:
        """Whether a node waits for the value."""
        return key in self._waiters

    @property
    def is_reading(self) -> bool:
        """Whether any value is still to come."""
        return bool(self._waiters)

    def is_waiting(self, waiter: int) -> bool:
        """Whether values are still to come for a node."""
        return self._missing.get(waiter, 0) > 0

    def arrive(self, key: Key, value: Value) -> list[int]:
        """A value came. Gives the nodes that now have all they waited for."""
        waiters = self._waiters.pop(key, None)
        if waiters is None:
            self.put(key, value)
            return []
        self._held[key] = value
        for waiter in waiters:
            self._holds.setdefault(waiter, []).append(key)
        return self._arrived(waiters)

    def fail(self, key: Key, failure: Failure) -> list[int]:
        """A value cannot be read. Gives the nodes whose waiting is over."""
        waiters = self._waiters.pop(key, [])
        for waiter in waiters:
            # Each its own: the node that fails with it writes its place into it.
            self._broken[waiter] = own = Failure()
            own.CopyFrom(failure)
        return self._arrived(waiters)

    def broken(self, waiter: int) -> Failure | None:
        """Why a value that a node waited for cannot be read."""
        return self._broken.get(waiter)

    def release(self, waiter: int) -> None:
        """A node has what it needs, or needs nothing any more: what it held becomes ordinary cache."""
        self._broken.pop(waiter, None)
        for key in self._holds.pop(waiter, ()):
            value = self._held.pop(key, None)
            if value is not None:
                self.put(key, value)
        if self._missing.pop(waiter, 0):
            for key in [key for key, waiters in self._waiters.items() if waiter in waiters]:
                self._waiters[key].remove(waiter)
                if not self._waiters[key]:
                    del self._waiters[key]

    def _arrived(self, waiters: Iterable[int]) -> list[int]:
        complete = []
        for waiter in waiters:
            left = self._missing.get(waiter, 0) - 1
            if left > 0:
                self._missing[waiter] = left
            else:
                self._missing.pop(waiter, None)
                complete.append(waiter)
        return complete
