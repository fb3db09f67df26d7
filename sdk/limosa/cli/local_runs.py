"""`limosa run` without --remote: plain Python on this machine."""

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from limosa.cli.console import say
from limosa.cli.exit_codes import ExitCode
from limosa.cli.following import failure_details, plain_values, write_end, write_outputs
from limosa.cli.run_pages import view_of
from limosa.cli.run_sources import KeptSource, shown_path
from limosa.cli.typed_command import GivenInputs
from limosa.compiler import LoadedModule, packages_declared
from limosa.local import RUNS, KeptRuns, LocalCache, LocalTransfer, NodeProgress, RunRecord, unenforced
from limosa.local import run as run_locally
from limosa.local.answers import answering, check_answers
from limosa.local.failing import failure_of
from limosa.render.failure import failed_run
from limosa.render.phases import mark
from limosa.render.progress import now_utc
from limosa.render.steps import MapSteps
from limosa.render.tree import duration
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM
from limosa_idl.run.v1alpha1 import run_pb2

CACHE = Path(".limosa", "cache")
"""Beside the kept runs: results that later runs take."""
_ENDED = (
    run_pb2.NODE_PHASE_SUCCEEDED,
    run_pb2.NODE_PHASE_FAILED,
    run_pb2.NODE_PHASE_RETRYING,
)


def run_here(
    loaded: LoadedModule,
    entity: Any,
    given: GivenInputs,
    *,
    form: str,
    cache_mode: "run_pb2.CacheMode.ValueType",
    answers: Mapping[str, str],
) -> ExitCode:
    """Runs an entity in this process; writes its outputs, or its failure.

    Args:
        loaded: The file it is from.
        entity: Task, workflow or launch plan.
        given: Its inputs.
        form: Of the outputs: text, json or yaml.
        cache_mode: What the run does with cached results.
        answers: What gates are told, by name or path.

    Raises:
        LimosaError: The inputs or answers do not fit, or declared packages are missing here.
    """
    check_answers(entity, answers)
    _check_packages(entity)
    store = Path(loaded.source_root, RUNS)
    transfer = LocalTransfer(None, store)  # inputs are referred to where they lie
    inputs = given.literals(transfer)
    progress = _Progress(store)
    cache = LocalCache(Path(loaded.source_root, CACHE), cache_mode)
    unheld = unenforced(entity)
    if unheld:
        say(Text(unheld, "dim"))
    try:
        with _stdout_to_stderr(), answering(answers):
            result = run_locally(entity, dict(inputs.literals), store, progress, progress.begun, cache)
    except Exception as error:  # the author's own, told through its node
        if failure_of(error) is None:
            raise
        return _show_failed(KeptSource(KeptRuns(store)), progress.name, form)
    outputs = plain_values(result.literals, entity.interface.outputs, transfer)
    write_outputs(outputs, form, f"limosa outputs {progress.name}")
    return ExitCode.OK


def _check_packages(entity: Any) -> None:
    """Raises LimosaError where this environment lacks what a task declares."""
    declared = packages_declared([entity])
    if declared:
        from limosa.packages.environment import check_environment

        check_environment(declared)


class _Progress:
    """Tells the run's name and each node's end as one line."""

    def __init__(self, store: Path) -> None:
        self.name = ""
        self._store = store
        self._began: dict[str, float] = {}
        self._items: dict[str, Counter[int]] = {}
        self._totals: dict[str, int] = {}
        self._maps = MapSteps()

    def begun(self, record: RunRecord) -> None:
        """The run has a name."""
        self.name = record.name
        say(Text.assemble("run ", record.name, (f"  kept in {shown_path(self._store)}", "dim")))

    def __call__(self, change: NodeProgress) -> None:
        self._began.setdefault(change.path, time.monotonic())
        if change.items:
            self._totals[change.path] = change.items
        if change.index is not None:
            self._items.setdefault(change.path, Counter())[change.phase] += 1
            if change.phase == run_pb2.NODE_PHASE_SUCCEEDED:
                self._say_how_far(change)
                return
        if change.phase in _ENDED:
            self._say(change)

    def _say_how_far(self, change: NodeProgress) -> None:
        """Of a map that takes its time: each item has no line of its own."""
        items = self._items[change.path]
        done = items[run_pb2.NODE_PHASE_SUCCEEDED] + items[run_pb2.NODE_PHASE_FAILED]
        if self._maps.is_due(change.path, done, self._totals[change.path], time.monotonic()):
            running = mark(run_pb2.NODE_PHASE_RUNNING)
            name = f" {change.path} {change.node.display_name}"
            say(Text.assemble("  ", running, name, (f"  {self._counted(change.path)}", "dim")))

    def _say(self, change: NodeProgress) -> None:
        item = "" if change.index is None else f"[{change.index}]"
        line = Text.assemble("  ", mark(change.phase), f" {change.path}{item} {change.node.display_name}")
        if change.cached_from:
            line.append(f"  cached, from {change.cached_from}", "dim")
        elif change.phase in (run_pb2.NODE_PHASE_SUCCEEDED, run_pb2.NODE_PHASE_FAILED):
            line.append(f"  {duration(time.monotonic() - self._began[change.path])}", "dim")
        if change.index is None and change.path in self._items:
            line.append(f"  {self._counted(change.path)}", "dim")
        if change.phase == run_pb2.NODE_PHASE_RETRYING and change.failure is not None:
            line.append(f"  attempt {change.attempt} failed: {change.failure.message}", "yellow")
        say(line)

    def _counted(self, path: str) -> str:
        items = self._items[path]
        failed = items[run_pb2.NODE_PHASE_FAILED]
        shown = f"{items[run_pb2.NODE_PHASE_SUCCEEDED]}/{self._totals[path]} items"
        return shown + (f", {failed} failed" if failed else "")


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[None]:
    """What the author's code prints is no result, whichever way it prints."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def _show_failed(source: KeptSource, name: str, form: str) -> ExitCode:
    view = view_of(source, name)
    say(failed_run(view, failure_details(source, view), now_utc(), reachable=source.is_found_here()))
    write_end(view, form)
    system = view.failure is not None and view.failure.kind == FAILURE_KIND_SYSTEM
    return ExitCode.SYSTEM if system else ExitCode.USER_FAILURE
