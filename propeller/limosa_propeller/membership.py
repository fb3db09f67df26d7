"""Which operators of a cluster are alive, where several share its runs."""

import dataclasses
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from limosa_model import names
from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import LEASES, Verbs
from limosa_propeller.leadership import Attempt, Leadership
from limosa_propeller.process_identity import is_dead

logger = logging.getLogger(__name__)

ANNOTATION_OPERATORS = f"{names.GROUP}/operators"
"""On the Lease: by identity, what each operator says of itself."""
TRIES = 4
"""Operators write the same object: whoever comes second tries again at once."""


@dataclasses.dataclass(frozen=True)
class Member:
    """What an operator says of itself."""

    beat: int
    """Grows with each time that it is heard of."""
    held: int
    """Shards it leads."""
    seconds: int
    """Length of its leases."""


class Membership(Leadership):
    """The Lease that all operators of one division into shards hold together.

    An operator that divides the runs into another number of shards waits until the last of these is gone, so that no run
    belongs to two at a time. Where one is not heard of for a lease's length by our own clock, it has ceased to write: its
    own deadline is shorter. It never comes back under its identity, because whoever finds itself left out ends.
    """

    def __init__(
        self,
        verbs: Verbs,
        namespace: str,
        name: str,
        seconds: int,
        identity: str,
        shards: int,
        clock: Callable[[], float] = time.monotonic,
        server_time: Callable[[], float] | None = None,
    ) -> None:
        """As Leadership, for a division into `shards`."""
        super().__init__(verbs, namespace, name, seconds, f"{shards} shards", clock, server_time=server_time)
        self._own = identity
        self._beat = 0
        self._heard: dict[str, tuple[Member, float]] = {}
        """Of each other operator what it last said, and when that was new to us."""
        self._gone: set[str] = set()
        self.joined = False
        """This operator has been among the members."""
        self.held = 0
        """Shards that this operator leads, to be told."""
        self.members: Mapping[str, int] = {}
        """By identity, how many shards each lives with; this operator included. As of the last time it was read."""

    async def attempt(self) -> Attempt:
        """One try to be heard of. TAKEN: the others divide the runs differently, or believe this operator dead."""
        outcome = Attempt.UNKNOWN
        for _ in range(TRIES):
            if outcome is Attempt.UNKNOWN:
                outcome = await super().attempt()
        self.joined = self.joined or outcome is Attempt.HELD
        return outcome

    def is_gone(self, identity: str) -> bool:
        """Whether an operator is known not to write any more."""
        return identity in self._gone or is_dead(identity)

    async def release(self) -> None:
        """Leaves; the others need not wait until they miss this operator."""
        if not self.may_write():
            return
        self._deadline = float("-inf")
        try:
            for _ in range(TRIES):
                if await self._leave():
                    return
        except ApiError as error:
            logger.warning("the other operators were not told of the end", extra={"error": str(error)})

    async def _leave(self) -> bool:
        lease = await self._verbs.get(LEASES, self._namespace, self._name)
        if not self._is_ours(lease):
            return True
        members = {identity: member for identity, member in _read(lease).items() if identity != self._own}
        _write(lease["metadata"], members)
        if not members:
            lease["spec"]["holderIdentity"] = ""
        try:
            await self._verbs.replace(LEASES, self._namespace, self._name, lease)
        except ApiError as error:
            if error.status != 409:
                raise
            return False
        return True

    def _is_free(self, lease: dict[str, Any]) -> bool:
        if self.joined and (not self._is_ours(lease) or self._own not in _read(lease)):
            return False
        return super()._is_free(lease)

    def _metadata(self, lease: dict[str, Any]) -> dict[str, Any]:
        """The Lease's, with all that live; those of another division have ended when this one may begin."""
        metadata = super()._metadata(lease)
        found = _read(lease) if self._is_ours(lease) else {}
        found.pop(self._own, None)
        self._listen(found)
        self._beat += 1
        living = {identity: member for identity, member in found.items() if not self.is_gone(identity)}
        living[self._own] = Member(self._beat, self.held, self._seconds)
        self.members = {identity: member.held for identity, member in living.items()}
        _write(metadata, living)
        return metadata

    def _listen(self, others: Mapping[str, Member]) -> None:
        now = self._clock()
        for identity, member in others.items():
            if identity not in self._heard or self._heard[identity][0].beat != member.beat:
                self._heard[identity] = member, now
        # Whoever was left out may not have found out yet: also of those nothing is certain before their time.
        self._gone.update(
            identity for identity, (member, since) in self._heard.items() if now - since > member.seconds
        )


def _read(lease: Mapping[str, Any]) -> dict[str, Member]:
    """The members that a Lease tells of; none where somebody wrote something else there."""
    told = ((lease.get("metadata") or {}).get("annotations") or {}).get(ANNOTATION_OPERATORS)
    try:
        return {identity: Member(**member) for identity, member in json.loads(told or "{}").items()}
    except (AttributeError, TypeError, ValueError):
        return {}


def _write(metadata: dict[str, Any], members: Mapping[str, Member]) -> None:
    told = json.dumps({identity: dataclasses.asdict(member) for identity, member in members.items()})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION_OPERATORS: told}
