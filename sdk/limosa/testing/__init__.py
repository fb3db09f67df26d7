"""Testing workflows: stand-ins for tasks, and a platform of one's own in pytest.

Belongs here: what an author's tests need. Does not belong here: anything that runs
without being asked for; the pytest plugin costs nothing until a fixture is used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from limosa.testing.answering import answers
    from limosa.testing.patching import Patch, patch
    from limosa.testing.sandbox import SandboxSession

_WHERE = {
    "Patch": "limosa.testing.patching",
    "SandboxSession": "limosa.testing.sandbox",
    "answers": "limosa.testing.answering",
    "patch": "limosa.testing.patching",
}

__all__ = ["Patch", "SandboxSession", "answers", "patch"]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'limosa.testing' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_WHERE[name]), name)
