"""Graphs that nodes of a run made while it ran, as its snapshots tell of them: what lies below dynamic and eager nodes."""

from collections.abc import Iterable, Mapping

from limosa_idl.run.v1alpha1.run_pb2 import NodeState
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure


def made_graphs(states: Iterable[tuple[str, NodeState]]) -> dict[str, Closure]:
    """What lies below dynamic and eager nodes, by their paths.

    Args:
        states: Paths and latest states of nodes, in any order.
    """
    found: dict[str, Closure] = {}
    calls: dict[str, dict[str, Closure]] = {}
    for path, state in states:
        if state.HasField("graph"):
            found[path] = state.graph
        if state.HasField("call"):
            owner, _, call = path.rpartition("/")
            calls.setdefault(owner, {})[call] = state.call
    found.update((owner, together(made)) for owner, made in calls.items())
    return found


def together(calls: Mapping[str, Closure]) -> Closure:
    """The calls of one eager node as one graph, in their order.

    Args:
        calls: By id.
    """
    merged = Closure()
    tasks, workflows = set[str](), set[str]()
    for _, call in sorted(calls.items(), key=lambda item: _order(item[0])):
        if not merged.entry:
            merged.entry = call.entry
            merged.workflows.add(name=call.entry)
        entry = next(workflow for workflow in call.workflows if workflow.name == call.entry)
        merged.workflows[0].nodes.extend(entry.nodes)
        for task in call.tasks:
            if task.name not in tasks:
                tasks.add(task.name)
                merged.tasks.append(task)
        for workflow in call.workflows:
            if workflow.name != call.entry and workflow.name not in workflows:
                workflows.add(workflow.name)
                merged.workflows.append(workflow)
    return merged


def _order(call: str) -> list[int]:
    """Sorts "e2-0" before "e10"."""
    return [int(part) if part.isdigit() else -1 for part in call.removeprefix("e").split("-")]
