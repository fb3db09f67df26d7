"""How a task's results are cached."""

from typing import NamedTuple


class Cache(NamedTuple):
    """Results of equal launches are taken from an earlier run: `@task(cache=Cache(version="v1", serialize=True))`.

    Launches are equal when task, version, types of inputs and outputs, and inputs are.
    """

    version: str = ""
    """A new one forgets old results. By default a digest of the function's source, which does not see what it calls."""
    serialize: bool = False
    """Of equal launches one runs at a time; the others wait for its result."""
    ignored_inputs: tuple[str, ...] = ()
    """Inputs that do not matter to the result, such as a number of threads."""
