"""Secrets a task asks for."""

from typing import NamedTuple


class Secret(NamedTuple):
    """One key of a Kubernetes Secret of the run's namespace, as an environment variable.

    The Secret must carry the label limosa.dev/task-secret=true.
    """

    name: str
    """Of the Secret."""
    key: str
    """Within the Secret."""
    env: str = ""
    """The variable; by default the key in upper case."""
