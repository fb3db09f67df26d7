"""Loading an author's module, as a pod will."""

import contextlib
import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, NamedTuple

from limosa.author_errors import described, suggestion, where_raised
from limosa.errors import LimosaError
from limosa.origin import module_name, source_root


class LoadedModule(NamedTuple):
    """A module and what of ours it defines.

    Attributes:
        module: The module, imported under its name from the source root.
        source_root: The folder that module names and bundles start from.
        entities: Tasks, workflows and launch plans defined in it, by attribute name, in order of definition.
    """

    module: ModuleType
    source_root: str
    entities: dict[str, Any]


def load_module(target: str) -> LoadedModule:
    """Imports a file ("flows/train.py") or a module ("flows.train").

    Args:
        target: A path that ends in .py or exists, else a dotted name importable from the working directory.

    Raises:
        LimosaError: There is no such file or module, or importing it failed; the cause is the author's exception.
    """
    if target.endswith(".py") or os.path.exists(target):
        path = os.path.abspath(target)
        if os.path.isdir(path):
            raise LimosaError("Load", f"{target} is a folder", remedy="name a .py file")
        if not os.path.isfile(path):
            raise LimosaError("Load", f"there is no file {target}", remedy=_nearby(path))
        root = source_root(path)
        name = module_name(path, root)
        if not all(part.isidentifier() for part in name.split(".")):
            message = f"{target} cannot be imported: '{name}' is no module name"
            raise LimosaError("Load", message, remedy="use letters, digits and '_' in file and folder names")
        _forget_older_bytecode(path)
    else:
        name, root = target, source_root(os.getcwd() + os.sep)
    module = _import(name, root, target)
    return LoadedModule(module, root, entities_of(module))


def _forget_older_bytecode(path: str) -> None:
    """Removes bytecode written before the source was.

    Python compares whole seconds and sizes: an edit that keeps the size, within a second of the last run, would not count.
    """
    bytecode = importlib.util.cache_from_source(path)
    with contextlib.suppress(OSError):
        if os.stat(bytecode).st_mtime_ns < os.stat(path).st_mtime_ns:
            os.remove(bytecode)


def entities_of(module: ModuleType) -> dict[str, Any]:
    """Tasks, workflows and launch plans that a module defines itself, by attribute name.

    Raises:
        LimosaError: Two launch plans have one name.
    """
    from limosa.launch_plans import LaunchPlan
    from limosa.tasks import Task
    from limosa.workflows import Workflow

    found = {}
    plans: dict[str, LaunchPlan[Any]] = {}
    for name, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__ or isinstance(value, LaunchPlan)
        if isinstance(value, (Task, Workflow, LaunchPlan)) and own:
            found[name] = value
        if isinstance(value, LaunchPlan):
            plans.setdefault(value.name, value).refuse_namesake(value)
    return found


def _import(name: str, root: str, target: str) -> ModuleType:
    if root not in sys.path:
        sys.path.insert(0, root)
    known = sys.modules.get(name)
    file = getattr(known, "__file__", None)
    if known is not None and file and not os.path.abspath(file).startswith(root + os.sep):
        message = f"{target} is called '{name}', which is also a loaded module ({file})"
        raise LimosaError("Load", message, remedy="rename the file")
    try:
        return importlib.import_module(name)
    except LimosaError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            message = f"there is no module {error.name}"
            raise LimosaError("Load", message, remedy="run from the folder it is imported from") from error
        message = f"importing {target} failed: no module named '{error.name}'"
        remedy = f"install it: pip install {error.name}; or, where @task(packages=…) brings it, import it in the task"
        raise LimosaError("Import", message, remedy=remedy) from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        message = f"importing {target} failed: {described(error)}"
        raise LimosaError("Import", message, remedy=suggestion(error, where_raised(error, root))) from error


def _nearby(path: str) -> str:
    import difflib

    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        return ""
    names = [name for name in os.listdir(folder) if name.endswith(".py")]
    close = difflib.get_close_matches(os.path.basename(path), names, n=1)
    return f"did you mean {close[0]}?" if close else ""
