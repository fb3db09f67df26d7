"""How many pods a project-domain and the cluster may have that have not ended, and which run may have the next one."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

KEPT_SECONDS = 5.0
"""A run that was refused room is counted as waiting for so long; it asks again well within it."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """Most pods that have not ended.

    Attributes:
        per_namespace: Of one project-domain.
        per_cluster: Of all together.
        unschedulable_per_run: Of one run that no node has room for: further ones would only wait beside them.
        unschedulable: The same of all runs together.
    """

    per_namespace: int
    per_cluster: int
    unschedulable_per_run: int = 20
    unschedulable: int = 200


class _Pod(NamedTuple):
    namespace: str
    run: str
    waits: bool
    """No node has room for it."""
    depth: int
    """Of an eager node; 0 for all others."""


class Capacity:
    """Counts live pods by namespace and run, those being created included.

    Pods of eager nodes wait for others, so they take no room that these would need: of each depth there may be half as many as
    of all others together, and none is made while a run of its project-domain that has some waits for a node with room.

    Where room is short, runs share it evenly: what becomes free is kept for the waiting runs that have the fewest pods.
    Runs are told apart by the uid of their object.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._live: dict[str, _Pod] = {}
        self._by_namespace: Counter[tuple[str, int]] = Counter()
        self._by_depth: Counter[int] = Counter()
        self._by_run: Counter[str] = Counter()
        self._eager_by_run: Counter[tuple[str, str]] = Counter()
        """By namespace and run."""
        self._unschedulable: Counter[str] = Counter()
        """By run; "" for all."""
        self._waiting: dict[str, tuple[str, float]] = {}
        """Runs that were refused room lately: their namespace, and until when they count."""

    def add(self, namespace: str, pod: str, run: str, *, unschedulable: bool = False, depth: int = 0) -> None:
        """Counts a pod as it is now; counting it twice is harmless."""
        key = f"{namespace}/{pod}"
        seen = _Pod(namespace, run, unschedulable, depth)
        if self._live.get(key) != seen:
            self.remove(namespace, pod)
            self._live[key] = seen
            self._count(seen, 1)

    def remove(self, namespace: str, pod: str) -> None:
        """Counts it no more."""
        known = self._live.pop(f"{namespace}/{pod}", None)
        if known is not None:
            self._count(known, -1)

    def __len__(self) -> int:
        return len(self._live)

    def shortage(self, namespace: str, run: str, depth: int = 0) -> str:
        """Why a run may have no further pod now, for people; empty when it may, for which it waits no longer.

        Args:
            namespace: Of the pod.
            run: uid of the run's object.
            depth: Of an eager node; 0 for all others.
        """
        if depth:
            return self._no_room_to_wait(namespace, depth)
        why = self._no_node(run) or self._none_left(namespace, run)
        if why:
            self._waiting[run] = namespace, self._clock() + KEPT_SECONDS
        else:
            self._waiting.pop(run, None)
        return why

    def _no_room_to_wait(self, namespace: str, depth: int) -> str:
        """Why an eager node may have no pod."""
        if any(place == namespace and self._unschedulable[run] for place, run in self._eager_by_run):
            return "what eager tasks called waits for a node with room; further eager tasks, which would take more of it, begin later"
        limits = self._limits
        for whose, count, most in (
            (f"of {namespace}", self._by_namespace[namespace, depth], limits.per_namespace),
            ("of the cluster", self._by_depth[depth], limits.per_cluster),
        ):
            if count >= max(1, most // 2):
                return f"{count} eager tasks {whose} at this depth have not ended; the limit is {max(1, most // 2)}"
        return ""

    def _no_node(self, run: str) -> str:
        limits = self._limits
        for whose, count, most in (
            ("of this run", self._unschedulable[run], limits.unschedulable_per_run),
            ("of all runs", self._unschedulable[""], limits.unschedulable),
        ):
            if count >= most:
                return (
                    f"no node has room for {count} pods {whose}; further ones are made when that has changed"
                )
        return ""

    def _none_left(self, namespace: str, run: str) -> str:
        limits = self._limits
        for whose, count, most, rivals in (
            (f"of {namespace}", self._by_namespace[namespace, 0], limits.per_namespace, namespace),
            ("of the cluster", self._by_depth[0], limits.per_cluster, ""),
        ):
            if count >= most:
                return f"{count} pods {whose} have not ended; the limit is {most}"
            # Nearly always there is room for everybody, and nobody waits.
            if self._waiting and most - count <= self._poorer(run, rivals):
                return f"{count} pods {whose} have not ended; the rest of {most} is for runs that have fewer than this one"
        return ""

    def _poorer(self, run: str, namespace: str) -> int:
        """Waiting runs with fewer pods; of one namespace, or empty: of all."""
        now, own = self._clock(), self._by_run[run]
        for other in [other for other, (_, until) in self._waiting.items() if until < now]:
            del self._waiting[other]
        return sum(
            self._by_run[other] < own
            for other, (place, _) in self._waiting.items()
            if other != run and (not namespace or place == namespace)
        )

    def _count(self, pod: _Pod, by: int) -> None:
        self._by_namespace[pod.namespace, pod.depth] += by
        self._by_depth[pod.depth] += by
        if pod.depth:
            self._eager_by_run[pod.namespace, pod.run] += by
            if not self._eager_by_run[pod.namespace, pod.run]:
                del self._eager_by_run[pod.namespace, pod.run]
        else:
            self._by_run[pod.run] += by
            if not self._by_run[pod.run]:
                del self._by_run[pod.run]
        if pod.waits:
            for whose in (pod.run, ""):
                self._unschedulable[whose] += by
                if not self._unschedulable[whose]:
                    del self._unschedulable[whose]
