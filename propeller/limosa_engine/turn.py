"""One call of `step`: what its parts share."""

import dataclasses
import enum
from typing import TypeVar

from limosa_engine.commands import Command
from limosa_engine.graph import Graph, Item, NodePlan
from limosa_engine.phases import (
    LAUNCH_TRANSITIONS,
    NODE_TERMINAL,
    NODE_TRANSITIONS,
    RUN_TERMINAL,
    RUN_TRANSITIONS,
    LaunchPhase,
    NodePhase,
    RunPhase,
)
from limosa_engine.state import RUN_NODE, ItemRecord, Launch, NodeRecord, State, Waiting
from limosa_engine.story import InvalidTransition, story

_Phase = TypeVar("_Phase", bound=enum.IntEnum)


@dataclasses.dataclass(slots=True)
class Place:
    """A node item in the state."""

    plan: NodePlan
    record: NodeRecord
    position: int
    item: ItemRecord

    @property
    def key(self) -> Item:
        """Its name in events and commands."""
        return self.plan.item_at(self.position)

    @property
    def index(self) -> int | None:
        """Index of a map's item."""
        return self.position if self.plan.is_map else None


class Turn:
    """The graph, the state being changed, the time, and what comes of it."""

    def __init__(self, graph: Graph, state: State, now: float) -> None:
        self.graph = graph
        self.state = state
        self.now = now
        self.settings = graph.settings
        self.commands: list[Command] = []
        self.touched_launches: dict[tuple[int, int, int], Launch] = {}
        self.touched_items: dict[tuple[int, int], None] = {}
        self.touched_nodes: dict[int, None] = {}
        self.run_touched = False

    @property
    def changed(self) -> bool:
        """Whether anything came of it that others see; most words about a pod's last moments change nothing."""
        return bool(
            self.commands
            or self.run_touched
            or self.touched_nodes
            or self.touched_items
            or self.touched_launches
        )

    def emit(self, command: Command) -> None:
        """Adds a command."""
        self.commands.append(command)

    def mark(self, number: int) -> None:
        """Has a node looked at before the step ends."""
        if number not in self.state.in_dirty:
            self.state.in_dirty.add(number)
            self.state.dirty.append(number)

    def place(self, number: int, position: int) -> Place:
        """A node item by number and position."""
        record = self.state.nodes[number]
        return Place(self.graph.nodes[number], record, position, record.items[position])

    def tell(self, number: int, index: int | None, what: str) -> None:
        """Adds to the run's history."""
        self.state.history.append((self.now, number, index, what))

    def touch_item(self, place: Place) -> None:
        """Has an item (and its node, which counts it) published."""
        self.touched_nodes[place.plan.number] = None
        if place.plan.is_map:
            self.touched_items[place.plan.number, place.position] = None

    def touch_launch(self, place: Place, launch: Launch) -> None:
        """Has a launch and its item published."""
        self.touched_launches[place.plan.number, place.position, launch.ordinal] = launch
        self.touch_item(place)

    def set_run(self, phase: RunPhase) -> None:
        """Changes the run's phase."""
        state = self.state
        self._check("run", state.phase, phase, RUN_TRANSITIONS[state.phase], "")
        self.tell(RUN_NODE, None, f"{state.phase.name} → {phase.name}")
        state.phase = phase
        if phase in RUN_TERMINAL:
            state.finished_at = self.now
        self.run_touched = True

    def set_node(self, plan: NodePlan, record: NodeRecord, phase: NodePhase) -> None:
        """Changes a node's phase."""
        self._check(f"node {plan.path}", record.phase, phase, NODE_TRANSITIONS[record.phase], plan.path)
        self.tell(plan.number, None, f"{record.phase.name} → {phase.name}")
        record.phase = phase
        if phase is NodePhase.QUEUED and record.queued_at is None:
            record.queued_at = self.now
        elif phase is NodePhase.RUNNING and record.started_at is None:
            record.started_at = self.now
        elif phase in NODE_TERMINAL:
            record.finished_at = self.now
        self.touched_nodes[plan.number] = None

    def set_item(self, place: Place, phase: NodePhase) -> None:
        """Changes an item's phase."""
        item = place.item
        self._check(f"item {place.key}", item.phase, phase, NODE_TRANSITIONS[item.phase], place.plan.path)
        if place.plan.is_map:
            self.tell(place.plan.number, place.position, f"{item.phase.name} → {phase.name}")
        item.phase = phase
        if phase is NodePhase.RUNNING and item.started_at is None:
            item.started_at = self.now
        elif phase in NODE_TERMINAL:
            item.finished_at = self.now
        self.touch_item(place)

    def set_launch(self, place: Place, launch: Launch, phase: LaunchPhase) -> None:
        """Changes a launch's phase."""
        what = f"launch {launch.ordinal} of {place.key}"
        self._check(what, launch.phase, phase, LAUNCH_TRANSITIONS[launch.phase], place.plan.path)
        self.tell(
            place.plan.number, place.index, f"launch {launch.ordinal} {launch.phase.name} → {phase.name}"
        )
        launch.phase = phase
        self.touch_launch(place, launch)

    def waiting(
        self, old: Waiting | None, code: str, detail: str = "", next_at: float | None = None
    ) -> Waiting:
        """A reason; it keeps the time since when, where the code stays the same."""
        since = old.since if old is not None and old.code == code else self.now
        return Waiting(code, since, detail, next_at)

    def _check(self, what: str, given: _Phase, wanted: _Phase, legal: frozenset[_Phase], path: str) -> None:
        if wanted not in legal:
            told = story(self.graph, self.state, path)
            raise InvalidTransition(what, given.name, wanted.name, told)
