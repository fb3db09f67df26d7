"""The task's packages: unpacked where nobody did it before, and put on the import path."""

import os
import site
import sys

from limosa.runtime.outcome import LaunchFailed
from limosa_model import failures, layout
from limosa_model.failures import Code
from limosa_model.pod_contract import PodEnvironment
from limosa_store import ErrorCode, Store, StoreError


def install(store: Store, pod: PodEnvironment) -> None:
    """Makes the packages of the pod's lock importable. Raises LaunchFailed and StoreError."""
    if not pod.packages:
        return
    directory = pod.packages_directory or os.path.join(os.environ.get("TMPDIR") or "/tmp", "limosa-packages")
    folder = os.path.join(directory, pod.packages)
    if not os.path.isdir(folder):
        folder = _unpack(store, pod, directory)
    put_on_path(folder)


def put_on_path(folder: str) -> None:
    """Has Python look in a folder of packages before those of the environment, but after its standard library.

    Programs that the task starts look there too.
    """
    installed = [at for at, path in enumerate(sys.path) if path.endswith(("site-packages", "dist-packages"))]
    sys.path.insert(installed[0] if installed else len(sys.path), folder)
    # It is on the path already, so this only heeds its .pth files.
    site.addsitedir(folder)
    known = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{folder}{os.pathsep}{known}" if known else folder


def _unpack(store: Store, pod: PodEnvironment, directory: str) -> str:
    from limosa.errors import LimosaError
    from limosa.packages.unpacking import unpack_once

    key = layout.package_lock_key(pod.project, pod.domain, pod.packages)
    try:
        return unpack_once(
            directory,
            pod.packages,
            lambda: store.get(key),
            lambda digest: store.open_reader(layout.wheel_key(pod.project, pod.domain, digest)),
        )
    except LimosaError as error:
        message = f"{pod.task}: {error.located}"
        raise LaunchFailed(failures.user(Code.PACKAGES_UNUSABLE, message, remedy=error.remedy)) from error
    except OSError as error:
        message = f"{pod.task}: its packages cannot be unpacked into {directory}: {error.strerror or error}"
        raise LaunchFailed(failures.system(Code.PACKAGES_UNUSABLE, message)) from error
    except StoreError as error:
        if error.code is not ErrorCode.NOT_FOUND:
            raise
        message = f"{pod.task}: its packages are gone from the store: {error}"
        remedy = "register the workflow again"
        raise LaunchFailed(failures.user(Code.PACKAGES_UNUSABLE, message, remedy=remedy)) from error
