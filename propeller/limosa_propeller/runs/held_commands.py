"""Commands that rest on what only a status can keep: they wait until one that holds it was accepted."""

from collections import deque

from limosa_engine.commands import Command, DeletePod

UNHURRIED = frozenset({"finished", "failed"})
"""Reasons of pod deletions that nobody waits for: they go when the next status was accepted anyway."""


class HeldCommands:
    """Commands of one run in the order in which they were held, each with the version of the state that it rests on."""

    def __init__(self) -> None:
        self._held: deque[tuple[int, Command]] = deque()

    def hold(self, version: int, command: Command) -> bool:
        """Keeps a command; whether somebody waits for it, so that the status should be written at once."""
        self._held.append((version, command))
        return not (isinstance(command, DeletePod) and command.reason in UNHURRIED)

    def free(self, version: int) -> list[Command]:
        """A status of that version was accepted; gives what may be carried out now."""
        found = []
        while self._held and self._held[0][0] <= version:
            found.append(self._held.popleft()[1])
        return found

    def clear(self) -> None:
        """Forgets everything: the engine has no say any more."""
        self._held.clear()
