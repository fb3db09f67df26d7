"""How many pods a project-domain and the cluster may have that have not ended."""

from collections import Counter


class Capacity:
    """Counts live pods by namespace, those being created included."""

    def __init__(self, per_namespace: int, per_cluster: int) -> None:
        self._per_namespace, self._per_cluster = per_namespace, per_cluster
        self._live: dict[str, str] = {}
        self._by_namespace: Counter[str] = Counter()

    def add(self, namespace: str, pod: str) -> None:
        """Counts a pod; counting it twice is harmless."""
        key = f"{namespace}/{pod}"
        if key not in self._live:
            self._live[key] = namespace
            self._by_namespace[namespace] += 1

    def remove(self, namespace: str, pod: str) -> None:
        """Counts it no more."""
        if self._live.pop(f"{namespace}/{pod}", None) is not None:
            self._by_namespace[namespace] -= 1

    def __len__(self) -> int:
        return len(self._live)

    def shortage(self, namespace: str) -> str:
        """Why no further pod may be created now, for people; empty when one may."""
        if self._by_namespace[namespace] >= self._per_namespace:
            return f"{self._by_namespace[namespace]} pods of {namespace} have not ended; the limit is {self._per_namespace}"
        if len(self._live) >= self._per_cluster:
            return f"{len(self._live)} pods of the cluster have not ended; the limit is {self._per_cluster}"
        return ""
