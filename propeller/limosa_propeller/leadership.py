"""Leadership: of the operators of a cluster one writes, or one of each shard; the others wait."""

import datetime
import enum
import logging
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
        dead: Callable[[str], bool] = is_dead,
        server_time: Callable[[], float] | None = None,
    ) -> None:
        """Prepares; nothing is asked yet.

        Args:
            verbs: Of its own, because others may write only while this leads.
            namespace: Where the Lease is.
            name: Of the Lease.
            seconds: Its length.
            identity: Of this process, see `process_identity`.
            clock: Monotonic seconds.
            dead: Whether the holder of an identity is known not to write any more.
            server_time: Unix seconds by the API server, whose answers it is asked after; None: not known.
        """
        self._verbs = verbs
        self._namespace, self._name, self._seconds = namespace, name, seconds
        self._identity = identity
        self._clock, self._dead, self._server_time = clock, dead, server_time
        self._deadline = float("-inf")
        self._leads_from = float("-inf")
        """Before it another may lead whose Lease was deleted, and who has not found out yet."""
        self._last_seen: tuple[str, float] = ("", 0.0)

    def may_write(self) -> bool:
        """Whether this process leads, now."""
        return self._leads_from <= self._clock() < self._deadline

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
        """One try to take the lease."""
        return await self._ask(self._is_free)

    async def renew(self) -> Attempt:
        """One try to keep it. What another held meanwhile is lost, even where it is free again: much may have been done."""
        return await self._ask(self._is_ours)

    async def _ask(self, may_have: Callable[[dict[str, Any]], bool]) -> Attempt:
        asked_at = self._clock()
        try:
            lease = await self._read()
            if lease is None:
                if not self.may_write():
                    # Whoever led cannot renew from now on, and ceases to write within this time.
                    self._leads_from = float("inf")
                await self._verbs.create(LEASES, self._namespace, self._body({}))
            elif may_have(lease):
                # Of two that try, the server's resourceVersion check lets one through.
                await self._verbs.replace(LEASES, self._namespace, self._name, {**lease, **self._body(lease)})
            else:
                self._leads_from = float("-inf")
                return Attempt.TAKEN
        except ApiError as error:
            if error.status != 409:
                logger.warning("lease request failed", extra={"error": str(error)})
            return Attempt.UNKNOWN
        if self._leads_from == float("inf"):
            self._leads_from = self._clock() + self._seconds
        self._deadline = asked_at + self._seconds * 2 / 3
        return Attempt.HELD if self.may_write() else Attempt.TAKEN

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._verbs.get(LEASES, self._namespace, self._name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _is_ours(self, lease: dict[str, Any]) -> bool:
        return (lease.get("spec") or {}).get("holderIdentity") == self._identity

    def _is_free(self, lease: dict[str, Any]) -> bool:
        """Ours, given up, of a dead process, or unchanged for its whole length; see also `_ask`."""
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder == self._identity or (holder and self._dead(holder)):
            return True
        # One that nobody has held may stand where another's was deleted, who has found out once this one is old enough.
        if not holder and (spec or self._age(lease) > self._seconds):
            return True
        stamp = f"{holder}/{spec.get('renewTime')}"
        if stamp != self._last_seen[0]:
            self._last_seen = (stamp, self._clock())
        return self._clock() - self._last_seen[1] > (spec.get("leaseDurationSeconds") or self._seconds)

    def _age(self, lease: dict[str, Any]) -> float:
        """Seconds since it was made, both times being the API server's; 0 where they are not known."""
        made = lease["metadata"].get("creationTimestamp")
        if self._server_time is None or not made:
            return 0.0
        return self._server_time() - datetime.datetime.fromisoformat(made.replace("Z", "+00:00")).timestamp()

    def _metadata(self, lease: dict[str, Any]) -> dict[str, Any]:
        return lease.get("metadata") or {"name": self._name, "namespace": self._namespace}

    def _body(self, lease: dict[str, Any]) -> dict[str, Any]:
        old = lease.get("spec") or {}
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        same = old.get("holderIdentity") == self._identity
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": self._metadata(lease),
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._seconds,
                "renewTime": now,
                "acquireTime": old.get("acquireTime", now) if same else now,
                "leaseTransitions": (old.get("leaseTransitions") or 0) + (0 if same else 1),
            },
        }
