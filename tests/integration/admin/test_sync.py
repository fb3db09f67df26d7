import concurrent.futures
import threading
import time

import grpc
import pytest
import sqlalchemy as sa

from limosa_admin.identity import Role
from limosa_admin.store import claims, turns
from limosa_admin.store.schema import server
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import layout, names
from limosa_model.digests import sha256_hex


def report(desired: pb.DesiredRun, phase=run_pb2.RUN_PHASE_RUNNING) -> pb.RunReport:
    return pb.RunReport(run_uid=desired.run_uid, epoch=desired.epoch, phase=phase)


def abort(stand, name: str) -> pb.Run:
    run = pb.RunId(project="demo", domain="development", name=name)
    return stand.admin.runs.AbortRun(pb.AbortRunRequest(id=run, reason="enough"))


def test_clusters_that_sync_at_once_never_share_a_run(stand) -> None:
    stand.register()
    for number in range(24):
        stand.create(f"run-{number}")
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = pool.map(lambda cluster: stand.sync(f"c{cluster}", slots=5), range(6))
    taken = [run.run_uid for answer in answers for run in answer]
    assert len(taken) == 24
    assert len(set(taken)) == 24


def test_a_cluster_gets_as_many_as_it_has_slots_oldest_first(stand) -> None:
    stand.register()
    for number in range(4):
        stand.create(f"run-{number}")
    first = stand.sync(slots=2)
    assert [run.spec.name for run in first] == ["run-0", "run-1"]
    assert [run.spec.name for run in stand.sync(slots=0, runs=map(report, first))] == ["", ""]
    after = stand.sync(slots=1, runs=map(report, first))
    assert [run.spec.name for run in after] == ["", "", "run-2"]


def test_a_claim_missing_from_the_report_is_sent_again(stand) -> None:
    stand.register()
    stand.create()
    (first,) = stand.sync()
    (again,) = stand.sync(slots=0)
    assert again == first
    (known,) = stand.sync(slots=0, runs=[report(first)])
    assert not known.HasField("spec")
    assert known.desired == pb.DESIRED_RUN


def test_the_greatest_number_of_a_run_travels_with_it_and_when_it_is_asked_for(stand) -> None:
    """Its object may be made anew, or its operator: what is told under lower numbers would not be taken."""
    stand.register()
    stand.create()
    (claimed,) = stand.sync()
    assert claimed.number == 0
    assert claimed.HasField("number")
    stand.publish(claimed, ("", None, None, run_pb2.RunState(phase=run_pb2.RUN_PHASE_RUNNING)), seq=5)
    stand.publish(claimed, ("n0", None, None, run_pb2.NodeState(phase=run_pb2.NODE_PHASE_RUNNING)), seq=9)
    (again,) = stand.sync(slots=0)
    assert again.number == 9
    told = report(claimed)
    (known,) = stand.sync(slots=0, runs=[told])
    assert not known.HasField("number")
    told.wants_number = True
    (asked,) = stand.sync(slots=0, runs=[told], wait_ms=20_000)
    assert asked.number == 9
    assert not asked.HasField("spec")
    # Another epoch's numbers are of no account.
    with stand.database.transaction() as connection:
        claims.lose(connection, ["c1"])
    (anew,) = stand.sync("c2")
    assert anew.epoch != claimed.epoch
    assert anew.number == 0


def test_a_place_that_no_cluster_serves_is_refused_and_the_served_ones_are_named(stand) -> None:
    stand.register()
    stand.create("before-any-cluster")
    stand.sync("c1", slots=0, namespaces=["other-development"])
    for refused in (stand.create, lambda: stand.register(version="v2")):
        with pytest.raises(grpc.RpcError) as raised:
            refused()
        assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        told = "no cluster serves project 'demo' in domain 'development'; served are other-development: choose one with -p and -d"
        assert raised.value.details() == told
    limited = stand.client(stand.token(Role.CONTRIBUTOR, "demo"))
    with pytest.raises(grpc.RpcError) as raised:
        limited.transfers.SignUpload(pb.SignUploadRequest(project="demo", domain="development"))
    assert "other" not in raised.value.details()
    stand.sync("c2", slots=0, namespaces=["demo-development"])
    stand.create()
    stand.sync("c2", slots=0, namespaces=[])
    stand.register(version="v2")


def test_clusters_not_heard_of_for_long_do_not_say_what_is_served(stand) -> None:
    stand.register()
    stand.sync("c1", slots=0, namespaces=["other-development"])
    with stand.database.transaction() as connection:
        connection.execute(sa.text("UPDATE clusters SET last_seen = now() - interval '1 hour'"))
    stand.create()


def test_what_admin_does_not_know_is_to_be_forgotten(stand) -> None:
    unknown = pb.RunReport(run_uid="gone", epoch=run_pb2.Epoch(generation=1, number=3))
    (answer,) = stand.sync(runs=[unknown])
    assert (answer.desired, answer.epoch.number) == (pb.DESIRED_FORGET, 3)


def test_a_waiting_poll_is_answered_when_a_run_comes(stand) -> None:
    stand.register()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(stand.sync, wait_ms=20_000)
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(0.3)
        stand.create()
        assert len(waiting.result(10)) == 1


def test_a_poll_without_news_ends_with_its_wait(stand) -> None:
    stand.register()
    stand.create()
    (desired,) = stand.sync()
    begun = time.monotonic()
    (answer,) = stand.sync(slots=0, wait_ms=300, runs=[report(desired)])
    assert answer.desired == pb.DESIRED_RUN
    assert time.monotonic() - begun >= 0.3


def test_abort_reaches_the_operator_and_stays_until_the_run_has_ended(stand) -> None:
    stand.register()
    stand.create("run-a")
    (desired,) = stand.sync()
    stand.run_state(desired, run_pb2.RUN_PHASE_RUNNING)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(stand.sync, slots=0, wait_ms=20_000, runs=[report(desired)])
        run = abort(stand, "run-a")
        (answer,) = waiting.result(10)
    assert run.abort_requested
    assert run.state.phase == run_pb2.RUN_PHASE_RUNNING
    assert answer.desired == pb.DESIRED_ABORT
    assert answer.abort_reason == "enough (by admin@test)"
    (shown,) = stand.sync(slots=0, runs=[report(desired, run_pb2.RUN_PHASE_ABORTING)])
    assert shown.desired == pb.DESIRED_ABORT
    stand.run_state(desired, run_pb2.RUN_PHASE_ABORTED, seq=2)
    (over,) = stand.sync(slots=0, runs=[report(desired, run_pb2.RUN_PHASE_ABORTED)])
    assert over.desired == pb.DESIRED_FORGET


def test_an_answer_that_asks_for_the_same_again_is_held_back(stand) -> None:
    stand.register()
    stand.create("run-a")
    (desired,) = stand.sync()
    abort(stand, "run-a")
    stand.sync(slots=0, wait_ms=20_000, runs=[report(desired)])
    begun = time.monotonic()
    (again,) = stand.sync(slots=0, wait_ms=20_000, runs=[report(desired)])
    assert again.desired == pb.DESIRED_ABORT
    assert time.monotonic() - begun > 0.5


def test_a_queued_run_is_aborted_without_a_cluster(stand) -> None:
    stand.register()
    stand.create("run-a")
    assert abort(stand, "run-a").state.phase == run_pb2.RUN_PHASE_ABORTED
    assert stand.sync() == []
    assert abort(stand, "run-a").abort_reason == "enough (by admin@test)"


def test_abort_of_a_run_that_has_ended_answers_with_its_end_and_changes_nothing(stand) -> None:
    stand.register()
    stand.create("run-a")
    (desired,) = stand.sync()
    state = run_pb2.RunState(phase=run_pb2.RUN_PHASE_SUCCEEDED)
    state.finished_at.FromSeconds(1_700_000_000)
    stand.publish(desired, ("", None, None, state))
    before = stand.admin.runs.GetRun(
        pb.GetRunRequest(id=pb.RunId(project="demo", domain="development", name="run-a"))
    ).run
    for _ in range(2):
        answer = abort(stand, "run-a")
        assert answer == before
        assert answer.state == state
        # Distinguishes "had ended already" from "ended because of this": nobody's request ended it.
        assert not answer.abort_requested
    (over,) = stand.sync(slots=0, runs=[report(desired, run_pb2.RUN_PHASE_SUCCEEDED)])
    assert over.desired == pb.DESIRED_FORGET


def test_another_cluster_goes_on_in_a_new_epoch_when_one_is_lost(stand) -> None:
    stand.register()
    stand.create("run-a")
    stand.create("run-b")
    first = stand.sync("c1")
    abort(stand, "run-b")
    assert stand.sync("c2") == []
    with stand.database.transaction() as connection:
        assert claims.lose(connection, claims.named(connection, "c1-name")) == 2
    (taken,) = stand.sync("c2")
    assert taken.spec.name == "run-a"
    assert (taken.epoch.generation, taken.epoch.number) == (1, 2)
    assert stand.run_state(first[0], run_pb2.RUN_PHASE_FAILED, seq=9) == [taken.run_uid]
    answers = stand.sync("c1", slots=0, runs=map(report, first))
    assert {run.desired for run in answers} == {pb.DESIRED_FORGET}
    ended = stand.admin.runs.GetRun(
        pb.GetRunRequest(id=pb.RunId(project="demo", domain="development", name="run-b"))
    )
    assert ended.run.state.phase == run_pb2.RUN_PHASE_ABORTED


def test_a_silent_cluster_loses_its_runs_where_the_setting_says_so(make_stand) -> None:
    stand = make_stand(reclaim_after_s=1)
    stand.register()
    stand.create()
    stand.sync("c1")
    assert stand.sync("c2") == []
    ends = time.monotonic() + 20
    taken: list[pb.DesiredRun] = []
    while not taken and time.monotonic() < ends:
        taken = stand.sync("c2", wait_ms=200)
    assert taken[0].epoch.number == 2


def test_a_restored_database_claims_in_a_later_generation(stand) -> None:

    with stand.database.transaction() as connection:
        connection.execute(sa.update(server).values(generation=2))
    stand.register()
    stand.create()
    (desired,) = stand.sync()
    assert (desired.epoch.generation, desired.epoch.number) == (2, 1)


def test_a_project_domain_has_at_most_so_many_active_runs(make_stand) -> None:
    stand = make_stand(max_active_runs=2)
    stand.register()
    for number in range(4):
        stand.create(f"run-{number}")
    first = stand.sync("c1")
    assert len(first) == 2
    assert stand.sync("c2") == []
    stand.run_state(first[0], run_pb2.RUN_PHASE_SUCCEEDED)
    assert [run.spec.name for run in stand.sync("c2")] == ["run-2"]


def test_a_parked_run_counts_in_no_limit_until_it_goes_on(make_stand) -> None:
    stand = make_stand(max_active_runs=1)
    stand.register()
    for number in range(3):
        stand.create(f"run-{number}")
    (first,) = stand.sync("c1")
    stand.run_state(first, run_pb2.RUN_PHASE_PARKED)
    (_, second) = stand.sync("c1", runs=[report(first, run_pb2.RUN_PHASE_PARKED)])
    assert second.spec.name == "run-1"
    assert stand.sync("c2") == []
    stand.run_state(second, run_pb2.RUN_PHASE_SUCCEEDED)
    stand.run_state(first, run_pb2.RUN_PHASE_RUNNING, seq=2)
    assert stand.sync("c2") == []


def test_a_run_that_parks_makes_room_for_one_that_a_cluster_waits_for(make_stand) -> None:
    stand = make_stand(max_active_runs=1)
    stand.register()
    stand.create("run-0")
    stand.create("run-1")
    (first,) = stand.sync("c1")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stand.sync, "c2", wait_ms=20_000)
        stand.run_state(first, run_pb2.RUN_PHASE_PARKED)
        assert [run.spec.name for run in waiting.result(timeout=15)] == ["run-1"]


def test_an_operator_takes_only_the_namespaces_it_serves(stand) -> None:
    stand.register()
    stand.create()
    assert stand.sync(namespaces=["other-development"]) == []
    assert len(stand.sync(namespaces=["other-development", "demo-development"])) == 1


def test_an_operator_whose_token_is_limited_takes_only_those_projects(stand) -> None:
    stand.register()
    stand.create()
    limited = stand.client(stand.token(Role.OPERATOR, "other"))
    request = pb.SyncRequest(cluster_uid="c9", free_slots=5)
    assert list(limited.operator.Sync(request).runs) == []


def test_a_large_graph_travels_through_the_store(stand, specs) -> None:
    closure = specs.chain()
    closure.workflows[0].description = "x" * 300_000
    stand.register(closure)
    stand.create()
    (desired,) = stand.sync()
    assert desired.spec.closure == b""
    stored = stand.store.get(layout.closure_key("demo", "development", desired.spec.closure_digest))
    assert sha256_hex(stored) == desired.spec.closure_digest


def test_more_specs_than_an_answer_holds_come_with_the_next(stand, monkeypatch) -> None:
    monkeypatch.setattr(claims, "SPEC_BYTES", 1)
    stand.register()
    stand.create("run-a")
    stand.create("run-b")
    (first,) = stand.sync()
    answer = stand.sync(slots=0, runs=[report(first)])
    assert [run.spec.name for run in answer] == ["", "run-b"]


def test_waiting_operators_leave_room_for_others(make_stand) -> None:
    stand = make_stand(long_poll_threads=2, unary_threads=2)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        polls = [pool.submit(stand.sync, f"c{n}", wait_ms=4000) for n in range(4)]
        refused = next(poll for poll in concurrent.futures.as_completed(polls) if poll.exception())
        assert refused.exception().code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "at most 2 waiting operators" in refused.exception().details()
        assert stand.admin.server.GetInfo(pb.GetInfoRequest()).version
        assert [poll.result(20) for poll in polls if not poll.exception(20)][:2] == [[], []]


def test_a_client_that_leaves_frees_its_place(make_stand) -> None:
    stand = make_stand(long_poll_threads=1)
    request = pb.SyncRequest(cluster_uid="c1", wait_ms=20_000)
    with pytest.raises(grpc.RpcError):
        stand.operator.operator.Sync(request, timeout=0.3)
    ends = time.monotonic() + 15
    while True:
        try:
            stand.sync("c2")
            break
        except grpc.RpcError:
            assert time.monotonic() < ends
            threading.Event().wait(0.05)


class TestShards:
    """Operators that share a cluster: each has its shards' runs, the cluster its one limit."""

    @staticmethod
    def sync(stand, shard: int, most: int, runs=(), wait_ms: int = 0) -> list:
        division = {"shards": 2, "led_shards": [shard]}
        request = pb.SyncRequest(
            cluster_uid="c1", free_slots=most, slots=most, runs=runs, wait_ms=wait_ms, **division
        )
        return list(stand.operator.operator.Sync(request).runs)

    @staticmethod
    def shard(run) -> int:
        return names.shard_of(run.uid if isinstance(run, pb.Run) else run.run_uid, 2)

    def test_each_gets_its_own_runs_whoever_claimed_them(self, stand) -> None:
        stand.register()
        for number in range(8):
            stand.create(f"run-{number}")
        answers = [self.sync(stand, shard, most=50) for shard in (0, 1)]
        for shard, answer in enumerate(answers):
            assert {self.shard(run) for run in answer} == {shard}
        assert len({run.run_uid for answer in answers for run in answer}) == 8

    def test_together_they_hold_no_more_than_the_cluster_may(self, stand) -> None:
        stand.register()
        for number in range(8):
            stand.create(f"run-{number}")
        held: list[list] = [[], []]
        for _ in range(3):
            for shard in (0, 1):
                held[shard] = self.sync(stand, shard, most=3, runs=map(report, held[shard]))
        assert len(held[0]) + len(held[1]) == 3
        stand.run_state((held[0] + held[1])[0], run_pb2.RUN_PHASE_SUCCEEDED)
        for _ in range(2):
            for shard in (0, 1):
                held[shard] = self.sync(stand, shard, most=3)
        assert len(held[0]) + len(held[1]) == 3

    def test_one_that_waits_hears_at_once_of_what_another_claimed_for_it(self, stand) -> None:
        stand.register()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waiting = pool.submit(self.sync, stand, 1, 0, (), 20_000)
            while not self.shard(stand.create(f"run-{time.monotonic_ns()}")):
                self.sync(stand, 0, most=50)
            self.sync(stand, 0, most=50)
            assert {self.shard(run) for run in waiting.result(10)} == {1}

    def test_a_run_under_the_wrong_label_is_not_deleted(self, stand) -> None:
        stand.register()
        while not (found := self.sync(stand, 0, most=50)):
            stand.create(f"run-{time.monotonic_ns()}")
        told = {run.run_uid: run for run in self.sync(stand, 1, most=0, runs=[report(found[0])])}
        assert told[found[0].run_uid].desired == pb.DESIRED_RUN


def test_a_full_cluster_does_not_look_at_the_queue_for_each_new_run(stand, monkeypatch) -> None:
    stand.register()
    looks: list[str] = []
    look = turns.claim

    def note(*given, **options):
        looks.append("look")
        return look(*given, **options)

    monkeypatch.setattr(turns, "claim", note)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(stand.sync, slots=0, wait_ms=600)
        number = 0
        while not waiting.done():
            stand.create(f"run-{number}")
            number += 1
        assert waiting.result(10) == []
    # Once when it asks, once when its wait ends.
    assert len(looks) == 2
