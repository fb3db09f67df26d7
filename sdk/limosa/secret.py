"""Secrets a task asks for."""

from typing import NamedTuple


class Secret(NamedTuple):
    """One key of a Kubernetes Secret of the run's namespace, as an environment variable or a file.

    The Secret must carry the label limosa.dev/task-secret=true; `limosa secrets set` makes one that does. Runs on this machine take
    the variable, or for a file <KEY>_FILE, from the environment they are started in, and name what is not there.
    """

    name: str
    """Of the Secret."""
    key: str
    """Within the Secret."""
    env: str = ""
    """The variable; by default the key in upper case."""
    file: str = ""
    """Absolute path of a file, in place of a variable. Its path also stands in <KEY>_FILE: where pods are processes of a
    machine, as on the sandbox, the file lies elsewhere."""
