import datetime as dt
from pathlib import Path

import pytest
import yaml
from lease_server import LeaseServer, Watch

from limosa_propeller.kube.errors import NotLeaderError
from limosa_propeller.kube.verbs import LEASES, Verbs
from limosa_propeller.leadership import Attempt, Leadership
from limosa_propeller.membership import Membership
from limosa_propeller.process_identity import is_dead, own_identity
from limosa_propeller.settings import OperatorSettings


@pytest.fixture
def server() -> LeaseServer:
    return LeaseServer()


@pytest.fixture
def clock() -> Watch:
    return Watch()


def leadership(server: LeaseServer, clock: Watch, identity: str) -> Leadership:
    return Leadership(server, "ns", "lease", 15, identity, clock)  # type: ignore[arg-type]


async def test_the_first_leads_and_the_second_does_not(server: LeaseServer, clock: Watch) -> None:
    a, b = leadership(server, clock, "a"), leadership(server, clock, "b")
    assert await a.attempt() is Attempt.HELD
    assert await b.attempt() is Attempt.TAKEN
    assert (a.may_write(), b.may_write()) == (True, False)


async def test_a_leader_stops_writing_before_another_can_start(server: LeaseServer, clock: Watch) -> None:
    a, b = leadership(server, clock, "a"), leadership(server, clock, "b")
    await a.attempt()
    await b.attempt()
    clock.time += 10.1
    assert not a.may_write()
    assert await b.attempt() is Attempt.TAKEN
    clock.time += 5.1
    assert await b.attempt() is Attempt.HELD
    assert await a.attempt() is Attempt.TAKEN


async def test_renewing_keeps_it(server: LeaseServer, clock: Watch) -> None:
    a, b = leadership(server, clock, "a"), leadership(server, clock, "b")
    for _ in range(5):
        assert await a.attempt() is Attempt.HELD
        assert await b.attempt() is Attempt.TAKEN
        clock.time += 9
    assert a.may_write()


async def test_an_unreachable_server_takes_nothing_away_before_the_deadline(
    server: LeaseServer, clock: Watch
) -> None:
    a = leadership(server, clock, "a")
    await a.attempt()
    server.down = True
    clock.time += 9
    assert await a.attempt() is Attempt.UNKNOWN
    assert a.may_write()
    clock.time += 2
    assert not a.may_write()


async def test_a_released_lease_is_free_at_once(server: LeaseServer, clock: Watch) -> None:
    a, b = leadership(server, clock, "a"), leadership(server, clock, "b")
    await a.attempt()
    await a.release()
    assert not a.may_write()
    assert await b.attempt() is Attempt.HELD
    assert server.leases["lease"]["spec"]["leaseTransitions"] == 2


async def test_who_finds_no_lease_waits_until_a_leader_must_have_found_out(
    server: LeaseServer, clock: Watch
) -> None:
    """Somebody deleted it: its holder writes until it asks again, or until its deadline."""
    a, b = leadership(server, clock, "a"), leadership(server, clock, "b")
    await a.attempt()
    server.new = False
    server.leases.clear()
    for _ in range(100):
        assert await b.attempt() in (Attempt.TAKEN, Attempt.HELD)
        assert not (a.may_write() and b.may_write())
        if b.may_write():
            break
        clock.time += 1
    assert clock.time >= 115
    assert await a.renew() is Attempt.TAKEN


async def test_a_leader_whose_lease_was_deleted_makes_it_anew(server: LeaseServer, clock: Watch) -> None:
    a, b = leadership(server, clock, "a"), leadership(server, clock, "b")
    await a.attempt()
    server.new = False
    server.leases.clear()
    assert await a.renew() is Attempt.HELD
    assert await b.attempt() is Attempt.TAKEN
    assert (a.may_write(), b.may_write()) == (True, False)


async def test_a_first_operator_without_a_lease_leads_after_its_length(
    server: LeaseServer, clock: Watch
) -> None:
    server.new = False
    a = leadership(server, clock, "a")
    assert await a.attempt() is Attempt.TAKEN
    clock.time += 7
    assert await a.attempt() is Attempt.TAKEN
    clock.time += 8
    assert await a.attempt() is Attempt.HELD


DEPLOYED = Path(__file__).parents[3] / "deploy/base/lease.yaml"


def applied(server: LeaseServer, at: float) -> None:
    """What `kubectl apply` of deploy/base leaves on a server that has no such Lease."""
    lease = yaml.safe_load(DEPLOYED.read_text())
    made = dt.datetime.fromtimestamp(at, dt.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    lease["metadata"].update(resourceVersion="0", creationTimestamp=made)
    server.leases["lease"] = lease


async def test_the_first_operator_of_a_cluster_takes_the_lease_of_the_manifests_once_it_is_old_enough(
    server: LeaseServer, clock: Watch
) -> None:
    applied(server, clock.time)
    a = Leadership(server, "ns", "lease", 15, "a", clock, server_time=clock)  # type: ignore[arg-type]
    clock.time += 14
    assert await a.attempt() is Attempt.TAKEN
    clock.time += 2
    assert (await a.attempt(), a.may_write()) == (Attempt.HELD, True)


async def test_the_lease_of_the_manifests_in_place_of_a_deleted_one_lets_nobody_in_beside_its_holder(
    server: LeaseServer, clock: Watch
) -> None:
    a = leadership(server, clock, "a")
    b = Leadership(server, "ns", "lease", 15, "b", clock, server_time=clock)  # type: ignore[arg-type]
    await a.attempt()
    applied(server, clock.time)
    while not b.may_write():
        await b.attempt()
        assert not (a.may_write() and b.may_write())
        clock.time += 1
    assert clock.time > 115


async def test_operators_of_shards_take_it_likewise(server: LeaseServer, clock: Watch) -> None:
    applied(server, clock.time)
    a = Membership(server, "ns", "lease", 15, "a", 2, clock, clock)  # type: ignore[arg-type]
    assert await a.attempt() is Attempt.TAKEN
    clock.time += 16
    assert await a.attempt() is Attempt.HELD


def test_the_manifests_say_nothing_of_who_holds_the_lease() -> None:
    """Applied again they must take it from nobody: apply leaves alone what they do not name."""
    lease = yaml.safe_load(DEPLOYED.read_text())
    assert lease.keys() == {"apiVersion", "kind", "metadata"}
    assert lease["metadata"]["name"] == OperatorSettings.lease_name
    kustomization = yaml.safe_load((DEPLOYED.parent / "kustomization.yaml").read_text())
    assert DEPLOYED.name in kustomization["resources"]


async def test_a_dead_process_of_this_host_holds_nothing(server: LeaseServer, clock: Watch) -> None:
    dead = own_identity().rsplit("_", 1)[0] + "_1"
    a, b = leadership(server, clock, dead), leadership(server, clock, own_identity())
    await a.attempt()
    assert await b.attempt() is Attempt.HELD


def test_only_what_is_known_to_be_dead_is_dead() -> None:
    host, boot, namespace, pid, _ = own_identity().rsplit("_", 4)
    assert not is_dead(own_identity())
    assert is_dead("_".join((host, boot, namespace, pid, "1")))
    assert not is_dead("_".join(("elsewhere", boot, namespace, pid, "1")))
    assert not is_dead("_".join((host, boot, "0", pid, "1")))
    assert not is_dead("somebody")


async def test_a_write_of_a_former_leader_is_not_sent() -> None:
    sessions: list[object] = []

    class Connection:
        server = "http://nowhere"

        def session(self) -> object:
            sessions.append(self)
            raise AssertionError("nothing may be sent")

    verbs = Verbs(Connection(), lambda: False, in_flight=1)  # type: ignore[arg-type]
    with pytest.raises(NotLeaderError):
        await verbs.create(LEASES, "ns", {})
    with pytest.raises(NotLeaderError):
        await verbs.delete(LEASES, "ns", "x")
    assert sessions == []
