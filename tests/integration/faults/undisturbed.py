"""What a run gives when nothing happens to it, to compare with one that something happened to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platform_rig import runs
from platform_rig.sandbox import DOMAIN, PROJECT, Sandbox
from referee import COMMITTED, STARTED, Referee, judge

from limosa_model.layout import run_prefix


@dataclass(frozen=True)
class Undisturbed:
    """The workflow `many`, left in peace."""

    outputs: dict[str, Any]
    items: set[str]
    """Every node item that runs a task, and so has a commit."""


def run_undisturbed(sandbox: Sandbox, flows: Path, referee: Referee) -> Undisturbed:
    """Runs it and looks at everything it left."""
    ended = runs.run(sandbox, flows, "many", {"x": 1})
    assert ended.phase == "SUCCEEDED", ended.failure
    events = referee.events(ended.uid)
    assert judge(events) == []
    items = {event.item for event in events if event.what == COMMITTED}
    assert len(items) == 31
    # Two failures of the flaky task and one of an item of the map.
    assert [event.what for event in events].count(STARTED) == len(items) + 3
    return Undisturbed(runs.outputs(sandbox, ended.name), items)


def assert_as_undisturbed(
    sandbox: Sandbox,
    ended: runs.Ended,
    undisturbed: Undisturbed,
    referee: Referee,
    *,
    relaunched: bool = False,
    what_happened: object = "",
) -> None:
    """Every promise about a run's results, as seen from outside.

    Args:
        sandbox: Where it ran.
        ended: The run.
        undisturbed: What it is compared with.
        referee: Who was told.
        relaunched: Its object was deleted by hand, see `judge`.
        what_happened: For whoever reads the failure.
    """
    assert ended.phase == "SUCCEEDED", (what_happened, ended.failure)
    events = referee.events(ended.uid)
    assert judge(events, relaunched=relaunched) == [], what_happened
    assert runs.outputs(sandbox, ended.name) == undisturbed.outputs, what_happened
    prefix = f"{run_prefix(PROJECT, DOMAIN, ended.name, ended.uid)}/commits/"
    committed = {_item_of(info.key.removeprefix(prefix)) for info in sandbox.store().list(prefix)}
    # After a restart a map's outputs may have been joined again, as a commit of the map's own.
    maps = {item.partition("[")[0] for item in undisturbed.items if item.endswith("]")}
    assert committed - maps == undisturbed.items, what_happened


def _item_of(key: str) -> str:
    """The node item whose commit lies under a key."""
    item = key.removesuffix(".pb")
    path, _, last = item.rpartition("/")
    return f"{path}[{last}]" if last.isdigit() else item
