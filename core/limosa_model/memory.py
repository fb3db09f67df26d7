"""How much memory an attempt gets after others ran out of it."""

from limosa_idl.task.v1alpha1.task_pb2 import MemoryGrowth
from limosa_model.quantity import parse_quantity

_MEBI = 2**20


def grown_memory(first: str, growth: MemoryGrowth, shortages: int, most: str = "") -> str:
    """Memory of the attempt after so many that ended for lack of it; request and limit alike.

    Args:
        first: Memory limit of the first attempt, in Kubernetes notation.
        growth: As the task says.
        shortages: Attempts so far that were killed for lack of memory.
        most: What growth reaches at most by the platform's policy; empty: no limit.

    Returns:
        A quantity, never below `first`.
    """
    if not shortages:
        return first
    if growth.steps:
        return _capped(growth.steps[min(shortages, len(growth.steps)) - 1], first, most)
    if growth.factor <= 1:
        return first
    wanted = float(parse_quantity(first)) * growth.factor ** min(shortages, 64)
    return _capped(_mebibytes(wanted), first, growth.limit, most)


def _capped(wanted: str, first: str, *limits: str) -> str:
    for limit in limits:
        if limit and parse_quantity(wanted) > parse_quantity(limit):
            wanted = limit
    return first if parse_quantity(wanted) <= parse_quantity(first) else wanted


def _mebibytes(size: float) -> str:
    """Whole Mi, or Gi where that is exact."""
    mebi = max(round(size / _MEBI), 1)
    return f"{mebi // 1024}Gi" if mebi % 1024 == 0 else f"{mebi}Mi"
