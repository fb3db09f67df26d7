"""Settings of the engine."""

import dataclasses

from limosa_model.generated import MAX_DYNAMIC_DEPTH
from limosa_model.names import SECRET_WAIT_S
from limosa_model.state_size import STATE_LIMIT


@dataclasses.dataclass(frozen=True)
class EngineSettings:
    """Limits and delays of one run. Times are in seconds."""

    live_pods: int = 100
    """Most pods of the run that have not ended, checks before a first launch included."""
    system_retries: int = 3
    """Further attempts of a node item after failures of kind SYSTEM."""
    system_backoff: float = 1.0
    """Before the attempt that follows a SYSTEM failure; doubles with each, up to `system_backoff_limit`."""
    system_backoff_limit: float = 30.0
    unstarted_relaunches: int = 10
    """Launches of a node item that may be evicted before their container started without counting on any budget."""
    on_demand_attempts: int = 1
    """Of the attempts that `system_retries` allows, so many of the last ones run on capacity that stays."""
    interruptible: bool = False
    """Whether tasks that do not say may run on capacity that can be taken away."""
    default_memory: str = "512Mi"
    """Memory of tasks that ask for none: what their growth starts from."""
    most_memory: str = ""
    """What growth of memory reaches at most; empty: no limit but the task's."""
    image_pull_grace: float = 120.0
    """How long ImagePullBackOff is put up with; counted from the first failed pull of the launch."""
    config_error_grace: float = SECRET_WAIT_S
    """How long CreateContainerConfigError is put up with: a Secret may be on its way."""
    pending_timeout: float | None = None
    """How long a pod may wait for a node that takes it; None: for ever."""
    pod_gone_grace: float = 2.0
    """From the disappearance of a pod that had not ended to its judgement: its last writes may be under way."""
    ending_grace: float = 90.0
    """From the deletion of a running pod to the end of its launch, should the pod's end never be seen."""
    deletion_margin: float = 30.0
    """From the end of the grace of a pod that others delete to its judgement, should its end never be seen: its node may be lost."""
    timeout_margin: float = 60.0
    """From a launch's timeout, which the kubelet enforces, to its enforcement here, should the kubelet not answer."""
    rejected_backoff: float = 5.0
    """Before a pod is asked for again where the rejection names no time; doubles up to `rejected_backoff_limit`."""
    rejected_backoff_limit: float = 60.0
    refusal_grace: float = 300.0
    """How long pods are asked for again in a namespace that is being deleted, or that lacks the pods' service account."""
    store_backoff: float = 5.0
    """Before a failed read of the store is tried again."""
    cache_questions: int = 1000
    """Most questions to the cache that are out at a time."""
    cache_backoff: float = 0.5
    """Before a reservation that another has is asked for again; doubles with each time, up to `cache_backoff_limit`."""
    cache_backoff_limit: float = 5.0
    reservation_renewal: float = 10.0
    """Between renewals of a reservation; admin lets it go when none came for three times as long."""
    parking_delay: float = 60.0
    """A run that only waits parks where the next time of its own (a back-off, a deadline) is farther away."""
    value_cache_bytes: int = 16 * 1024 * 1024
    """Serialised size of the values kept in memory; others are read from their commits again."""
    value_bytes: int = 16 * 1024 * 1024
    """Most bytes, in the store and in memory, of a value that a condition, a computed node or a map needs, or a path leads into."""
    state_limit_bytes: int = STATE_LIMIT
    """Largest worst-case encoded state (as base64) with which a graph or a map's expansion is admitted."""
    graph_nodes: int = 20_000
    """Most nodes of a run and items of its maps together, the graphs of its dynamic nodes included."""
    graph_bytes: int = 8 * 1024 * 1024
    """Most bytes of all graphs of a run's dynamic nodes together: they are kept in memory and travel in snapshots."""
    dynamic_depth: int = MAX_DYNAMIC_DEPTH
    """Most dynamic nodes within each other."""
    story_length: int = 2000
    """Entries of a run's history kept for stories."""
    snapshots: bool = True
    """Whether Publish commands are wanted."""
