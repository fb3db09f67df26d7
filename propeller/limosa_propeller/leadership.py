"""Leadership: one operator of a cluster writes; the others wait."""

import asyncio
import datetime
import enum
import logging
import random
import time
from collections.abc import Callable
from typing import Any

from limosa_propeller.kube.errors import ApiError
from limosa_propeller.kube.verbs import LEASES, Verbs
from limosa_propeller.process_identity import is_dead

logger = logging.getLogger(__name__)


class Attempt(enum.Enum):
    """How one request for the lease ended."""

    HELD = "this process leads"
    TAKEN = "another process leads"
    UNKNOWN = "no usable answer"


class Leadership:
    """A Lease held and renewed.

    The deadline is two thirds of the lease's length after the request that last renewed it was sent, on this
    process's monotonic clock: it ends here before any other can take over there, whatever the wall clocks say.
    """

    def __init__(
        self,
        verbs: Verbs,
        namespace: str,
        name: str,
        seconds: int,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares; nothing is asked yet.

        Args:
            verbs: Of its own, because others may write only while this leads.
            namespace: Where the Lease is.
            name: Of the Lease.
            seconds: Its length.
            identity: Of this process, see `process_identity`.
            clock: Monotonic seconds.
        """
        self._verbs = verbs
        self._namespace, self._name, self._seconds = namespace, name, seconds
        self._identity = identity
        self._clock = clock
        self._deadline = float("-inf")
        self._last_seen: tuple[str, float] = ("", 0.0)

    def may_write(self) -> bool:
        """Whether this process leads, now."""
        return self._clock() < self._deadline

    async def acquire(self) -> None:
        """Returns once this process leads."""
        place = f"{self._namespace}/{self._name}"
        waiting = False
        while await self.attempt() is not Attempt.HELD:
            if not waiting:
                logger.info("waiting for leadership", extra={"lease": place})
            waiting = True
            await asyncio.sleep(self._seconds / 10 * random.uniform(0.8, 1.2))
        logger.info("leading", extra={"lease": place, "identity": self._identity})

    async def keep(self) -> None:
        """Renews until leadership is lost; then returns, and the process must end.

        A lease that ran out is not renewed, though it may be free: another process may have led meanwhile.
        """
        while self.may_write():
            await asyncio.sleep(min(self._seconds / 5, max(0.0, self._deadline - self._clock())))
            if self.may_write() and await self.attempt() is Attempt.TAKEN:
                self._deadline = float("-inf")

    async def release(self) -> None:
        """Lets the next one start at once. A failure is of no consequence: the lease runs out by itself."""
        if not self.may_write():
            return
        self._deadline = float("-inf")
        try:
            lease = await self._verbs.get(LEASES, self._namespace, self._name)
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"]["holderIdentity"] = ""
                await self._verbs.replace(LEASES, self._namespace, self._name, lease)
        except ApiError as error:
            logger.warning("leadership was not released", extra={"error": str(error)})

    async def attempt(self) -> Attempt:
        """One try to take or renew the lease."""
        asked_at = self._clock()
        try:
            lease = await self._read()
            if lease is None:
                await self._verbs.create(LEASES, self._namespace, self._body({}))
            elif self._is_free(lease.get("spec") or {}):
                # Of two that try, the server's resourceVersion check lets one through.
                await self._verbs.replace(LEASES, self._namespace, self._name, {**lease, **self._body(lease)})
            else:
                return Attempt.TAKEN
        except ApiError as error:
            if error.status != 409:
                logger.warning("lease request failed", extra={"error": str(error)})
            return Attempt.UNKNOWN
        self._deadline = asked_at + self._seconds * 2 / 3
        return Attempt.HELD

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._verbs.get(LEASES, self._namespace, self._name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _is_free(self, spec: dict[str, Any]) -> bool:
        """Ours, given up, of a dead process, or unchanged for its whole length by our own clock."""
        holder = spec.get("holderIdentity") or ""
        if holder in ("", self._identity) or is_dead(holder):
            return True
        stamp = f"{holder}/{spec.get('renewTime')}"
        if stamp != self._last_seen[0]:
            self._last_seen = (stamp, self._clock())
        return self._clock() - self._last_seen[1] > (spec.get("leaseDurationSeconds") or self._seconds)

    def _body(self, lease: dict[str, Any]) -> dict[str, Any]:
        old = lease.get("spec") or {}
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = old.get("holderIdentity") == self._identity
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": lease.get("metadata") or {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._seconds,
                "renewTime": now,
                "acquireTime": old.get("acquireTime", now) if same else now,
                "leaseTransitions": (old.get("leaseTransitions") or 0) + (0 if same else 1),
            },
        }
