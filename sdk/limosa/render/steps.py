"""When it is worth a line how far a map is, where lines are all there is."""

LEAST_S = 3.0
"""Seconds between two such lines."""


class MapSteps:
    """How far the maps of one run were when a line told it."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self._told: dict[str, tuple[int, float]] = {}

    def is_due(self, path: str, done: int, items: int, now: float) -> bool:
        """Whether a map has come a tenth further since it was told, or seen first, and some seconds have passed; then it counts as told.

        Args:
            path: Of the map.
            done: Items that have ended.
            items: All of them, at least one.
            now: Seconds of any clock that only goes on.
        """
        tenth = 10 * done // items
        last, at = self._told.setdefault(path, (0, now))
        if tenth <= last or now - at < LEAST_S or done == items:
            return False
        self._told[path] = tenth, now
        return True
