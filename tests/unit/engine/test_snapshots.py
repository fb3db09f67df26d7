"""Times of attempts, which Kubernetes tells in whole seconds."""

import pytest

from limosa_engine import judge, snapshots
from limosa_engine.phases import NodePhase
from limosa_engine.pods import PodView
from limosa_engine.state import Launch, NodeRecord


class At:
    """As much of a turn as is asked for: its time."""

    def __init__(self, now: float) -> None:
        self.now = now


@pytest.mark.parametrize(
    ("made", "node_began", "pod_began", "pod_ended", "heard", "expected"),
    [
        pytest.param(10.2, 10.5, 10.0, 10.0, 10.7, (10.5, 10.7), id="within one second"),
        pytest.param(10.2, 10.5, 10.0, 11.0, 11.05, (10.5, 11.05), id="across two"),
        pytest.param(10.2, 30.0, 11.0, 20.0, 30.0, (11.0, 21.0), id="heard of long after"),
        pytest.param(40.7, 10.5, 41.0, 45.0, 45.3, (41.0, 45.3), id="a later attempt"),
        pytest.param(None, 10.5, 12.0, 13.0, 13.9, (12.0, 13.9), id="after a restart"),
    ],
)
def test_whole_seconds_make_an_attempt_neither_longer_than_its_node_nor_nothing(
    made: float | None,
    node_began: float,
    pod_began: float,
    pod_ended: float,
    heard: float,
    expected: tuple[float, float],
) -> None:
    view = PodView("uid", "Failed", started_at=pod_began, finished_at=pod_ended)
    launch = Launch(0, "id", made, view=view)
    record = NodeRecord(0, NodePhase.RUNNING, started_at=node_began)
    ended = judge._ended_at(At(heard), launch)  # type: ignore[arg-type]
    assert (snapshots._began(record, launch, pod_began), ended) == expected
