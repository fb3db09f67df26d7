"""What the next (or the running) attempt of a node item is given: memory, and the kind of capacity it runs on."""

from limosa_engine.graph import NodePlan
from limosa_engine.settings import EngineSettings
from limosa_engine.state import ItemRecord
from limosa_model.memory import grown_memory


def memory_of(plan: NodePlan, item: ItemRecord, settings: EngineSettings) -> str:
    """Memory in place of what the task says, as it follows from the attempts that ran out of it; empty: as the task says."""
    if not item.shortages or not plan.budget.grows:
        return ""
    growth = plan.runs.retry.memory
    return grown_memory(first_memory(plan, settings), growth, item.shortages, settings.most_memory)


def memory_limit(plan: NodePlan, item: ItemRecord, settings: EngineSettings) -> str:
    """What an attempt may use at most; empty where nothing limits it."""
    return memory_of(plan, item, settings) or _first_limit(plan, settings)


def is_interruptible(plan: NodePlan, item: ItemRecord, settings: EngineSettings) -> bool:
    """Whether the attempt may run on capacity that can be taken away: the last ones that the platform's budget allows may not."""
    task = plan.runs
    wanted = task.interruptible if task.HasField("interruptible") else settings.interruptible
    failed = item.system_failures
    return wanted and (failed == 0 or failed + settings.on_demand_attempts <= settings.system_retries)


def first_memory(plan: NodePlan, settings: EngineSettings) -> str:
    """What growth starts from."""
    resources = plan.runs.resources
    return resources.limits.memory or resources.requests.memory or settings.default_memory


def _first_limit(plan: NodePlan, settings: EngineSettings) -> str:
    """As the pod gets it: a task that only requests memory has no limit."""
    resources = plan.runs.resources
    if resources.limits.memory or resources.requests.memory:
        return resources.limits.memory
    return settings.default_memory
