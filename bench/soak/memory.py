"""Memory of the long-lived processes over each of their lives, and whether it is flat."""

import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psutil
from platform_rig.sandbox import Sandbox

EVERY_S = 2.0
WARM_UP_S = 60.0
"""Of each life: not looked at, since caches fill and lazily imported modules come."""
SHORTEST_S = 120.0
"""A life, less its warm-up, that says something."""
GROWTH_LIMIT = 1.15
PARTS = {"operator": "operator", "admin": "admin", "API server": "cluster"}
"""By the name in the table: the part's in the sandbox's state."""


@dataclass(frozen=True)
class Sample:
    """One look at one process.

    Attributes:
        at_s: Seconds since the life's first sample.
        mib: Resident memory.
        live: Runs under way.
    """

    at_s: float
    mib: float
    live: int


@dataclass(frozen=True)
class Life:
    """A process from start to end.

    Attributes:
        part: As the table calls it.
        samples: After its warm-up.
    """

    part: str
    samples: Sequence[Sample]

    @property
    def seconds(self) -> float:
        """How long it was looked at."""
        return self.samples[-1].at_s - self.samples[0].at_s if self.samples else 0.0

    @property
    def thirds(self) -> tuple[float, float]:
        """Median memory in its first and its last third, MiB."""
        return self._median(0, lambda sample: sample.mib), self._median(2, lambda sample: sample.mib)

    @property
    def live(self) -> tuple[float, float]:
        """Median number of runs under way in the same thirds."""
        return self._median(0, lambda sample: sample.live), self._median(2, lambda sample: sample.live)

    @property
    def growth(self) -> float:
        """The last third's median by the first's."""
        first, last = self.thirds
        return last / first

    @property
    def slope(self) -> float:
        """MiB per minute, by least squares."""
        at, mib = [sample.at_s for sample in self.samples], [sample.mib for sample in self.samples]
        return statistics.linear_regression(at, mib).slope * 60

    def _median(self, third: int, value: Callable[[Sample], float]) -> float:
        begin = self.samples[0].at_s + third * self.seconds / 3
        chosen = [value(s) for s in self.samples if begin <= s.at_s <= begin + self.seconds / 3]
        return statistics.median(chosen)


@dataclass
class Sampler:
    """Looks every few seconds, in a thread of its own."""

    sandbox: Sandbox
    live: Callable[[], int]
    _found: dict[tuple[str, int], list[Sample]] = field(default_factory=lambda: defaultdict(list))
    _began: dict[tuple[str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="memory")

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def finish(self) -> None:
        """Looks no more."""
        self._stop.set()
        self._thread.join()

    def lives(self) -> list[Life]:
        """Those that lasted long enough to say something, the longest of each part first."""
        lives = [
            Life(part, [sample for sample in samples if sample.at_s >= WARM_UP_S])
            for (part, _), samples in self._found.items()
        ]
        told = [life for life in lives if life.seconds >= SHORTEST_S]
        return sorted(told, key=lambda life: (list(PARTS).index(life.part), -life.seconds))

    def highest(self, part: str) -> float:
        """Most memory that any life of a part held, MiB; 0 where none was seen."""
        return max(
            (s.mib for (name, _), seen in self._found.items() if name == part for s in seen), default=0.0
        )

    def _work(self) -> None:
        while not self._stop.wait(EVERY_S):
            live = self.live()
            for part, name in PARTS.items():
                self._look(part, self.sandbox.pid(name), live)

    def _look(self, part: str, pid: int, live: int) -> None:
        if not pid:
            return
        try:
            mib = psutil.Process(pid).memory_info().rss / 2**20
        except psutil.Error:
            return
        now = time.monotonic()
        at = now - self._began.setdefault((part, pid), now)
        self._found[part, pid].append(Sample(at, mib, live))
