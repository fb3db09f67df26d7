"""Gates: what a gate node takes and gives, and which signals fit it."""

from collections.abc import Iterator

from limosa_idl.core.v1alpha1.interface_pb2 import Interface, Variable
from limosa_idl.run.v1alpha1.run_pb2 import Signal
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, GateNode, Node
from limosa_model.graph import scope_nodes, with_cases
from limosa_model.pod_contract import INLINE_OUTPUTS_LIMIT
from limosa_model.problems import Problem
from limosa_model.types import conforms, describe

VALUE = "value"
"""Input of an approval that it passes on."""
OUTPUT = "o0"
"""What a gate gives."""
MAX_VALUE_BYTES = INLINE_OUTPUTS_LIMIT
"""Largest serialised value that a gate may be told."""
LONGEST_SECONDS = 10 * 366 * 86_400
"""Longest sleep or timeout of a gate."""


def gate_interface(gate: GateNode) -> Interface:
    """What a gate takes and gives."""
    kind = gate.WhichOneof("kind")
    if kind == "approval" and gate.approval.HasField("type"):
        passed = gate.approval.type
        return Interface(
            inputs=[Variable(name=VALUE, type=passed)], outputs=[Variable(name=OUTPUT, type=passed)]
        )
    if kind == "wait_for_input":
        return Interface(outputs=[Variable(name=OUTPUT, type=gate.wait_for_input.type)])
    return Interface()


def gate_problems(gate: GateNode, place: str) -> Iterator[Problem]:
    """What is wrong with a gate by itself."""
    kind = gate.WhichOneof("kind")
    again = "compile it again with a current SDK"
    if kind is None:
        yield Problem("GateKind", place, "the gate waits for nothing", again)
    if kind == "wait_for_input" and gate.wait_for_input.type.WhichOneof("kind") is None:
        yield Problem("GateType", place, "the value that it waits for has no type", again)
    if kind == "sleep" and gate.HasField("timeout"):
        yield Problem("GateTimeout", place, "a sleep has no timeout", "give it only a duration")
    for what, duration in (("sleep", gate.sleep.duration), ("timeout", gate.timeout)):
        if not 0 <= duration.seconds <= LONGEST_SECONDS or duration.nanos < 0:
            yield Problem(
                "GateDuration", place, f"the {what} is {duration.seconds} s", "give 0 s to 10 years"
            )


def gates_with_signals(closure: Closure) -> Iterator[Node]:
    """Gates of a closure that wait for a signal, cases of branches included."""
    for workflow in closure.workflows:
        for node in with_cases(scope_nodes(workflow)):
            if node.WhichOneof("target") == "gate" and not node.gate.HasField("sleep"):
                yield node


def signal_problem(gate: GateNode, signal: Signal) -> str:
    """Why a signal does not fit a gate, for people; empty when it does."""
    kind, told = gate.WhichOneof("kind"), signal.WhichOneof("kind")
    if kind == "sleep":
        return "it sleeps and takes no answer; it ends by itself"
    if kind == "approval":
        return "" if told == "approved" else "it waits for an approval: approve or reject it"
    wanted = describe(gate.wait_for_input.type)
    if told != "value":
        return f"it waits for a value of type {wanted}, not for an approval"
    size = signal.value.ByteSize()
    if size > MAX_VALUE_BYTES:
        return (
            f"the value takes {size:,} bytes, at most {MAX_VALUE_BYTES:,} are allowed; pass a file's address"
        )
    reason = conforms(signal.value, gate.wait_for_input.type)
    return f"it waits for a value of type {wanted}: {reason}" if reason else ""
