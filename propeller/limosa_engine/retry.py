"""What follows a failure, as data."""

import dataclasses

from limosa_engine.settings import EngineSettings
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, Failure
from limosa_idl.task.v1alpha1.task_pb2 import RetryPolicy
from limosa_model.digests import sha256_hex


@dataclasses.dataclass(frozen=True)
class Budget:
    """How often a node item may fail, and how long it waits in between. Times are in seconds."""

    user: int = 0
    """Further attempts after failures of kind USER."""
    backoff: float = 0.0
    """Before the second attempt."""
    factor: float = 1.0
    """Each further wait is this many times the one before."""
    limit: float | None = None
    """Longest wait."""
    jitter: float = 0.0
    """Share of a wait, 0 to 1, by which it may be shortened."""
    grows: bool = False
    """Whether attempts after a failure for lack of memory get more."""


NO_BUDGET = Budget()


def budget_of(policy: RetryPolicy) -> Budget:
    """A task's policy."""
    limit = policy.backoff_limit
    return Budget(
        user=policy.retries,
        backoff=policy.backoff.seconds + policy.backoff.nanos / 1e9,
        factor=max(policy.backoff_factor, 1.0),
        limit=limit.seconds + limit.nanos / 1e9 if policy.HasField("backoff_limit") else None,
        jitter=min(max(policy.backoff_jitter, 0.0), 1.0),
        grows=policy.HasField("memory"),
    )


def next_attempt(
    failure: Failure,
    user_failures: int,
    system_failures: int,
    budget: Budget,
    settings: EngineSettings,
    chance: float = 0.0,
) -> float | None:
    """Seconds until the next attempt; None when there is none.

    Args:
        failure: The failure that was just counted.
        user_failures: Failures of kind USER so far, this one included.
        system_failures: Failures of kind SYSTEM so far, this one included.
        budget: Of the node.
        settings: Of the run.
        chance: From 0 to 1: how much of the jitter shortens this wait; see `chance_of`.
    """
    if not failure.retryable:
        return None
    if failure.kind == FAILURE_KIND_SYSTEM:
        if system_failures > settings.system_retries:
            return None
        return _platforms_wait(system_failures - 1, settings)
    return _wait(user_failures, budget, chance) if user_failures <= budget.user else None


def again_unstarted(before: int, settings: EngineSettings) -> float | None:
    """Seconds until the next attempt after one that never started; None once there were too many.

    Args:
        before: Launches of the item before this one that ended without being counted.
        settings: Of the run.
    """
    return _platforms_wait(before, settings) if before < settings.unstarted_relaunches else None


def chance_of(launch_id: str) -> float:
    """A number from 0 to 1 that looks random and is the same whenever the same launch fails."""
    return int(sha256_hex(launch_id.encode())[:8], 16) / 0xFFFFFFFF


def _platforms_wait(before: int, settings: EngineSettings) -> float:
    return float(min(settings.system_backoff * 2 ** min(before, 64), settings.system_backoff_limit))


def _wait(user_failures: int, budget: Budget, chance: float) -> float:
    # The exponent is capped: what it gives is far beyond any limit, and must stay a number.
    wait = budget.backoff * budget.factor ** min(user_failures - 1, 64)
    wait = min(wait, _LONGEST if budget.limit is None else budget.limit)
    return wait * (1 - budget.jitter * chance)


_LONGEST = 7 * 86_400.0
"""Seconds; growth without a limit of its own ends here."""
