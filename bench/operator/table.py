"""One line of the table: a figure beside its gate."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """A figure.

    Attributes:
        what: What was measured.
        value: How much.
        unit: Of the value; empty for counts.
        sense: ">=" or "<=": on which side of the gate it has to be; empty where it is only reported.
        gate: What it is held to.
    """

    what: str
    value: float
    unit: str = ""
    sense: str = ""
    gate: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the gate is met."""
        if not self.sense:
            return True
        return self.value >= self.gate if self.sense == ">=" else self.value <= self.gate

    def __str__(self) -> str:
        told = f"gate {self.sense} {self.gate:<6g} {'ok' if self.good else 'MISSED'}" if self.sense else ""
        return f"{self.what:52} {self.value:10.2f} {self.unit:4} {told}".rstrip()
