"""A long tree in few lines: what matters is shown, the rest is counted."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence

from limosa.render.phases import NODE_WORDS
from limosa.render.run_view import Row
from limosa_idl.run.v1alpha1 import run_pb2 as pb

_NOT_RUN = "not run"
_ORDER = [*NODE_WORDS.values(), _NOT_RUN]
_WEIGHTS = {
    pb.NODE_PHASE_FAILED: 0,
    pb.NODE_PHASE_RUNNING: 1,
    pb.NODE_PHASE_RETRYING: 1,
    pb.NODE_PHASE_QUEUED: 1,
    pb.NODE_PHASE_ABORTED: 2,
}
"""Phases that stand out, the weightiest first."""


@dataclasses.dataclass(frozen=True)
class Fold:
    """One line in place of several rows."""

    depth: int
    counts: Mapping[str, int]
    """Rows by the word for their phase."""

    @property
    def text(self) -> str:
        """Writes "… 212 succeeded, 3 skipped"."""
        told = [f"{self.counts[word]} {word}" for word in _ORDER if word in self.counts]
        return "… " + ", ".join(told)


def fold(rows: Sequence[Row], most: int) -> list[Row | Fold]:
    """The tree in at most `most` lines: what failed or goes on, its ancestors and neighbours, and counts of the others.

    Args:
        rows: The whole tree, in order.
        most: Lines there is room for; below 3 they count as 3.
    """
    if len(rows) <= most:
        return list(rows)
    places = {row.path: i for i, row in enumerate(rows)}
    kept: set[int] = set()
    # What has no room any more is not looked for among thousands of rows.
    for i in itertools.islice(_by_weight(rows, places), 4 * most):
        more = kept | {i} | set(_ancestors(rows[i], places))
        if _lines(more, len(rows)) <= max(most, 3):
            kept = more
    return list(_folded(rows, sorted(kept)))


def never_began(row: Row) -> bool:
    """Whether the run ended before the node's turn came."""
    return row.phase == pb.NODE_PHASE_ABORTED and row.seconds is None


def _by_weight(rows: Sequence[Row], places: Mapping[str, int]) -> Iterator[int]:
    """What stands out, then the neighbours of that; where nothing does, both ends."""
    weighty = [i for i, row in enumerate(rows) if row.phase in _WEIGHTS and not never_began(row)]
    weighty.sort(key=lambda i: _WEIGHTS[rows[i].phase])
    yield from weighty or (0, len(rows) - 1)
    siblings: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        siblings.setdefault(_parent(row.path), []).append(i)
    order = {i: place for found in siblings.values() for place, i in enumerate(found)}
    for i in weighty:
        beside = siblings[_parent(rows[i].path)]
        for place in (order[i] - 1, order[i] + 1):
            if 0 <= place < len(beside):
                yield beside[place]


def _ancestors(row: Row, places: Mapping[str, int]) -> Iterator[int]:
    path = _parent(row.path)
    while path:
        yield places[path]
        path = _parent(path)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _lines(kept: set[int], count: int) -> int:
    """Lines that rows and the gaps between them take."""
    edges = [-1, *sorted(kept), count]
    return len(kept) + sum(after - before > 1 for before, after in itertools.pairwise(edges))


def _folded(rows: Sequence[Row], kept: Sequence[int]) -> Iterator[Row | Fold]:
    for before, after in itertools.pairwise([-1, *kept, len(rows)]):
        gap = rows[before + 1 : after]
        if len(gap) == 1:
            yield gap[0]
        elif gap:
            words = [_NOT_RUN if never_began(row) else NODE_WORDS.get(row.phase, "unknown") for row in gap]
            yield Fold(min(row.depth for row in gap), {word: words.count(word) for word in set(words)})
        if after < len(rows):
            yield rows[after]
