"""What follows a failure, as data."""

import dataclasses

from limosa_engine.settings import EngineSettings
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, Failure


@dataclasses.dataclass(frozen=True)
class Budget:
    """How often a node item may fail."""

    user: int
    """Further attempts after failures of kind USER."""
    backoff: float
    """Seconds before such an attempt."""


def next_attempt(
    failure: Failure, user_failures: int, system_failures: int, budget: Budget, settings: EngineSettings
) -> float | None:
    """Seconds until the next attempt; None when there is none.

    Args:
        failure: The failure that was just counted.
        user_failures: Failures of kind USER so far, this one included.
        system_failures: Failures of kind SYSTEM so far, this one included.
        budget: Of the node.
        settings: Of the run.
    """
    if not failure.retryable:
        return None
    if failure.kind == FAILURE_KIND_SYSTEM:
        if system_failures > settings.system_retries:
            return None
        return float(min(settings.system_backoff * 2 ** (system_failures - 1), settings.system_backoff_limit))
    return budget.backoff if user_failures <= budget.user else None
