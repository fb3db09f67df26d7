"""What an operator may say of a run: refused is what no run can be in, and what would be remembered for ever."""

from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp

from limosa_admin.request_errors import Reason, RequestError
from limosa_idl.run.v1alpha1.run_pb2 import LaunchPhase, NodePhase, RunPhase, Snapshot
from limosa_model.names import check_name

MOST_NUMBER = 2**62
"""Numbers of snapshots are below it: there is always a greater one that the database can hold."""
LAST_SECOND = 221_845_392_000
"""Times are before the year 9000: whoever shows one in a time zone may add hours to it."""
PATH_LENGTH = 2000
_STATE_OF_KEY = {(False, False): "run", (True, False): "node", (True, True): "launch"}
_PHASES = {
    "run": frozenset(RunPhase.values()),
    "node": frozenset(NodePhase.values()),
    "launch": frozenset(LaunchPhase.values()),
}


def check_snapshot(snapshot: Snapshot) -> None:
    """Raises RequestError, which names the place and what is wrong there."""
    key, found = snapshot.key, snapshot.WhichOneof("state")
    expected = _STATE_OF_KEY.get((bool(key.node_path), key.HasField("launch")))
    place = f"{key.run_uid or '(no run)'}/{key.node_path[:200] or '(run)'}"
    if not key.run_uid or expected is None or found is None or found != expected:
        raise RequestError(
            Reason.INVALID, f"snapshot of {place}: its state is '{found}', expected '{expected}'"
        )
    for wrong in _problems(snapshot, found):
        raise RequestError(Reason.INVALID, f"snapshot of {place}: {wrong}")


def _problems(snapshot: Snapshot, kind: str) -> Iterator[str]:
    path, state = snapshot.key.node_path, getattr(snapshot, kind)
    if snapshot.seq >= MOST_NUMBER:
        yield f"its number {snapshot.seq} is not below {MOST_NUMBER}"
    if len(path) > PATH_LENGTH or any(check_name("node", part) for part in path.split("/") if path):
        yield f"the node's path is not one: ids joined by '/', at most {PATH_LENGTH} characters"
    if state.phase not in _PHASES[kind]:
        yield f"there is no phase {state.phase}"
    for name, moment in _times(state):
        if not (0 <= moment.seconds < LAST_SECOND and 0 <= moment.nanos < 1_000_000_000):
            yield f"{name} is at {moment.seconds} s, no time between 1970 and the year 9000"


def _times(state: object, prefix: str = "") -> Iterator[tuple[str, Timestamp]]:
    for field, value in state.ListFields():  # type: ignore[attr-defined]
        if isinstance(value, Timestamp):
            yield prefix + field.name, value
        elif field.name == "reason":
            yield from _times(value, "reason.")
