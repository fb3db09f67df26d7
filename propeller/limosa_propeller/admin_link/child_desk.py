"""Child runs in admin: asked for, looked at while they are open, and ended, in batches for all runs together.

Level-based: each call says all there is to say about a child, so a lost answer, a lost call or a restart does no harm.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import grpc
import grpc.aio

from limosa_idl.admin.v1alpha1.admin_pb2 import LaunchChildrenRequest, LaunchChildrenResponse
from limosa_model.failures import Code
from limosa_model.names import child_run_uid
from limosa_propeller.admin_link.channel import call_metadata
from limosa_propeller.settings import AdminSettings

if TYPE_CHECKING:
    from limosa_idl.admin.v1alpha1.admin_pb2_grpc import OperatorServiceAsyncStub

logger = logging.getLogger(__name__)

Child = LaunchChildrenRequest.Child
State = LaunchChildrenResponse.ChildState

BATCH = 200
"""Children of one call."""
BATCH_BYTES = 4 * 1024 * 1024
"""Inputs of one call; one child always fits."""
GATHER_SECONDS = 0.01
"""What comes within it travels together."""
LOOK_SECONDS = (1.0, 10.0)
"""Shortest and longest time between two looks at a child; it is a tenth of the child's age in between."""
CALL_SECONDS = 20.0
BACKOFF_SECONDS = (0.25, 0.5, 1.0, 2.0)


Tell = Callable[[State | None], None]
"""Takes each state of a child that admin answers with; and None while admin does not answer."""


class NoChildren:
    """Stands in where there is no admin: nobody follows a child then."""

    def follow(self, child: Child, tell: Tell) -> None:
        """Tells nothing."""

    def forget(self, child: Child, tell: Tell) -> None:
        """Has nothing to forget."""


class Following:
    """One open child, and who wants to hear of it."""

    def __init__(self, child: Child, now: float) -> None:
        """Begins: it is due at once."""
        self.child = child
        self.told: list[Tell] = []
        self.since = self.due = now
        self.known = False
        """Admin has it: its target and inputs need not be said again."""

    def wish(self) -> Child:
        """What the next call says."""
        if not self.known:
            return self.child
        child = self.child
        return Child(run_uid=child.run_uid, node_path=child.node_path, abort=child.abort, epoch=child.epoch)

    def tell(self, state: State | None) -> None:
        """Tells everybody."""
        for tell in list(self.told):
            tell(state)


class ChildDesk:
    """Children that runs of this cluster wait for."""

    def __init__(self) -> None:
        self._open: dict[str, Following] = {}
        self._work = asyncio.Event()

    def follow(self, child: Child, tell: Tell) -> None:
        """Sees to a child, and tells of it until `forget`. One that is to be ended is not made any more."""
        now = asyncio.get_running_loop().time()
        following = self._open.setdefault(_uid(child), Following(child, now))
        following.told.append(tell)
        following.due = now
        if child.abort and not following.child.abort:
            following.child, following.known = child, False
        self._work.set()

    def forget(self, child: Child, tell: Tell) -> None:
        """One waits for the child no longer; the last one ends the looking."""
        following = self._open.get(_uid(child))
        if following is None or tell not in following.told:
            return
        following.told.remove(tell)
        if not following.told:
            del self._open[_uid(child)]

    def run_ended(self, uid: str) -> None:
        """Admin was told of the end of a run of this cluster: if somebody waits for it, there is news."""
        following = self._open.get(uid)
        if following is not None:
            following.due = asyncio.get_running_loop().time()
            self._work.set()

    async def run(self, stub: "OperatorServiceAsyncStub", cluster_uid: str, admin: AdminSettings) -> None:
        """Asks until cancelled."""
        failures = 0
        while True:
            await self._until_due()
            batch = self._due()
            if not batch:
                continue
            request = LaunchChildrenRequest(cluster_uid=cluster_uid, children=[one.wish() for one in batch])
            try:
                answer = await stub.LaunchChildren(
                    request, timeout=CALL_SECONDS, metadata=call_metadata(admin)
                )
            except (grpc.aio.AioRpcError, OSError) as error:
                for following in batch:
                    following.tell(None)
                await _pause(error, failures)
                failures += 1
                continue
            failures = 0
            for following, state in zip(batch, answer.children, strict=True):
                self._take(following, state)

    async def _until_due(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._work.clear()
            earliest = min((one.due for one in self._open.values()), default=None)
            if earliest is not None and earliest <= loop.time():
                await asyncio.sleep(GATHER_SECONDS)
                return
            delay = None if earliest is None else earliest - loop.time()
            try:
                await asyncio.wait_for(self._work.wait(), delay)
            except asyncio.TimeoutError:
                continue

    def _due(self) -> list[Following]:
        now = asyncio.get_running_loop().time()
        chosen: list[Following] = []
        size = 0
        for following in sorted(self._open.values(), key=lambda one: one.due):
            size += following.wish().ByteSize()
            if following.due > now or len(chosen) == BATCH or (chosen and size > BATCH_BYTES):
                break
            chosen.append(following)
        return chosen

    def _take(self, following: Following, state: State) -> None:
        now = asyncio.get_running_loop().time()
        shortest, longest = LOOK_SECONDS
        pause = min(max((now - following.since) / 10, shortest), longest)
        following.due = now + pause * random.uniform(0.9, 1.1)
        # One that was deleted meanwhile is made again.
        following.known = state.failure.code != Code.CHILD_MISSING
        following.tell(state)


def _uid(child: Child) -> str:
    return child_run_uid(child.run_uid, child.node_path)


async def _pause(error: Exception, failures: int) -> None:
    told = error.details() if isinstance(error, grpc.aio.AioRpcError) else error
    level = logging.INFO if failures == 0 else logging.WARNING
    logger.log(level, "admin is not reached", extra={"call": "children", "error": str(told)})
    seconds = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
    await asyncio.sleep(seconds * random.uniform(0.7, 1.3))
