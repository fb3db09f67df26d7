"""What a task's function can learn of the attempt it runs in."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from limosa.checkpoints import Checkpoint
from limosa.errors import LimosaError

if TYPE_CHECKING:
    import logging


class Context(NamedTuple):
    """The running attempt of a task.

    Attributes:
        run: Name of the run.
        node: Path of the node ("n0/n3").
        index: Index of a map's item; None elsewhere.
        attempt: 1 for the first attempt, counting those that ended by the platform's fault.
        task: Qualified name of the task.
        working_directory: A directory of this attempt, empty at its start.
        checkpoint: What attempts keep for the next one.
    """

    run: str
    node: str
    index: "int | None"  # type: ignore[assignment]  # hides tuple.index, which nobody needs here
    attempt: int
    task: str
    working_directory: Path
    checkpoint: Checkpoint

    @property
    def logger(self) -> "logging.Logger":
        """A logger named after the task. Without a configuration of yours it prints messages from INFO on."""
        import logging
        import sys

        logger = logging.getLogger(self.task)
        if not logger.hasHandlers():
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
            logger.addHandler(handler)
            logger.setLevel(logging.INFO)
        return logger


_current: ContextVar[Context] = ContextVar("limosa_context")


def current_context() -> Context:
    """The attempt that the calling code runs in.

    Raises:
        LimosaError: The code does not run in a task: it stands at the top of a module, or in a workflow's function.
    """
    found = _current.get(None)
    if found is None:
        from limosa.origin import caller

        raise LimosaError(
            "NoContext",
            "there is no task running here",
            str(caller()),
            "call it in the body of a @task function",
        )
    return found


@contextmanager
def running_in(context: Context) -> Iterator[None]:
    """Makes an attempt the current one."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)
