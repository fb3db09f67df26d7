"""Running tasks and workflows on this machine, as plain Python with a pod's literals.

Belongs here: walking a graph node by node, moving bytes below a local directory,
keeping the last runs in the store's layout. Does not belong here: isolation, limits
on resources or time, and parallelism: those are what a cluster is for.
"""

from limosa.local.cache import LocalCache
from limosa.local.calls import call_task, call_workflow
from limosa.local.history import KEPT_RUNS, RunRecord
from limosa.local.kept import RUNS, KeptRuns
from limosa.local.limits import unenforced
from limosa.local.progress import NodeProgress
from limosa.local.runs import KeptFiles, LocalRun, run
from limosa.local.transfer import LocalTransfer

__all__ = [
    "KEPT_RUNS",
    "RUNS",
    "KeptFiles",
    "KeptRuns",
    "LocalCache",
    "LocalRun",
    "LocalTransfer",
    "NodeProgress",
    "RunRecord",
    "call_task",
    "call_workflow",
    "run",
    "unenforced",
]
