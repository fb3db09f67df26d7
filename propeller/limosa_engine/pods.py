"""What the engine sees of a pod."""

from typing import NamedTuple

from limosa_idl.run.v1alpha1.run_pb2 import TerminationRecord


class PodView(NamedTuple):
    """The facts of a pod's status that decisions rest on. Times are Unix seconds; empty text means absent."""

    uid: str
    phase: str
    """One of "Pending", "Running", "Succeeded", "Failed" or "Unknown"."""
    reason: str = ""
    """`status.reason`: "Evicted", "DeadlineExceeded", "NodeLost", "NodeShutdown", …"""
    message: str = ""
    """`status.message`; for people."""
    disruption: str = ""
    """Reason of a true DisruptionTarget condition: "PreemptionByScheduler", "EvictionByEvictionAPI", …"""
    waiting_reason: str = ""
    """Why a container (init containers first) waits: "ImagePullBackOff", "CreateContainerConfigError", …"""
    waiting_message: str = ""
    exit_code: int | None = None
    """Of the task's container, once it terminated (-1 where the status gives none)."""
    author_exit_code: int | None = None
    """Of the author's own container of a raw container task, where it ended badly; else None."""
    terminated_reason: str = ""
    """Of the task's container: "OOMKilled", "Error", "Completed", "StartError", "ContainerCannotRun", …"""
    record: TerminationRecord | None = None
    """The decoded termination message; None where it is absent or malformed."""
    started_at: float | None = None
    """When the task's container started."""
    finished_at: float | None = None
    """When the task's container ended."""
    deleting: bool = False
    """Has a deletion timestamp."""
    deletion_grace: float = 0.0
    """Seconds that a pod which is being deleted has to end by itself."""
    cluster_node: str = ""
    """Where it was placed; empty before."""
    unschedulable: str = ""
    """Message of a false PodScheduled condition with reason Unschedulable."""

    @property
    def ended(self) -> bool:
        """No container of it runs or ever will."""
        return self.phase in ("Succeeded", "Failed")
