"""The kinds of runs that the soak mixes: what each is given, what is done to it, and how it must end."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SUCCEEDED, FAILED, ABORTED = "SUCCEEDED", "FAILED", "ABORTED"
SIGNAL, APPROVE, REJECT, ABORT = "signal", "approve", "reject", "abort"
RESUMED = "resumed"
"""The kind of runs that go on from others."""


@dataclass(frozen=True)
class Deed:
    """Something a person does to a run.

    Attributes:
        after_s: Seconds after the run was accepted.
        what: SIGNAL, APPROVE, REJECT or ABORT.
        node: Path of the gate.
        value: Of a signal.
    """

    after_s: float
    what: str
    node: str = ""
    value: int = 0


@dataclass(frozen=True)
class Ending:
    """How a run may end.

    Attributes:
        phase: SUCCEEDED, FAILED or ABORTED.
        outputs: Of the run, or where it failed of its on-failure node; None: there are none to compare.
        code: Of its failure.
    """

    phase: str
    outputs: Mapping[str, Any] | None = None
    code: str = ""


@dataclass(frozen=True)
class Order:
    """One run: what it is given, what is done to it, and how it may end.

    Attributes:
        then: What is done to, and becomes of, the run that goes on from it, should it fail.
    """

    kind: str
    workflow: str
    inputs: Mapping[str, int]
    endings: Sequence[Ending]
    deeds: Sequence[Deed] = field(default=())
    then: "Order | None" = None


def draw(chance: random.Random) -> Order:
    """A run of a kind that chance chooses; some of them are aborted at a moment that it chooses too."""
    kind = chance.choices(list(_KINDS), weights=[weight for weight, _ in _KINDS.values()])[0]
    return _KINDS[kind][1](kind, chance)


def kinds() -> list[str]:
    """The names of all kinds, in the order of the table."""
    return [*_KINDS, RESUMED]


_Maker = Callable[[str, random.Random], Order]


def _plain(workflow: str, result: Callable[[int], int], most: int = 20, name: str = "x") -> _Maker:
    """Of a workflow of one integer that succeeds."""

    def make(kind: str, chance: random.Random) -> Order:
        given = chance.randint(1, most)
        return Order(kind, workflow, {name: given}, [Ending(SUCCEEDED, {"o0": result(given)})])

    return make


def _branched(x: int) -> int:
    first = x + 1
    if first <= 5:
        return 2 * first
    return first + 1 if first > 8 else first * 10


def _decided(x: int) -> int:
    return sum(n + 1 for n in range(x % 4 + 1)) + x + 3 + 1


def _climbed(x: int) -> int:
    top = x + x % 3 + 1
    return (top + 1) + 10 * top + 1


def _cached(kind: str, chance: random.Random) -> Order:
    # So few keys that launches meet each other's, running and made.
    x, y = chance.randint(1, 12), chance.randint(1, 12)
    return Order(kind, "cached", {"x": x, "y": y}, [Ending(SUCCEEDED, {"one": 3 * x, "two": 3 * y + 1})])


def _released(kind: str, chance: random.Random) -> Order:
    x, rate = chance.randint(1, 20), chance.randint(1, 20)
    # Answers may come before their gate's turn.
    deeds = [Deed(chance.uniform(0, 6), SIGNAL, "n1", rate), Deed(chance.uniform(0, 6), APPROVE, "n2")]
    return Order(kind, "released", {"x": x}, [Ending(SUCCEEDED, {"o0": x + 1 + rate})], deeds)


def _rejected(kind: str, chance: random.Random) -> Order:
    deeds = [Deed(chance.uniform(0, 6), REJECT, "n2")]
    return Order(kind, "released", {"x": 1}, [Ending(FAILED, code="Rejected")], deeds)


def _resumed(kind: str, chance: random.Random) -> Order:
    """Rejected first; what it had by then, the answered gate perhaps among it, is reused when it is resumed."""
    x, rate = chance.randint(1, 20), chance.randint(1, 20)
    answer = Deed(chance.uniform(0, 3), SIGNAL, "n1", rate)
    second = [Deed(chance.uniform(0, 3), SIGNAL, "n1", rate), Deed(chance.uniform(0, 6), APPROVE, "n2")]
    then = Order(RESUMED, "released", {"x": x}, [Ending(SUCCEEDED, {"o0": x + 1 + rate})], second)
    first = [answer, Deed(chance.uniform(1, 5), REJECT, "n2")]
    return Order(kind, "released", {"x": x}, [Ending(FAILED, code="Rejected")], first, then)


def _checked(kind: str, chance: random.Random) -> Order:
    x = chance.randint(1, 20)
    holds = Ending(SUCCEEDED, {"o0": x + 2})
    return Order(kind, "checked", {"x": x}, [holds if x + 1 > 10 else Ending(FAILED, code="CheckFailed")])


def _told_why(kind: str, chance: random.Random) -> Order:
    x = chance.randint(1, 20)
    told = f"{x} n1 UserException USER ValueError: no {x + 1}"
    return Order(kind, "told_why", {"x": x}, [Ending(FAILED, {"o0": told}, "UserException")])


def _aborted(workflow: str) -> _Maker:
    """Of a workflow that would never end."""

    def make(kind: str, chance: random.Random) -> Order:
        return Order(kind, workflow, {"x": 1}, [Ending(ABORTED)], [Deed(chance.uniform(0, 8), ABORT)])

    return make


def _aborted_midway(kind: str, chance: random.Random) -> Order:
    """Any other run; whether its end or the abort came first, nobody knows beforehand."""
    others = [maker for _, maker in _KINDS.values() if maker is not _aborted_midway]
    order = chance.choice(others)(kind, chance)
    deeds = [*order.deeds, Deed(chance.uniform(0, 6), ABORT)]
    return Order(kind, order.workflow, order.inputs, [*order.endings, Ending(ABORTED)], deeds)


_KINDS: Mapping[str, tuple[float, _Maker]] = {
    "task": (2, _plain("tasks", lambda x: x + 3)),
    "retries": (1, _plain("retried", lambda x: 10 * x + 1)),
    "map": (2, _plain("squares", lambda n: sum(x * x for x in range(n)), most=12, name="n")),
    "map, failures borne": (
        1,
        _plain("tolerant", lambda n: sum(x for x in range(n) if x % 4 != 3), most=10, name="n"),
    ),
    "branch": (1, _plain("branched", _branched)),
    "sub-workflow": (1, _plain("nested", lambda x: x + 6)),
    "launch plan": (2, _plain("launched", lambda x: x + 2 * 11 + 1)),
    "dynamic": (1.5, _plain("made", _decided)),
    "eager": (1.5, _plain("eagerly", _climbed)),
    "gates": (2, _released),
    "gate, rejected": (0.5, _rejected),
    "gate, rejected, to be resumed": (1, _resumed),
    "check": (1, _checked),
    "on-failure": (1, _told_why),
    "cached": (2, _cached),
    "file": (1, _plain("filed", lambda size: size, most=300_000, name="size")),
    "shell": (1, _plain("shell", lambda x: 2 * x + 1)),
    "endless, aborted": (1, _aborted("endless")),
    "parent, aborted": (1, _aborted("endless_parent")),
    "any, aborted midway": (1, _aborted_midway),
}
"""Weight in the mix, and what makes an order. A new kind of node: a workflow in flows.py and a row here."""
