"""What gates are told in runs on this machine: given in advance, or asked for on the terminal."""

import difflib
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from limosa.errors import LimosaError
from limosa.local.gates import gates_of
from limosa.local.transfer import LocalTransfer
from limosa_idl.core.v1alpha1.literal_pb2 import Literal
from limosa_idl.core.v1alpha1.types_pb2 import SIMPLE_TYPE_STRING, LiteralType
from limosa_idl.workflow.v1alpha1.workflow_pb2 import Node
from limosa_model.failures import Code
from limosa_model.gates import OUTPUT, VALUE
from limosa_model.plain import PlainError, from_plain
from limosa_model.types import conforms, describe

_given: ContextVar[Mapping[str, Any]] = ContextVar("limosa_answers")
_YES = {"y": True, "yes": True, "true": True, "n": False, "no": False, "false": False, "": False}


@contextmanager
def answering(answers: Mapping[str, Any]) -> Iterator[None]:
    """Gives gates their answers in advance, by name or path; those of an outer call stay for the others."""
    token = _given.set({**_given.get({}), **answers})
    try:
        yield
    finally:
        _given.reset(token)


def pass_gate(
    node: Node, inputs: Mapping[str, Literal], path: str, transfer: LocalTransfer
) -> dict[str, Literal]:
    """Waits as the gate says and gives its outputs.

    Raises:
        LimosaError: It was rejected, what it was told does not fit, or nobody is there to ask.
    """
    gate, answers = node.gate, _given.get({})
    known = path if path in answers else node.display_name
    given = answers.get(known)
    if gate.HasField("sleep"):
        if known not in answers:
            time.sleep(gate.sleep.duration.seconds + gate.sleep.duration.nanos / 1e9)
        return {}
    if gate.HasField("approval"):
        approved = _approval(given, node, path) if known in answers else _ask_approval(node, path)
        if not approved:
            raise LimosaError(
                Code.REJECTED, f"gate {path} ('{node.display_name}') was rejected", _place(node)
            )
        return {OUTPUT: inputs[VALUE]} if VALUE in inputs else {}
    wanted = gate.wait_for_input.type
    if known not in answers:
        given = _ask(node, path, f"a value of type {describe(wanted)}: ")
        return {OUTPUT: _from_text(given, wanted, node, path)}
    return {OUTPUT: _literal(given, wanted, node, path, transfer)}


def check_answers(entity: Any, answers: Mapping[str, str]) -> None:
    """Refuses answers that no gate of a task, workflow or launch plan takes, before anything runs.

    Args:
        entity: What is to run.
        answers: As on a command line, by name or path of the gate.

    Raises:
        LimosaError: There is no such gate, or it takes other answers.
    """
    graph = gates_of(entity)
    names = list(dict.fromkeys(gate.node.display_name for gate in graph.gates))
    for key, text in answers.items():
        meant = [gate for gate in graph.gates if key in (gate.path, gate.node.display_name)]
        if not meant and graph.whole:
            raise _unknown(key, names, f"--answer {key}={text}")
        for gate in meant:
            if gate.node.gate.HasField("approval"):
                _approval(text, gate.node, gate.path)
            elif gate.node.gate.HasField("wait_for_input"):
                _from_text(text, gate.node.gate.wait_for_input.type, gate.node, gate.path)


def _approval(given: Any, node: Node, path: str) -> bool:
    found = _YES.get(given.strip().lower()) if isinstance(given, str) else given
    if not isinstance(found, bool):
        wanted = "yes or no" if isinstance(given, str) else "True or False"
        raise _misfit(node, path, f"expected {wanted}, got {given!r}", f"answer {wanted}")
    return found


def _ask_approval(node: Node, path: str) -> bool:
    while True:
        answer = _YES.get(_ask(node, path, "approve? [y/N] ").strip().lower())
        if answer is not None:
            return answer


def _ask(node: Node, path: str, what: str) -> str:
    """A line from the terminal."""
    if not sys.stdin.isatty():
        name = node.display_name
        message = f"gate {path} ('{name}') waits for an answer, and there is no terminal to ask on"
        wait = node.gate.wait_for_input
        value = f"<{describe(wait.type)}>" if node.gate.HasField("wait_for_input") else "yes"
        remedy = f"answer in advance: limosa run --answer {name}={value}, in tests limosa.testing.answers({{{name!r}: …}})"
        raise LimosaError("GateUnanswered", message, _place(node), remedy)
    prompt = f" {node.gate.prompt}" if node.gate.prompt else ""
    print(f"{path} ({node.display_name}):{prompt} {what}", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise LimosaError("GateUnanswered", f"gate {path}: the terminal was closed", _place(node))
    return line.rstrip("\n")


def _literal(given: Any, wanted: LiteralType, node: Node, path: str, transfer: LocalTransfer) -> Literal:
    """A value given in advance: plain data, text as on a command line, or the Python object itself."""
    if isinstance(given, str):
        return _from_text(given, wanted, node, path)
    remedy = f"answer with a value of type {describe(wanted)}"
    try:
        return from_plain(given, wanted)
    except PlainError as error:
        from limosa.types import ValueProblem, to_literal

        try:
            literal = to_literal(given, type(given), transfer)
        except (ValueProblem, LimosaError, ValueError):
            raise _misfit(node, path, str(error), remedy) from error
        reason = conforms(literal, wanted)
        if reason:
            raise _misfit(node, path, reason, remedy) from error
        return literal


def _from_text(text: str, wanted: LiteralType, node: Node, path: str) -> Literal:
    if wanted.simple != SIMPLE_TYPE_STRING:
        try:
            return from_plain(json.loads(text), wanted)
        except ValueError:
            pass
    try:
        return from_plain(text, wanted)
    except PlainError as error:
        raise _misfit(node, path, str(error), f"answer with a value of type {describe(wanted)}") from None


def _unknown(key: str, names: list[str], place: str) -> LimosaError:
    close = difflib.get_close_matches(key, names, n=1)
    remedy = f"did you mean '{close[0]}'?" if close else "" if names else "leave it out"
    message = f"there is no gate '{key}'; " + (f"gates are {', '.join(names)}" if names else "there is none")
    return LimosaError("UnknownGate", message, place, remedy)


def _misfit(node: Node, path: str, why: str, remedy: str) -> LimosaError:
    message = f"gate {path} ('{node.display_name}'): {why}"
    return LimosaError(Code.BAD_INPUT, message, _place(node), remedy)


def _place(node: Node) -> str:
    return f"{node.source.file}:{node.source.line}"
