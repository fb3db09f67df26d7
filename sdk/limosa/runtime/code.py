"""The author's code: fetching, unpacking, importing it."""

import importlib
import sys
from pathlib import Path
from typing import Any

from limosa.runtime.exceptions import exception_details
from limosa.runtime.outcome import LaunchFailed, Preempted
from limosa.runtime.packing import INCLUDE
from limosa_model import failures, layout
from limosa_model.failures import Code
from limosa_model.pod_contract import PodEnvironment
from limosa_store import ErrorCode, Store, StoreError

MAX_BUNDLE_BYTES = 512 * 1024 * 1024


def check_python(pod: PodEnvironment) -> None:
    """Refuses to run code under another minor version than it was compiled under."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if pod.python_version and pod.python_version != here:
        said = "declares packages for" if pod.packages else "was registered from"
        message = (
            f"the task {said} Python {pod.python_version}, the pod's image has Python {here}. "
            f"Register it from Python {here}, or give the task a container_image with Python {pod.python_version}."
        )
        raise LaunchFailed(failures.user(Code.PYTHON_MISMATCH, message))


def install(store: Store, pod: PodEnvironment, target: Path) -> None:
    """Fetches the code bundle, unpacks it below `target` and puts it first on the import path."""
    if not pod.bundle:
        return
    from limosa.bundle.errors import BundleError
    from limosa.bundle.extraction import unpack

    key = layout.code_key(pod.project, pod.domain, pod.bundle)
    try:
        with store.open_reader(key) as stream:
            unpack(stream, pod.bundle, target)
    except BundleError as error:
        raise LaunchFailed(
            failures.user(Code.BUNDLE_CORRUPT, f"code bundle {store.uri(key)}: {error}")
        ) from error
    except StoreError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        message = f"the code bundle {store.uri(key)} is gone from the store; register the workflow again"
        raise LaunchFailed(failures.user(Code.BUNDLE_CORRUPT, message)) from error
    sys.path.insert(0, str(target))


def load_task(loader: str, root: Path) -> Any:
    """Imports the task object that "module:attribute" names."""
    module_name, _, attribute = loader.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise LaunchFailed(_missing_module(error, module_name, root)) from error
    except (Preempted, StoreError):
        raise
    except BaseException as error:
        details = exception_details(error, root)
        message = f"importing {module_name} failed: {details.type}: {details.message}"
        raise LaunchFailed(failures.user(Code.IMPORT_FAILED, message, exception=details)) from error
    for part in attribute.split("."):
        found = getattr(found, part, None)
        if found is None:
            message = (
                f"module {module_name} has no '{attribute}'; define the task at the top level of the module"
            )
            raise LaunchFailed(failures.user(Code.TASK_NOT_FOUND, message))
    return found


def _missing_module(error: ModuleNotFoundError, module_name: str, root: Path) -> Any:
    missing = error.name or "?"
    top = missing.partition(".")[0]
    details = exception_details(error, root)
    if (root / top).exists() or (root / f"{top}.py").exists() or top == module_name.partition(".")[0]:
        remedy = (
            f"It is a module of your project that was not packed: import it at the top of the file, {INCLUDE}. "
            f"Packed: {_packed(root)}."
        )
    else:
        remedy = (
            f"It is not installed where the task ran ({sys.executable}): declare its package, "
            f'@task(packages=["{top}"]), or install it there (on a cluster: in the image). '
            f"If it is a module of your project, import it at the top of the file, {INCLUDE}."
        )
    return failures.user(Code.IMPORT_FAILED, f"no module named '{missing}'. {remedy}", exception=details)


def _packed(root: Path) -> str:
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*.py"))
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown or "nothing"
