"""How many items of a run, or of a map, there was room for since a pod was refused for want of it."""

import math


class Room:
    """Whether another item may be launched.

    Were every refused item tried by itself, a map larger than the cluster would ask for all of its pods again and again. So
    after a refusal as many may hold a slot as do; after a while one more is tried, and each pod that is made permits another.
    """

    def __init__(self) -> None:
        self._most = math.inf
        self._again_at = math.inf

    def has(self, live: int, now: float) -> bool:
        """Whether an item may be launched beside `live` others."""
        if live < self._most:
            return True
        if now < self._again_at:
            return False
        self._most, self._again_at = live + 1, math.inf
        return True

    def refused(self, live: int, again_at: float) -> None:
        """There was room for no more than `live`; one more may be tried at `again_at`."""
        self._most, self._again_at = live, again_at

    def made(self, live: int) -> None:
        """A pod was made, so that `live` items hold a slot."""
        self._most = max(self._most, live + 1)
