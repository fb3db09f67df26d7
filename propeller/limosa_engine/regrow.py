"""The first steps of a decoded state whose run dynamic and eager nodes had grown: graphs and calls are read again, in order.

Until all of them are there nothing else is looked at: what happens meanwhile is kept and taken in then.
"""

from collections.abc import Iterable

from limosa_engine.codec import CodecError, decode_growth
from limosa_engine.commands import Quarantine, ReadCall, ReadCommit
from limosa_engine.events import CallRead, CommitRead, Event, MadeGraph, RunRestored, StoreFailed, TimerFired
from limosa_engine.graph import GraphError
from limosa_engine.rebuild import rebuild
from limosa_engine.regrowth import Regrowth, Section, short_digest
from limosa_engine.state import RUN_NODE, CallKey, Outcome
from limosa_engine.turn import Turn
from limosa_model import failures
from limosa_model.failures import Code


def take(turn: Turn, waiting: Regrowth, events: Iterable[Event]) -> list[Event]:
    """Takes events in; once the state is complete, gives all that was kept."""
    for event in events:
        if isinstance(event, CommitRead | CallRead) and _wanted(turn, waiting, event) is not None:
            _read(turn, waiting, event)
        elif isinstance(event, StoreFailed) and isinstance(event.command, ReadCommit | ReadCall):
            _failed(turn, waiting, event, event.command)
        elif isinstance(event, TimerFired):
            turn.state.timers.announced = None
        else:
            waiting.events.append(event)
            if isinstance(event, RunRestored):
                _ask(turn, waiting)
    if waiting.sections:
        return []
    turn.state.regrowth = None
    turn.state.values.release(RUN_NODE)
    rebuild(turn.graph, turn.state, waiting.unseen)
    return waiting.events


def _ask(turn: Turn, waiting: Regrowth) -> None:
    """Asks for every graph whose node is known; nodes within a graph follow when it is."""
    left: list[Section] = []
    for section in waiting.left:
        if section.owner >= len(turn.graph.nodes):
            left.append(section)
            continue
        waiting.asked[section.key] = section
        item = turn.graph.nodes[section.owner].item
        if section.call:
            turn.emit(ReadCall(item, section.call))
        else:
            turn.state.values.want((section.owner, 0), RUN_NODE)
            turn.emit(ReadCommit(item))
    waiting.left = left
    if left and len(waiting.asked) == len(waiting.read):
        _quarantine(turn, f"the state names node {left[0].owner}, which the run does not have")


def _wanted(
    turn: Turn, waiting: Regrowth, about: CommitRead | CallRead | ReadCommit | ReadCall
) -> Section | None:
    """The section whose graph an event or command is about; None where it is about something else."""
    key: CallKey = turn.graph.by_path.get(about.item.node_path, -1), getattr(about, "call", "")
    return waiting.asked.get(key) if key not in waiting.read else None


def _read(turn: Turn, waiting: Regrowth, event: CommitRead | CallRead) -> None:
    section = _wanted(turn, waiting, event)
    if section is None:
        return
    if event.graph is None or short_digest(event.graph.digest) != section.digest:
        _quarantine(
            turn,
            f"{_place(turn, section)} {_found(event.graph)}, the run went on with {section.digest.hex()}",
        )
        return
    waiting.read[section.key] = event.graph.closure
    if isinstance(event, CallRead) and event.over:
        waiting.over.add(section.key)
    grown = len(turn.graph.nodes)
    while waiting.sections and waiting.sections[0].key in waiting.read:
        section = waiting.sections[0]
        problem = _grow(turn, waiting, section)
        if problem:
            _quarantine(turn, f"{_place(turn, section)}: {problem}")
            return
        waiting.sections.popleft()
    if len(turn.graph.nodes) > grown:
        _ask(turn, waiting)


def _place(turn: Turn, section: Section) -> str:
    path = turn.graph.nodes[section.owner].path
    return f"the record of call {path}/{section.call}" if section.call else f"the commit of {path}"


def _found(made: MadeGraph | None) -> str:
    return "holds no graph" if made is None else f"holds graph {made.digest}"


def _grow(turn: Turn, waiting: Regrowth, section: Section) -> str:
    """Grows the run by one graph; gives what is wrong, empty where nothing is."""
    before = len(turn.graph.nodes)
    try:
        scope = turn.graph.grow(section.owner, waiting.read[section.key], section.call)
        if len(turn.graph.nodes) - before != section.nodes:
            return f"it brings {len(turn.graph.nodes) - before} nodes, the run had {section.nodes} of it"
        decode_growth(turn.graph, turn.state, section, waiting)
    except (GraphError, CodecError) as error:
        return str(error)
    if section.call:
        turn.state.eager.heard[section.key] = True
        if section.key in waiting.over:
            turn.state.scopes[scope].outcome = Outcome.WRITTEN
    return ""


def _failed(turn: Turn, waiting: Regrowth, event: StoreFailed, command: ReadCommit | ReadCall) -> None:
    section = _wanted(turn, waiting, command)
    if section is None:
        waiting.events.append(event)
    elif not event.retryable:
        _quarantine(turn, f"{_place(turn, section)} cannot be read: {event.message}")
    else:
        when = turn.now + turn.settings.store_backoff
        if isinstance(command, ReadCall):
            turn.state.eager.retries.append((when, command))
        else:
            turn.state.values.retries.append((when, (section.owner, 0), ""))
        turn.state.timers.add(when, RUN_NODE)


def _quarantine(turn: Turn, message: str) -> None:
    turn.emit(Quarantine(failures.system(Code.CORRUPT_DATA, message, retryable=False)))
