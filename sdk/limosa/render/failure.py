"""The end of a failed run, on one screen; and failures and problems wherever they appear."""

import dataclasses
import datetime as dt
import re
import shlex
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from limosa.render.brief import brief
from limosa.render.remedies import remedy_of_failure
from limosa.render.run_view import RunView
from limosa.render.tree import summary, tree
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_SYSTEM, FAILURE_KIND_USER, Failure, Frame
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_model.failures import Code, telling_frame
from limosa_model.problems import Problem

TREE_LINES = 15
"""Lines of the tree that leave room for what went wrong."""
LOG_LINES = 10
INPUT_WIDTH = 100
INPUT_ROWS = 10
LINE_WIDTH = 200
"""Characters of a line of source or of a log."""
MESSAGE_LINES = 12
MESSAGE_WIDTH = 100
"""Characters of a message that are counted as a line: longer ones wrap."""
CRASH_LINES = 60
"""At most about so many lines Python writes of a crash in native code, the platform's own frames among them."""
_PLATFORM_FRAME = re.compile(r'  File "(<frozen |[^"]*/limosa/(tasks\.py|runtime/))|Extension modules: |\s*$')
"""Lines that Python writes of a crash, outwards from the author's call: nothing in them is the author's."""
_LAST_WORDS = re.compile(r"limosa: ([A-Z][A-Za-z]+: |the pod was asked to end \(SIGTERM\))")
"""What a pod's runtime prints of its failure: the code and the message."""


@dataclasses.dataclass(frozen=True)
class FailureDetails:
    """What the end of a failed run shows beyond the run itself."""

    inputs: LiteralMap | None
    """Of the node that failed; None where they are not known."""
    log_lines: Sequence[str]
    """The last lines its launches printed."""


def failed_run(
    view: RunView,
    details: FailureDetails,
    now: dt.datetime,
    flags: str = "",
    lines: int | None = TREE_LINES,
    *,
    itself: bool = False,
    reachable: bool = True,
) -> RenderableType:
    """Tree, error, source, inputs, log, and the commands to go on.

    Args:
        view: The run.
        details: What the run itself does not say.
        now: Ends the spans of what still runs.
        flags: Added to the commands, where they need some to find the run.
        lines: Most lines of the tree; None shows every node.
        itself: It is `limosa get run` that shows this, which is then not among the commands.
        reachable: Commands find the run from this folder; else none are shown.
    """
    parts: list[RenderableType] = [summary(view, now), tree(view, now, final=True, lines=lines), Text()]
    failure = view.cause
    if failure is not None:
        whole = f"{_run_command(view, flags)} -o json"
        attempts, path = _attempts(view, failure), failure.origin.node_path
        secrets, written = view.secrets(path), view.written_at(path)
        parts.append(
            failure_block(failure, attempts=attempts, whole=whole, secrets=secrets, written_at=written)
        )
        parts += _passed_on(view)
        if unmet := view.unmet(failure.origin.node_path):
            parts.append(Text(f"  The map failed: {unmet}"))
        parts.append(Text())
        if details.inputs is not None and details.inputs.literals:
            parts += [
                Text("Inputs of the node", "bold"),
                _inputs(view, failure.origin.node_path, details.inputs),
                *_more_inputs(view, details.inputs, flags),
                Text(),
            ]
        if details.log_lines:
            parts.append(Text("Last log lines", "bold"))
            parts += [_one_line("  " + line, "dim") for line in details.log_lines[-LOG_LINES:]]
            parts.append(Text())
    if reachable:
        parts.append(Text("Go on", "bold"))
        parts += [Text("  " + line) for line in next_commands(view, flags, itself=itself)]
    return Group(*parts)


def _passed_on(view: RunView) -> list[RenderableType]:
    """By which line a failed call's failure ended the eager task, and so the run."""
    failure = view.failure
    if failure is None or failure == view.cause:
        return []
    frames = failure.exception.frames
    line = telling_frame(frames) if frames else None
    where = f": {line.file}:{line.line}, in {line.function}" if line is not None else ""
    return [Text(f"  Passed on by node {failure.origin.node_path}{where}", "dim")]


def failure_block(
    failure: Failure,
    *,
    attempts: str = "",
    whole: str = "",
    secrets: Sequence[str] = (),
    written_at: str = "",
) -> RenderableType:
    """Type and message, where, the source around it, and what to do.

    Args:
        failure: What to show.
        attempts: Which attempt it was, where there could be several.
        whole: The command that shows a long message to its end.
        secrets: The commands that store those the task reads, where they are known.
        written_at: File and line of the task; told where no line of it is to blame.
    """
    exception = failure.exception
    kind = exception.type if failure.HasField("exception") and exception.type else failure.code
    message = exception.message if failure.HasField("exception") and exception.type else failure.message
    if failure.code not in (Code.USER_EXCEPTION, "") and failure.HasField("exception"):
        kind, message = failure.code, failure.message
    message, left = _short_message(message)
    parts: list[RenderableType] = [Text.assemble((kind, "bold red"), f": {message}" if message else "")]
    if left:
        parts.append(Text(f"  … {left} more characters" + (f": {whole}" if whole else ""), "dim"))
    where = _where(failure, attempts, "" if exception.frames else written_at)
    if where:
        parts.append(Text("  " + where, "dim"))
    if exception.frames:
        parts += [Text(), source_lines(telling_frame(exception.frames))]
    remedy = remedy_of_failure(failure, secrets)
    if remedy:
        parts.append(Text.assemble("  ", ("→ ", "green"), remedy))
    elif failure.kind == FAILURE_KIND_SYSTEM:
        parts.append(Text("  The platform failed, not your code; its retries were used up.", "dim"))
    return Group(*parts)


def source_lines(frame: Frame) -> RenderableType:
    """File, line and function; then the source lines with the failing one marked."""
    parts = [Text(f"  {frame.file}:{frame.line}, in {frame.function}")]
    width = len(str(frame.source_start + len(frame.source)))
    for offset, line in enumerate(frame.source):
        number = frame.source_start + offset
        failing = number == frame.line
        sign = ">" if failing else " "
        parts.append(_one_line(f"  {sign} {number:>{width}} │ {line}", "bold" if failing else "dim"))
    return Group(*parts)


def log_lines_wanted(failure: Failure) -> int:
    """How many last lines of a log hold `LOG_LINES` of the author's: a pod's log ends with how it ended."""
    if failure.code == Code.CRASHED:
        return LOG_LINES + CRASH_LINES
    said = failure.exception.traceback.splitlines() or 2 * failure.message.splitlines()[1:]
    return LOG_LINES + len(said) + 1


def own_log_lines(lines: Sequence[str], failure: Failure) -> list[str]:
    """The last `LOG_LINES` before the traceback and the platform's last words: the screen says both in its own way."""
    traceback = failure.exception.traceback.splitlines()
    own = _without_end(list(lines), f"limosa: {failure.code}: {failure.message}".splitlines())
    if own and _LAST_WORDS.match(own[-1]):
        own.pop()
    # A script's message ends with what it printed last.
    own = _without_end(own, traceback or failure.message.splitlines()[1:])
    if failure.code == Code.CRASHED:
        own = [line for line in own if not _PLATFORM_FRAME.match(line)]
    return own[-LOG_LINES:]


def _without_end(lines: list[str], end: Sequence[str]) -> list[str]:
    return lines[: -len(end)] if end and lines[-len(end) :] == list(end) else lines


def problem_lines(problems: Iterable[Problem]) -> RenderableType:
    """Faults of a spec or request: place, what is wrong, what to do; one block each."""
    parts: list[RenderableType] = []
    for problem in problems:
        parts.append(Text.assemble(("✗ ", "bold red"), (problem.place, "bold")))
        parts.append(Text(f"  {problem.message}"))
        if problem.remedy:
            parts.append(Text.assemble("  ", ("→ ", "green"), problem.remedy))
    return Group(*parts)


def error_block(message: str, *, place: str = "", remedy: str = "") -> RenderableType:
    """One error of ours in the same shape: cause, place, remedy."""
    parts: list[RenderableType] = [Text.assemble(("Error: ", "bold red"), message)]
    if place:
        parts.append(Text(f"  at {place}", "dim"))
    if remedy:
        parts.append(Text.assemble("  ", ("→ ", "green"), remedy))
    return Group(*parts)


def next_commands(view: RunView, flags: str = "", *, itself: bool = False) -> list[str]:
    """The commands a person types next, with the names filled in.

    Args:
        view: The run.
        flags: Added to the commands, where they need some to find the run.
        itself: The page of the run is what is being shown, so that it is left out.
    """
    failure = view.cause
    page = [] if itself else [_run_command(view, flags)]
    if failure is None or not failure.origin.node_path:
        return [*page, _words("limosa explain", view.run.name, flags), *_resume_command(view, flags)]
    path = failure.origin.node_path
    index = failure.origin.index if failure.origin.HasField("index") else None
    return [*node_commands(view, path, index, flags, failed=True), *page, *_resume_command(view, flags)]


def node_commands(view: RunView, path: str, index: int | None, flags: str, *, failed: bool) -> list[str]:
    """What there is to type about a node, or an item of a map: only what leads to something."""
    item = _item(view, path, index, flags)
    verbs = ["logs"] if view.may_have_logs(path, index) else []
    verbs += ["inputs", *(["explain"] if failed else [])]
    # Only the platform keeps a run's code, and of a map only an item has inputs of its own.
    if failed and view.run.url and view.is_python(path) and (index is not None or not view.is_map(path)):
        verbs.append("replay")
    return [f"limosa {verb} {item}" for verb in verbs]


def _item(view: RunView, path: str, index: int | None, flags: str) -> str:
    return _words(view.run.name, shlex.quote(path), "" if index is None else f"--index {index}", flags)


def _words(*words: str) -> str:
    return " ".join(word for word in words if word)


def _run_command(view: RunView, flags: str) -> str:
    return _words("limosa get run", view.run.name, flags)


def _resume_command(view: RunView, flags: str) -> list[str]:
    """How to go on from the run, with the file as it is then where its author is to change it; none for local runs."""
    failure, run = view.cause, view.run
    if failure is None or not run.url:
        return []
    module = run.target.name.rpartition(".")[0]
    fixable = failure.kind == FAILURE_KIND_USER and module
    file = shlex.quote(f"{module.replace('.', '/')}.py") if fixable else ""
    return [_words("limosa resume", run.name, file, flags) + "    (with the same inputs)"]


def _short_message(message: str) -> tuple[str, int]:
    """The beginning that a screen has room for, and how many characters are left out."""
    lines = message.splitlines()
    kept: list[str] = []
    room = MESSAGE_LINES * MESSAGE_WIDTH
    for line in lines:
        if room <= 0:
            break
        kept.append(line[:room])
        room -= -(-max(len(line), 1) // MESSAGE_WIDTH) * MESSAGE_WIDTH
    text = "\n".join(kept)
    return text, len("\n".join(lines)) - len(text)


def _one_line(text: str, style: str) -> Text:
    short = text if len(text) <= LINE_WIDTH else text[: LINE_WIDTH - 1] + "…"
    return Text(short, style, no_wrap=True, overflow="ellipsis")


def _more_inputs(view: RunView, inputs: LiteralMap, flags: str) -> list[RenderableType]:
    left = len(inputs.literals) - INPUT_ROWS
    if left <= 0 or view.cause is None:
        return []
    origin = view.cause.origin
    item = _item(view, origin.node_path, origin.index if origin.HasField("index") else None, flags)
    return [Text(f"  … {left} more: limosa inputs {item}", "dim")]


def _attempts(view: RunView, failure: Failure) -> str:
    retries = view.retries(failure.origin.node_path)
    if not retries and not failure.origin.launch:
        return ""
    return f"attempt {failure.origin.launch + 1}"


def _where(failure: Failure, attempts: str, written_at: str) -> str:
    origin = failure.origin
    parts = []
    if origin.task:
        parts.append(f"in {origin.task}" + (f" ({written_at})" if written_at else ""))
    elif written_at:
        parts.append(f"at {written_at}")
    if origin.node_path:
        parts.append(f"node {origin.node_path}")
    if origin.HasField("index"):
        parts.append(f"item {origin.index}")
    if attempts:
        parts.append(attempts)
    return ", ".join(parts)


def _inputs(view: RunView, path: str, inputs: LiteralMap) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, literal in sorted(inputs.literals.items())[:INPUT_ROWS]:
        table.add_row(Text(f"  {view.operand(path, name)}"), Text(brief(literal, INPUT_WIDTH), "dim"))
    return table
