"""Signs and words for the phases of runs, nodes and launches."""

from rich.text import Text

from limosa_idl.run.v1alpha1 import run_pb2 as pb

_MARKS = {
    pb.NODE_PHASE_WAITING: ("·", "dim"),
    pb.NODE_PHASE_QUEUED: ("○", "yellow"),
    pb.NODE_PHASE_RUNNING: ("●", "cyan"),
    pb.NODE_PHASE_RETRYING: ("↻", "yellow"),
    pb.NODE_PHASE_SUCCEEDED: ("✓", "green"),
    pb.NODE_PHASE_FAILED: ("✗", "bold red"),
    pb.NODE_PHASE_SKIPPED: ("–", "dim"),
    pb.NODE_PHASE_ABORTED: ("■", "magenta"),
}
RUN_WORDS = {
    pb.RUN_PHASE_QUEUED: ("queued", "yellow"),
    pb.RUN_PHASE_RUNNING: ("running", "cyan"),
    pb.RUN_PHASE_FAILING: ("failing", "red"),
    pb.RUN_PHASE_ABORTING: ("aborting", "magenta"),
    pb.RUN_PHASE_SUCCEEDED: ("succeeded", "green"),
    pb.RUN_PHASE_FAILED: ("failed", "bold red"),
    pb.RUN_PHASE_ABORTED: ("aborted", "magenta"),
    pb.RUN_PHASE_PARKED: ("parked", "yellow"),
}
NODE_WORDS = {
    pb.NODE_PHASE_FAILED: "failed",
    pb.NODE_PHASE_RUNNING: "running",
    pb.NODE_PHASE_RETRYING: "retrying",
    pb.NODE_PHASE_QUEUED: "queued",
    pb.NODE_PHASE_SUCCEEDED: "succeeded",
    pb.NODE_PHASE_SKIPPED: "skipped",
    pb.NODE_PHASE_WAITING: "waiting",
    pb.NODE_PHASE_ABORTED: "aborted",
}
"""The ones that matter most to a person first."""
LAUNCH_WORDS = {
    pb.LAUNCH_PHASE_CREATING: ("creating", "yellow"),
    pb.LAUNCH_PHASE_PENDING: ("pending", "yellow"),
    pb.LAUNCH_PHASE_RUNNING: ("running", "cyan"),
    pb.LAUNCH_PHASE_SUCCEEDED: ("succeeded", "green"),
    pb.LAUNCH_PHASE_FAILED: ("failed", "red"),
    pb.LAUNCH_PHASE_ABORTED: ("aborted", "magenta"),
    pb.LAUNCH_PHASE_SUPERSEDED: ("superseded", "dim"),
}


def mark(phase: "pb.NodePhase.ValueType") -> Text:
    """The sign of a node's phase."""
    sign, style = _MARKS.get(phase, ("?", ""))
    return Text(sign, style)
