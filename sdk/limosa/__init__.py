"""Limosa: write Python functions, get a workflow of pods.

Belongs here: what an author imports: `task`, `workflow` and what stands beside
them. Does not belong here: anything that loads before it is needed; names are
looked up on first use, so that importing the package costs next to nothing.
"""

from typing import TYPE_CHECKING

from limosa.version import VERSION as __version__

if TYPE_CHECKING:
    from limosa.conditional import conditional as conditional
    from limosa.errors import LimosaError as LimosaError
    from limosa.launch_plan import LaunchPlan as LaunchPlan
    from limosa.map_task import map_task as map_task
    from limosa.options import Secret as Secret
    from limosa.promise import chain as chain
    from limosa.promise import is_none as is_none
    from limosa.resources import Resources as Resources
    from limosa.signature import Sensitive as Sensitive
    from limosa.task import task as task
    from limosa.types.directory import Directory as Directory
    from limosa.types.file import File as File
    from limosa.workflow import workflow as workflow

_HOMES = {
    "Directory": "limosa.types.directory",
    "File": "limosa.types.file",
    "LaunchPlan": "limosa.launch_plan",
    "LimosaError": "limosa.errors",
    "Resources": "limosa.resources",
    "Secret": "limosa.options",
    "Sensitive": "limosa.signature",
    "chain": "limosa.promise",
    "conditional": "limosa.conditional",
    "is_none": "limosa.promise",
    "map_task": "limosa.map_task",
    "task": "limosa.task",
    "workflow": "limosa.workflow",
}

__all__ = [*_HOMES, "__version__"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'limosa' has no attribute '{name}'")
    from importlib import import_module

    found: object = getattr(import_module(home), name)
    # Importing limosa.task sets the attribute `task` to the module; the author means the decorator.
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
