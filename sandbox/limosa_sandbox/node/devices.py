"""GPUs: which pod has which device."""

from __future__ import annotations


class Devices:
    """Hands out devices so that no two pods share one.

    Args:
        names: Device names.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._owner: dict[str, str] = {}

    @property
    def count(self) -> int:
        """Devices in all."""
        return len(self._names)

    def take(self, uid: str, count: int) -> tuple[str, ...] | None:
        """Give the lowest free devices to a pod; None when there are too few."""
        free = [name for name in self._names if name not in self._owner][:count]
        if len(free) < count:
            return None
        self.keep(uid, tuple(free))
        return tuple(free)

    def keep(self, uid: str, names: tuple[str, ...]) -> None:
        """Take note that a pod has these devices (after a restart)."""
        for name in names:
            self._owner[name] = uid

    def release(self, uid: str) -> None:
        """Take back what a pod has."""
        self._owner = {name: owner for name, owner in self._owner.items() if owner != uid}
