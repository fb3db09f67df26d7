"""Calls of tasks and workflows outside of any run: `wf(a=1)` in a script, a notebook or a test."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

from limosa.errors import LimosaError
from limosa.local.history import RunDirectory
from limosa.local.progress import ignore
from limosa.local.runs import KeptFiles, input_literals, run_literals
from limosa.tasks import Task
from limosa.types import to_python
from limosa.workflows import Workflow


def call_task(task: Task[..., Any], arguments: dict[str, Any]) -> Any:
    """What a task's function returns, its values having been literals on both ways."""
    return _call(task, arguments)


def call_workflow(workflow: Workflow[..., Any], arguments: dict[str, Any]) -> Any:
    """What a workflow's graph gives, in the shape of its return annotation."""
    return _call(workflow, arguments)


def _call(target: "Task[..., Any] | Workflow[..., Any]", arguments: dict[str, Any]) -> Any:
    scratch = _directory() / "scratch"
    try:
        inputs = input_literals(target, arguments, scratch)
        outputs = run_literals(target, inputs, RunDirectory(_directory()), scratch, ignore)
    except Exception as error:
        from limosa.runtime.exceptions import author_part

        own = author_part(error.__traceback__)
        if own is None and not isinstance(error, LimosaError):
            raise  # something of ours broke
        # Between the caller's line and the author's there is nothing for them to see.
        raise error.with_traceback(own)  # noqa: B904 - it is the same exception
    files = KeptFiles()
    results = {
        name: to_python(outputs.literals[name], kind, files) for name, kind in target.python_outputs.items()
    }
    return target.signature.join(results)


@functools.cache
def _directory() -> Path:
    """Where the files of calls lie until the process ends: their results may be read that long."""
    made = Path(tempfile.mkdtemp(prefix="limosa-calls-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
