"""Child runs on their way to admin: asked for in batches, again and again, until they have ended."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from limosa_idl.admin.v1alpha1.admin_pb2 import LaunchChildrenResponse
from limosa_idl.run.v1alpha1.run_pb2 import RUN_PHASE_RUNNING, RUN_PHASE_SUCCEEDED, RunState
from limosa_model import failures
from limosa_model.names import child_run_uid
from limosa_propeller.admin_link import child_desk
from limosa_propeller.admin_link.child_desk import Child, ChildDesk, State
from limosa_propeller.settings import AdminSettings

ADMIN = AdminSettings(endpoint="127.0.0.1:1")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_desk, "LOOK_SECONDS", (0.02, 0.02))
    monkeypatch.setattr(child_desk, "BACKOFF_SECONDS", (0.01,))


class Admin:
    """Says of every child what `states` says, in turn; the last one again and again."""

    def __init__(self, *states: State | Exception) -> None:
        self.states = list(states)
        self.asked: list[list[Child]] = []
        self.calls = asyncio.Event()

    async def LaunchChildren(self, request: Any, **_: Any) -> Any:
        self.asked.append(list(request.children))
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(state, Exception):
            raise state
        return LaunchChildrenResponse(children=[state for _ in request.children])


class Open:
    """A desk at work."""

    def __init__(self, admin: Admin) -> None:
        self.desk, self.admin = ChildDesk(), admin
        self.told: list[State | None] = []

    async def __aenter__(self) -> "Open":
        work = self.desk.run(self.admin, "c1", ADMIN)  # type: ignore[arg-type]
        self.task = asyncio.ensure_future(work)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def until(self, count: int) -> None:
        while len(self.told) < count:
            await asyncio.sleep(0.001)


def child(path: str = "n0", *, abort: bool = False, target: bool = True) -> Child:
    made = Child(run_uid="p", node_path=path, abort=abort)
    if target and not abort:
        made.target.name = "plan"
    return made


def going(phase: Any = RUN_PHASE_RUNNING) -> State:
    return State(name="c", state=RunState(phase=phase))


def missing() -> State:
    return State(failure=failures.system("ChildMissing", "there is none"))


def run(work: Any) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


def test_children_travel_together_and_inputs_once() -> None:
    async def work() -> None:
        async with Open(Admin(going())) as open_:
            open_.desk.follow(child("n0"), open_.told.append)
            open_.desk.follow(child("n1"), open_.told.append)
            await open_.until(4)
            first, second = open_.admin.asked[:2]
            assert [(one.node_path, one.target.name) for one in first] == [("n0", "plan"), ("n1", "plan")]
            assert not any(one.HasField("target") for one in second)

    run(work())


def test_a_child_that_went_missing_is_asked_for_with_all_it_needs() -> None:
    async def work() -> None:
        async with Open(Admin(going(), missing(), going())) as open_:
            open_.desk.follow(child(), open_.told.append)
            await open_.until(3)
            assert [one[0].HasField("target") for one in open_.admin.asked[:3]] == [True, False, True]

    run(work())


def test_while_admin_does_not_answer_that_is_told_and_it_is_asked_again() -> None:
    async def work() -> None:
        fault = grpc.aio.AioRpcError(
            grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "no"
        )
        async with Open(Admin(fault, going())) as open_:
            open_.desk.follow(child(), open_.told.append)
            await open_.until(2)
            assert open_.told[0] is None
            assert open_.told[1] is not None
            assert all(one[0].HasField("target") for one in open_.admin.asked[:2])

    run(work())


def test_one_that_is_to_be_ended_is_not_made_any_more() -> None:
    async def work() -> None:
        async with Open(Admin(going())) as open_:
            open_.desk.follow(child(abort=True), open_.told.append)
            open_.desk.follow(child(), open_.told.append)
            await open_.until(2)
            assert [(one.abort, one.HasField("target")) for one in open_.admin.asked[0]] == [(True, False)]

    run(work())


def test_an_abort_reaches_a_child_that_is_followed() -> None:
    async def work() -> None:
        async with Open(Admin(going())) as open_:
            open_.desk.follow(child(), open_.told.append)
            await open_.until(1)
            open_.desk.follow(child(abort=True), open_.told.append)
            await open_.until(3)
            assert open_.admin.asked[1][0].abort

    run(work())


def test_what_nobody_follows_is_not_asked_for() -> None:
    async def work() -> None:
        async with Open(Admin(going())) as open_:
            open_.desk.follow(child(), open_.told.append)
            await open_.until(1)
            open_.desk.forget(child(), open_.told.append)
            calls = len(open_.admin.asked)
            await asyncio.sleep(0.1)
            assert len(open_.admin.asked) <= calls + 1

    run(work())


def test_the_end_of_a_run_of_this_cluster_is_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_desk, "LOOK_SECONDS", (600.0, 600.0))

    async def work() -> None:
        async with Open(Admin(going(), going(RUN_PHASE_SUCCEEDED))) as open_:
            open_.desk.follow(child(), open_.told.append)
            await open_.until(1)
            open_.desk.run_ended("another")
            open_.desk.run_ended(child_run_uid("p", "n0"))
            await open_.until(2)
            assert open_.told[-1] == going(RUN_PHASE_SUCCEEDED)

    run(work())
