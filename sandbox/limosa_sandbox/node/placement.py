"""Placement: which waiting pods start now, and why the others do not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

from limosa_sandbox.node.resources import Amounts, printed


@dataclass(frozen=True)
class Waiting:
    """A pod without a node.

    Attributes:
        uid: Identity of the pod.
        request: What it takes.
        selector: Labels its node must have.
    """

    uid: str
    request: Amounts
    selector: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def shape(self) -> str:
        """What decides about it; pods of one shape are treated alike."""
        return repr((sorted(self.request.items()), sorted(self.selector.items())))


@dataclass(frozen=True)
class Plan:
    """What to do now.

    Attributes:
        start: uids of the pods that start, in order.
        refusals: Message of each pod that does not.
        never: uids of those that this node can never take.
    """

    start: list[str]
    refusals: dict[str, str]
    never: frozenset[str]


def plan(waiting: Iterable[Waiting], free: Amounts, capacity: Amounts, labels: Mapping[str, str]) -> Plan:
    """Decide about the waiting pods.

    They are served in the order given. A pod that does not fit keeps its place: what it lacks is held for it and what it does not
    lack is set aside, so that later pods pass it only where they do not delay it; no pod starves. Pods that can never fit hold nothing.

    Args:
        waiting: The pods, oldest first.
        free: What is not taken.
        capacity: What the node has in all.
        labels: The node's labels.
    """
    left = dict(free)
    start: list[str] = []
    refusals: dict[str, str] = {}
    never: set[str] = set()
    refused_shapes: dict[str, tuple[str, bool]] = {}
    for pod in waiting:
        shape = pod.shape
        if shape in refused_shapes:
            refusals[pod.uid], is_never = refused_shapes[shape]
            if is_never:
                never.add(pod.uid)
            continue
        reason = impossible(pod, capacity, labels)
        if reason:
            refusals[pod.uid] = reason
            never.add(pod.uid)
            refused_shapes[shape] = (reason, True)
            continue
        lacking = [name for name, amount in pod.request.items() if amount > left.get(name, 0)]
        for name, amount in pod.request.items():
            left[name] = Fraction(0) if name in lacking else left.get(name, Fraction(0)) - amount
        if lacking:
            refusals[pod.uid] = _message(lacking)
            refused_shapes[shape] = (refusals[pod.uid], False)
        else:
            start.append(pod.uid)
    return Plan(start, refusals, frozenset(never))


def impossible(pod: Waiting, capacity: Amounts, labels: Mapping[str, str]) -> str:
    """Return why a node of this capacity can never take a pod, empty if it can."""
    wrong = [f"{name}={value}" for name, value in pod.selector.items() if labels.get(name) != value]
    if wrong:
        return (
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. "
            f"The pod never fits: it selects nodes with {', '.join(wrong)}, and this node has no such label."
        )
    excess = [name for name, amount in pod.request.items() if amount > capacity.get(name, 0)]
    if not excess:
        return ""
    details = "; ".join(
        f"requested {printed(name, pod.request[name])}, node has {printed(name, capacity.get(name, Fraction(0)))} ({name})"
        for name in excess
    )
    return f"{_message(excess)} The pod never fits: {details}."


def _message(lacking: list[str]) -> str:
    reasons = ", ".join(
        "1 Too many pods" if name == "pods" else f"1 Insufficient {name}" for name in sorted(lacking)
    )
    return f"0/1 nodes are available: {reasons}."
