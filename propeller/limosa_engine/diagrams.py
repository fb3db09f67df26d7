"""The phase tables as diagrams: `python scripts/engine_phases.py > docs/engine-phases.md`."""

from collections.abc import Mapping
from typing import Any

from limosa_engine.phases import LAUNCH_TRANSITIONS, NODE_TRANSITIONS, RUN_TRANSITIONS

_HEAD = """# Phases

Drawn from the tables in `limosa_engine.phases` by `python scripts/engine_phases.py`; a test keeps both the same.
"""


def render() -> str:
    """The whole page, in Markdown with Mermaid."""
    parts = (
        ("Run", RUN_TRANSITIONS),
        ("Node, and item of a map", NODE_TRANSITIONS),
        ("Launch", LAUNCH_TRANSITIONS),
    )
    return "\n".join([_HEAD, *(_diagram(title, table) for title, table in parts)])


def _diagram(title: str, table: Mapping[Any, frozenset[Any]]) -> str:
    first = next(iter(table))
    lines = [f"## {title}", "", "```mermaid", "stateDiagram-v2", f"    [*] --> {first.name}"]
    for phase, following in table.items():
        lines += [f"    {phase.name} --> {other.name}" for other in sorted(following)]
        if not following:
            lines.append(f"    {phase.name} --> [*]")
    return "\n".join([*lines, "```", ""])
