"""The table of faults: `table.yaml`, read and checked for form."""

import dataclasses
from pathlib import Path

import yaml

FILE = Path(__file__).parent / "table.yaml"


@dataclasses.dataclass(frozen=True)
class Fault:
    """One row."""

    number: int
    title: str
    stimulus: str
    """What happens to the platform."""
    outcome: str
    """What the platform makes of it."""
    blame: str
    """Whose fault it is counted as: "USER", "SYSTEM" or "nobody"."""
    retried_by: str
    shown: str
    """Where a person finds it."""
    codes: tuple[str, ...] = ()
    """Codes of failures and reasons, of `limosa_model.failures.Code`."""
    reads: tuple[str, ...] = ()
    """What the user reads, "…" in place of what varies."""
    stories: tuple[str, ...] = ()
    """Engine stories that play it: "file: title"."""
    tests: tuple[str, ...] = ()
    """Tests that inject it: ids below `tests/`."""
    on_a_cluster: str = ""
    """The script that provokes it on a real cluster, below `deploy/lab/`; empty where none does."""


def load() -> list[Fault]:
    """Every row, in order. Raises TypeError where a row has a field that there is not."""
    rows = yaml.safe_load(FILE.read_text())
    return [
        Fault(**{key: tuple(value) if isinstance(value, list) else value for key, value in row.items()})
        for row in rows
    ]
