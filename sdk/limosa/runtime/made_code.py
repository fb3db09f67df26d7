"""What tasks that a pod's code names are compiled with: as the pod's own."""

import json

from limosa.compiler import CompileSettings
from limosa_model.pod_contract import PodEnvironment


def settings_of(pod: PodEnvironment) -> CompileSettings:
    """The same code, the same image where nothing else is said, and the locks that were made when it was registered."""
    locks = json.loads(pod.package_locks) if pod.package_locks else {}
    return CompileSettings(pod.bundle, pod.image, python_version=pod.python_version, package_locks=locks)
