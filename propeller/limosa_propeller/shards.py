"""Which shares of a cluster's runs this process leads."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping

from limosa_propeller.kube.verbs import Verbs
from limosa_propeller.leadership import Attempt, Leadership
from limosa_propeller.membership import Membership
from limosa_propeller.process_identity import is_dead
from limosa_propeller.settings import OperatorSettings

logger = logging.getLogger(__name__)

ROUNDS = 8
"""Times that a lease is renewed, or looked at, within its length."""


def quota(led: Mapping[str, int], own: str, shards: int) -> int:
    """How many shards an operator should lead.

    Shares differ by one at most; where some must have one more, those have it that lead the most already.

    Args:
        led: By identity, how many shards each living operator leads.
        own: Identity of the operator in question, one of those.
        shards: How many there are.
    """
    order = sorted(led, key=lambda identity: (-led[identity], identity))
    share, more = divmod(shards, len(order))
    return share + (order.index(own) < more)


class Shards:
    """The Leases of the shards that this process leads; of an undivided cluster it is the one Lease.

    Losing one of them is the end of the process. Giving one up because another operator has come, and taking one because
    another is gone, is told by `changed`; whoever runs the process then stops what it does, and calls `settle`.
    """

    def __init__(
        self,
        verbs: Verbs,
        settings: OperatorSettings,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
        server_time: Callable[[], float] | None = None,
    ) -> None:
        """Prepares; nothing is asked yet.

        Args:
            verbs: Of its own, because others may write only while this leads.
            settings: Where the Leases are, their length, how many shards.
            identity: Of this process, see `process_identity`.
            clock: Monotonic seconds.
            server_time: Unix seconds by the API server; None: not known.
        """
        self.count = settings.shards
        """Shards that the cluster's runs are divided into."""
        self._identity, self._seconds = identity, settings.lease_seconds
        place = settings.lease_namespace, settings.lease_name, settings.lease_seconds
        self._members: Membership | None = None
        leases = [settings.lease_name]
        if self.count > 1:
            self._members = Membership(verbs, *place, identity, self.count, clock, server_time)
            leases = [f"{settings.lease_name}-{shard}" for shard in range(self.count)]
        self._leases = [
            Leadership(verbs, place[0], name, place[2], identity, clock, self._is_dead, server_time)
            for name in leases
        ]
        self._led: set[int] = set()
        self._ran_out = False
        self._surplus: set[int] = set()
        self._turn = asyncio.Lock()
        self._leading = asyncio.Event()
        self._told_waiting = False
        self.changed = asyncio.Event()
        """Set when this process leads, or should lead, other shards than `settle` said."""

    @property
    def led(self) -> tuple[int, ...]:
        """Shards that this process leads."""
        return tuple(sorted(self._led))

    def may_write(self) -> bool:
        """Whether this process leads everything that it took, now.

        Once it did not, it never does again, whatever answer was on its way: who was refused a write waits for a process
        that starts anew.
        """
        if self._led and not self._ran_out:
            held = all(self._leases[shard].may_write() for shard in self._led)
            self._ran_out = not (held and (self._members is None or self._members.may_write()))
        return bool(self._led) and not self._ran_out

    async def keep(self) -> None:
        """Takes what it should lead and renews it. Returns when something was lost; the process must end then."""
        while await self.attend():
            await asyncio.sleep(self._seconds / ROUNDS * random.uniform(0.9, 1.1))

    async def attend(self) -> bool:
        """Takes, renews and looks at everything once. False when something was lost."""
        async with self._turn:
            if self._led and not self.may_write():
                return False
            known = await self._tell_members()
            if known is Attempt.TAKEN and self._members is not None and self._members.joined:
                return False
            answers = await asyncio.gather(*(self._leases[shard].renew() for shard in self._led))
            if Attempt.TAKEN in answers:
                return False
            if known is Attempt.HELD:
                await self._balance()
            self._tell_waiting()
            return not self._led or self.may_write()

    async def settle(self) -> tuple[int, ...]:
        """Gives up what others should lead, and returns what this process leads once that is something.

        To be called when nothing of this process writes.
        """
        async with self._turn:
            await self._give_up(self._surplus)
            self._surplus = set()
        await self._leading.wait()
        self.changed.clear()
        if self.may_write():
            logger.info(
                "leading", extra={"shards": f"{self.led} of {self.count}", "identity": self._identity}
            )
        return self.led

    async def release(self) -> None:
        """Lets others go on at once."""
        await self._give_up(set(self._led))
        if self._members is not None:
            await self._members.release()

    async def _tell_members(self) -> Attempt:
        if self._members is None:
            return Attempt.HELD
        self._members.held = len(self._led)
        return await self._members.attempt()

    async def _balance(self) -> None:
        wanted = 1 if self._members is None else quota(self._members.members, self._identity, self.count)
        self._surplus = set(sorted(self._led)[wanted:])
        if self._surplus:
            self.changed.set()
        for shard, lease in enumerate(self._leases):
            if len(self._led) >= wanted:
                break
            if shard not in self._led and await lease.attempt() is Attempt.HELD:
                self._led.add(shard)
                self._leading.set()
                self.changed.set()

    async def _give_up(self, shards: set[int]) -> None:
        leases = [self._leases[shard] for shard in shards]
        self._led -= shards
        if not self._led:
            self._leading.clear()
        await asyncio.gather(*(lease.release() for lease in leases))

    def _tell_waiting(self) -> None:
        if not self._led and not self._told_waiting:
            logger.info("waiting for leadership", extra={"shards": self.count})
        self._told_waiting = not self._led

    def _is_dead(self, identity: str) -> bool:
        return is_dead(identity) or (self._members is not None and self._members.is_gone(identity))
