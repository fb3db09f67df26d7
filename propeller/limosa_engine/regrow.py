"""The first steps of a decoded state whose run dynamic nodes had grown: their graphs are read again, in order.

Until all of them are there nothing else is looked at: what happens meanwhile is kept and taken in then.
"""

from collections.abc import Iterable

from limosa_engine.codec import CodecError, decode_growth
from limosa_engine.commands import Quarantine, ReadCommit
from limosa_engine.events import CommitRead, Event, RunRestored, StoreFailed, TimerFired
from limosa_engine.graph import GraphError
from limosa_engine.rebuild import rebuild
from limosa_engine.regrowth import Regrowth, Section, short_digest
from limosa_engine.state import RUN_NODE
from limosa_engine.turn import Turn
from limosa_model import failures
from limosa_model.failures import Code


def take(turn: Turn, waiting: Regrowth, events: Iterable[Event]) -> list[Event]:
    """Takes events in; once the state is complete, gives all that was kept."""
    for event in events:
        if isinstance(event, CommitRead) and _owner(turn, waiting, event.item.node_path) is not None:
            _read(turn, waiting, event)
        elif isinstance(event, StoreFailed) and isinstance(event.command, ReadCommit):
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
    for section in waiting.sections:
        if section.owner >= len(turn.graph.nodes) or section.owner in waiting.asked:
            continue
        waiting.asked.add(section.owner)
        turn.state.values.want((section.owner, 0), RUN_NODE)
        turn.emit(ReadCommit(turn.graph.nodes[section.owner].item))
    if waiting.sections and waiting.asked <= waiting.read.keys():
        _quarantine(turn, f"the state names node {waiting.sections[0].owner}, which the run does not have")


def _owner(turn: Turn, waiting: Regrowth, path: str) -> int | None:
    number = turn.graph.by_path.get(path)
    return number if number in waiting.asked and number not in waiting.read else None


def _read(turn: Turn, waiting: Regrowth, event: CommitRead) -> None:
    path = event.item.node_path
    section = next(section for section in waiting.sections if section.owner == turn.graph.by_path[path])
    if event.graph is None or short_digest(event.graph.digest) != section.digest:
        found = "no graph" if event.graph is None else f"graph {event.graph.digest}"
        _quarantine(turn, f"the commit of {path} holds {found}, the run went on with {section.digest.hex()}")
        return
    waiting.read[section.owner] = event.graph.closure
    while waiting.sections and waiting.sections[0].owner in waiting.read:
        section = waiting.sections[0]
        problem = _grow(turn, waiting, section)
        if problem:
            _quarantine(turn, f"the graph of {turn.graph.nodes[section.owner].path}: {problem}")
            return
        waiting.sections.popleft()
    _ask(turn, waiting)


def _grow(turn: Turn, waiting: Regrowth, section: Section) -> str:
    """Grows the run by one graph; gives what is wrong, empty where nothing is."""
    before = len(turn.graph.nodes)
    try:
        turn.graph.grow(section.owner, waiting.read[section.owner])
        if len(turn.graph.nodes) - before != section.nodes:
            return f"it brings {len(turn.graph.nodes) - before} nodes, the run had {section.nodes} of it"
        decode_growth(turn.graph, turn.state, section, waiting)
    except (GraphError, CodecError) as error:
        return str(error)
    return ""


def _failed(turn: Turn, waiting: Regrowth, event: StoreFailed, command: ReadCommit) -> None:
    number = _owner(turn, waiting, command.item.node_path)
    if number is None:
        waiting.events.append(event)
    elif event.retryable:
        when = turn.now + turn.settings.store_backoff
        turn.state.values.retries.append((when, (number, 0), ""))
        turn.state.timers.add(when, RUN_NODE)
    else:
        _quarantine(turn, f"the graph of {command.item} cannot be read: {event.message}")


def _quarantine(turn: Turn, message: str) -> None:
    turn.emit(Quarantine(failures.system(Code.CORRUPT_DATA, message, retryable=False)))
