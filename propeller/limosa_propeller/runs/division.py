"""Which runs of a cluster are this process's, where several operators share them."""

import dataclasses
import math
from collections.abc import Mapping

from limosa_model import names


@dataclasses.dataclass(frozen=True)
class Division:
    """A cluster's runs, divided into shards by a hash of the run's uid.

    Runs and pods carry their shard as a label, so that the API server sends each operator its own only. An undivided
    cluster needs no labels.
    """

    shards: int = 1
    led: tuple[int, ...] = (0,)
    """Those that this process leads."""

    @property
    def is_divided(self) -> bool:
        """There is more than one shard."""
        return self.shards > 1

    @property
    def ours(self) -> str:
        """Label selector of what belongs to this process; empty where everything does."""
        return f"{names.LABEL_SHARD} in ({','.join(map(self._label, self.led))})" if self.is_divided else ""

    @property
    def unsorted(self) -> str:
        """Label selector of what carries no label of this division."""
        return f"{names.LABEL_SHARD} notin ({','.join(map(self._label, range(self.shards)))})"

    @property
    def sorts(self) -> bool:
        """Whether this process labels the runs that carry no label of this division: whoever leads the first shard does."""
        return self.is_divided and 0 in self.led

    def labels(self, run_uid: str) -> dict[str, str]:
        """What a run's object and pods carry; empty where there is one shard."""
        if not self.is_divided:
            return {}
        return {names.LABEL_SHARD: self._label(names.shard_of(run_uid, self.shards))}

    def has(self, run_uid: str, labels: Mapping[str, str]) -> bool:
        """Whether a run belongs to this process, and its object's labels say so."""
        return (
            names.shard_of(run_uid, self.shards) in self.led
            and self.labels(run_uid).items() <= labels.items()
        )

    def share(self, limit: int) -> int:
        """This process's part of a limit of the whole cluster."""
        return math.ceil(limit * len(self.led) / self.shards)

    def _label(self, shard: int) -> str:
        return names.shard_label(shard, self.shards)
