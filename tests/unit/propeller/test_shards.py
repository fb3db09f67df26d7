"""Operators that share a cluster's runs: who leads what, as seen by a clock that every test moves itself."""

import asyncio
import gc
import logging
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lease_server import LeaseServer, Watch

from limosa_model.names import shard_of
from limosa_propeller.kube.errors import NotLeaderError
from limosa_propeller.runs.division import Division
from limosa_propeller.runs.services import RUNS
from limosa_propeller.runs.sorting import Sorting
from limosa_propeller.settings import OperatorSettings
from limosa_propeller.shards import Shards, quota

LEASE = 10


class Stand:
    """A lease server and operators, each its own process as far as it knows."""

    def __init__(self) -> None:
        self.server, self.clock = LeaseServer(), Watch()
        self.operators: dict[str, Shards] = {}

    def operator(self, identity: str, shards: int) -> Shards:
        settings = OperatorSettings(shards=shards, lease_seconds=LEASE)
        made = Shards(self.server, settings, identity, self.clock)  # type: ignore[arg-type]
        self.operators[identity] = made
        return made

    def leaders(self) -> list[tuple[int, int]]:
        """(Division, shard) of everything that somebody may write now; once for each who may."""
        writing = [operator for operator in self.operators.values() if operator.may_write()]
        return [(operator.count, shard) for operator in writing for shard in operator.led]

    def check(self) -> None:
        """No shard has two leaders, and nobody of another division leads beside them."""
        leaders = self.leaders()
        assert len(leaders) == len(set(leaders)), leaders
        assert len({count for count, _ in leaders}) <= 1, leaders


@pytest.fixture
def stand() -> Stand:
    return Stand()


async def turn(*operators: Shards) -> None:
    """One round of each; who is to give something up does."""
    for operator in operators:
        assert await operator.attend()
        if operator.changed.is_set() and operator.led:
            await asyncio.wait_for(operator.settle(), 1)


@given(
    led=st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 8), min_size=1), shards=st.integers(1, 16)
)
def test_quotas_are_even_and_cover_every_shard(led: dict[str, int], shards: int) -> None:
    quotas = [quota(led, identity, shards) for identity in led]
    assert sum(quotas) == shards
    assert max(quotas) - min(quotas) <= 1


def test_who_leads_most_already_has_the_odd_one() -> None:
    assert quota({"a": 0, "b": 1}, "b", 1) == 1
    assert quota({"a": 1, "b": 2}, "b", 3) == 2


async def test_two_operators_lead_half_each(stand: Stand) -> None:
    a, b = stand.operator("a", 4), stand.operator("b", 4)
    await turn(a)
    assert a.led == (0, 1, 2, 3)
    await turn(b, a, b)
    assert len(a.led) == len(b.led) == 2
    assert sorted(a.led + b.led) == [0, 1, 2, 3]
    stand.check()


async def test_what_one_leads_is_not_taken_before_it_has_stopped(stand: Stand) -> None:
    a, b = stand.operator("a", 2), stand.operator("b", 2)
    await turn(a)
    await b.attend()
    await a.attend()
    assert a.changed.is_set()
    await b.attend()
    assert (a.led, b.led) == ((0, 1), ())
    await a.settle()
    await b.attend()
    assert (a.led, b.led) == ((0,), (1,))


async def test_the_shards_of_one_that_is_gone_are_taken_within_the_promised_time(stand: Stand) -> None:
    a, b = stand.operator("a", 2), stand.operator("b", 2)
    await turn(a, b, a, b)
    # From here on nothing is heard of a.
    gone = stand.clock.time
    while len(b.led) < 2:
        stand.clock.time += LEASE / 8
        stand.check()
        await b.attend()
        stand.check()
    # The rest of the 15 seconds is for reading the cluster.
    assert stand.clock.time - gone <= 13
    assert not a.may_write()
    assert not await a.attend()


@pytest.mark.parametrize("shards", [1, 2])
async def test_who_was_refused_a_write_ends_though_the_lease_was_renewed_a_moment_later(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    """Nobody asks for the write again but a process that starts anew."""
    a = stand.operator("a", shards)
    await turn(a)
    replace, meanwhile = stand.server.replace, []

    async def slow(*given: Any) -> None:
        if not meanwhile:
            stand.clock.time += LEASE * 0.3
            meanwhile.append(a.may_write())
        await replace(*given)

    monkeypatch.setattr(stand.server, "replace", slow)
    stand.clock.time += LEASE * 0.5
    assert not await a.attend()
    assert meanwhile == [False]
    assert not a.may_write()


async def test_an_orderly_end_is_taken_over_at_once(stand: Stand) -> None:
    a, b = stand.operator("a", 2), stand.operator("b", 2)
    await turn(a, b, a, b)
    await a.release()
    await turn(b)
    assert b.led == (0, 1)


async def test_a_spare_operator_leads_nothing_and_takes_over(stand: Stand) -> None:
    a, b = stand.operator("a", 1), stand.operator("b", 1)
    await turn(a, b, a, b)
    assert (a.led, b.led) == ((0,), ())
    await a.release()
    await turn(b)
    assert b.led == (0,)


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("given_up", [False, True])
async def test_a_leader_that_slept_past_its_deadline_leads_no_more(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, shards: int, given_up: bool
) -> None:
    """Even where its leases are free: another may have led meanwhile, and what this one remembers is old."""
    a, b = stand.operator("a", shards), stand.operator("b", shards)
    slept: list[float] = []

    async def oversleep(seconds: float) -> None:
        slept.append(seconds)
        assert len(slept) == 1, "it leads on"
        stand.clock.time += LEASE * 3
        if given_up:
            for _ in range(2):
                await b.attend()
                stand.clock.time += LEASE + 1
            await b.release()

    monkeypatch.setattr(asyncio, "sleep", oversleep)
    await a.keep()
    assert a.led
    assert not a.may_write()
    stand.check()


async def test_who_was_left_out_ends(stand: Stand) -> None:
    a, b = stand.operator("a", 2), stand.operator("b", 2)
    await turn(a, b, a, b)
    lease = stand.server.leases["limosa-propeller"]
    del lease["metadata"]["annotations"]
    assert not await a.attend()


async def test_a_lease_that_somebody_deleted_leads_to_no_second_leader(stand: Stand) -> None:
    a, b = stand.operator("a", 2), stand.operator("b", 2)
    await turn(a, b, a, b)
    stand.server.new = False
    del stand.server.leases["limosa-propeller"]
    for _ in range(16):
        assert await a.attend()
        stand.check()
        stand.clock.time += LEASE / 8
    assert a.led == (0, 1)
    assert not await b.attend()


async def test_another_number_of_shards_waits_for_the_last_of_the_old(stand: Stand) -> None:
    a, b = stand.operator("a", 2), stand.operator("b", 2)
    await turn(a, b, a, b)
    new = stand.operator("new", 3)
    await a.release()
    for _ in range(20):
        stand.clock.time += LEASE / 8
        await turn(b, new)
        assert new.led == ()
    await b.release()
    await turn(new)
    assert new.led == (0, 1, 2)


async def test_one_shard_and_several_exclude_each_other(stand: Stand) -> None:
    whole, half = stand.operator("whole", 1), stand.operator("half", 2)
    await turn(whole, half)
    assert (whole.led, half.led) == ((0,), ())
    await whole.release()
    await turn(half, whole)
    assert (whole.led, half.led) == ((), (0, 1))


STEPS = st.one_of(
    st.tuples(st.just("attend"), st.sampled_from("abcd")),
    st.tuples(st.just("settle"), st.sampled_from("abcd")),
    st.tuples(st.just("release"), st.sampled_from("abcd")),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 1.25, 4.0, 7.0, 11.0])),
    st.tuples(st.just("server"), st.booleans()),
)


@given(steps=st.lists(STEPS, max_size=60))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_no_run_has_two_leaders(steps: list[tuple[str, object]]) -> None:
    asyncio.run(play(steps))


async def play(steps: list[tuple[str, object]]) -> None:
    """Operators a, b and c of two shards and d of three; each ends where a process would."""
    stand = Stand()
    for identity in "abcd":
        stand.operator(identity, 3 if identity == "d" else 2)
    for what, which in steps:
        operator = stand.operators.get(str(which))
        if what == "wait":
            assert isinstance(which, float)
            stand.clock.time += which
        elif what == "server":
            stand.server.down = not which
        elif operator is not None and what == "attend":
            if not await operator.attend():
                del stand.operators[str(which)]
        elif operator is not None and what == "settle" and operator.led and operator.changed.is_set():
            await asyncio.wait({asyncio.ensure_future(operator.settle())}, timeout=0.01)
        elif operator is not None and what == "release":
            await operator.release()
            del stand.operators[str(which)]
        stand.check()


def test_an_undivided_cluster_has_no_labels() -> None:
    whole = Division()
    assert (whole.ours, whole.sorts, whole.labels("uid")) == ("", False, {})
    assert whole.has("uid", {})
    assert whole.share(7) == 7


def test_a_division_tells_its_runs_by_uid_and_label() -> None:
    shard = shard_of("uid", 3)
    label = {"limosa.dev/shard": f"{shard}-of-3"}
    ours, others = Division(3, (shard,)), Division(3, tuple({0, 1, 2} - {shard}))
    assert ours.labels("uid") == label
    assert ours.has("uid", label)
    assert not ours.has("uid", {})
    assert not others.has("uid", label)
    assert ours.ours == f"limosa.dev/shard in ({shard}-of-3)"
    assert (ours.share(100), others.share(100)) == (34, 67)


def test_a_run_stays_in_its_shard_for_ever() -> None:
    # Written down: another hash would give every run of a cluster to somebody else while its pods run.
    assert [shard_of(uid, 4) for uid in ("a", "b", "c", "d")] == [2, 2, 2, 1]


async def test_who_has_lost_its_leadership_does_not_say_that_it_leads(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    operator = stand.operator("a", 1)
    while not operator.may_write():
        assert await operator.attend()
        stand.clock.time += 1
    stand.clock.time += LEASE
    assert not await operator.attend()
    await asyncio.wait_for(operator.settle(), 1)
    assert "leading" not in [record.message for record in caplog.records]


async def test_a_run_that_may_not_be_labelled_any_more_is_left_to_the_next_leader(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Refusing:
        async def list(self, *_: object) -> tuple[list[Any], int]:
            return [], 0

        async def merge(self, *_: object) -> None:
            raise NotLeaderError("PATCH r1: leadership has run out")

    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: unhandled.append(told))
    sorting = Sorting(Refusing(), RUNS, Division(4, (0,)), ())  # type: ignore[arg-type]
    metadata = {"uid": "u", "name": "r1", "namespace": "n"}
    sorting.sort({"metadata": metadata, "spec": {}})
    await asyncio.sleep(0.01)
    gc.collect()
    assert unhandled == []
    assert [record.message for record in caplog.records] == ["a run was not given its shard"]
