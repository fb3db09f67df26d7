"""Whose turn it is: fair between project-domains, by priority, then age, within limits."""

import pytest
import sqlalchemy as sa

from limosa_admin.store import turns
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model.digests import serialize


@pytest.fixture
def create(stand, specs):
    """Queues a run; projects are registered as they are needed."""
    known = set()

    def make(name, project="demo", priority=0, target="demo.wf"):
        if project not in known:
            known.add(project)
            plans = [wf.LaunchPlanSpec(name="demo.narrow", workflow="demo.wf", max_active_runs=1)]
            request = pb.RegisterRequest(
                project=project, domain="development", version="v1", launch_plans=plans
            )
            request.closures.append(serialize(specs.chain()))
            stand.admin.registry.Register(request)
        request = pb.CreateRunRequest(project=project, domain="development", name=name, priority=priority)
        request.target.name = target
        return stand.admin.runs.CreateRun(request)

    return make


@pytest.fixture
def take(stand):
    """Claims for a cluster of so many free slots; gives the runs that are new to it, by name."""
    known = set()

    def more(slots):
        found = [run for run in stand.sync(slots=slots) if run.spec.name not in known]
        known.update(run.spec.name for run in found)
        return {run.spec.name: run for run in found}

    return more


def test_project_domains_take_turns(stand, create, take):
    for number in range(6):
        create(f"many-{number}", project="many")
    for number in range(2):
        create(f"few-{number}", project="few")
    assert sorted(take(4)) == ["few-0", "few-1", "many-0", "many-1"]
    assert sorted(take(2)) == ["many-2", "many-3"]


def test_who_has_fewer_runs_under_way_comes_first(stand, create, take):
    for number in range(3):
        create(f"early-{number}", project="early")
    assert len(take(3)) == 3
    create("early-3", project="early")
    for number in range(2):
        create(f"late-{number}", project="late")
    assert sorted(take(2)) == ["late-0", "late-1"]


def test_the_greater_priority_comes_first_then_the_older(stand, create, take):
    create("old", priority=0)
    create("urgent", priority=5)
    create("younger", priority=0)
    create("never-mind", priority=-1)
    order = [next(iter(take(1))) for _ in range(4)]
    assert order == ["urgent", "old", "younger", "never-mind"]


def test_a_launch_plan_at_its_limit_holds_up_nobody_else(stand, create, take):
    for number in range(30):
        create(f"narrow-{number}", target="demo.narrow", priority=9)
    create("wide-0")
    create("wide-1")
    first = take(3)
    assert sorted(first) == ["narrow-0", "wide-0", "wide-1"]
    stand.run_state(first["narrow-0"], run_pb2.RUN_PHASE_SUCCEEDED)
    assert list(take(3)) == ["narrow-1"]


def test_a_parked_run_of_a_launch_plan_counts_in_no_limit(stand, create, take):
    create("narrow-0", target="demo.narrow")
    create("narrow-1", target="demo.narrow")
    first = take(3)
    stand.run_state(first["narrow-0"], run_pb2.RUN_PHASE_PARKED)
    assert list(take(3)) == ["narrow-1"]


def test_many_claims_of_a_short_list_of_lanes_are_as_fair(stand, create, take):
    """One call reads ahead only so far, and reads again."""
    for number in range(40):
        create(f"many-{number:02}", project="many", priority=number)
    for number in range(3):
        create(f"few-{number}", project="few")
    taken = sorted(take(12))
    assert taken == [*(f"few-{n}" for n in range(3)), *(f"many-{n}" for n in range(31, 40))]


def test_only_served_places_have_turns(stand, create, take):
    create("mine-0", project="mine")
    create("other-0", project="other")
    found = stand.sync(slots=10, namespaces=["mine-development"])
    assert [run.spec.name for run in found] == ["mine-0"]


def test_claims_that_are_made_in_several_steps_are_as_fair(stand, create, take):
    """More than are read ahead at a time."""
    for number in range(40):
        create(f"many-{number:02}", project="many", priority=number)
    for number in range(12):
        create(f"few-{number:02}", project="few")
    taken = sorted(take(45))
    assert taken == [*(f"few-{n:02}" for n in range(12)), *(f"many-{n:02}" for n in range(7, 40))]


def test_lanes_of_one_place_share_its_limit(make_stand, specs):
    stand = make_stand(max_active_runs=3)
    plans = [
        wf.LaunchPlanSpec(name=f"demo.{name}", workflow="demo.wf", max_active_runs=2) for name in ("a", "b")
    ]
    stand.register(specs.chain(), launch_plans=plans)
    for number in range(3):
        for lane in ("a", "b"):
            stand.create(name=f"{lane}-{number}", target=f"demo.{lane}")
    stand.create(name="wide-0")
    first = stand.sync(slots=10)
    assert sorted(run.spec.name for run in first) == ["a-0", "a-1", "b-0"]
    stand.run_state(first[0], run_pb2.RUN_PHASE_SUCCEEDED)
    assert sorted(run.spec.name for run in stand.sync(slots=10))[-1:] == ["b-1"]


def test_a_run_that_somebody_changes_is_left_for_the_next_claim(stand, create, take):
    create("first")
    create("second")
    with stand.database.transaction() as connection:
        connection.execute(sa.text("SELECT FROM runs WHERE name = 'first' FOR UPDATE"))
        assert list(take(1)) == []
    assert list(take(1)) == ["first"]


def test_claims_one_by_one_take_what_one_claim_takes(stand, create):
    """A claim of one run looks at the heads of lanes only."""
    for number in range(24):
        target = "demo.narrow" if number % 3 == 0 else "demo.wf"
        place = number % 5 % 3
        create(f"run-{number:02}", project=f"p{place}", priority=number % 4 + 3 * place, target=target)
    stand.sync(slots=0)
    claim = sa.text(
        "SELECT name FROM runs WHERE uid IN (SELECT queue_claim('c1', :slots, NULL, 5, '{}', '{}', true, 1, -1))"
    )
    with stand.database.engine.connect() as connection:
        for slots in (2, 7, 20):
            at_once = connection.execute(claim, {"slots": slots}).scalars().all()
            connection.rollback()
            singly = [
                name for _ in range(slots) for name in connection.execute(claim, {"slots": 1}).scalars()
            ]
            connection.rollback()
            assert sorted(at_once) == sorted(singly)
    # Three places of five runs each, and no more of the last claim.
    assert len(at_once) == 15


@pytest.mark.parametrize("slots", [1, 10])
def test_a_claim_reads_the_heads_of_lanes_however_long_they_are(stand, slots):
    stand.register()
    stand.sync(slots=0)
    with stand.database.engine.connect() as connection:
        connection.execute(sa.text(LONG_QUEUE))
        connection.execute(sa.text("ANALYZE runs"))
        claim = sa.text("SELECT queue_claim('c1', :slots, NULL, 0, '{}', '{}', true, 1, -1)")
        assert len(connection.execute(claim, {"slots": slots}).all()) == slots
        read = sa.text(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'runs'"
        )
        # 40 lanes of 200 runs.
        assert connection.execute(read).scalar_one() <= 41 * slots + 20
        connection.rollback()


def test_who_finds_nobody_does_not_wait_for_others_claims(stand, create):
    create("theirs", project="other")
    with stand.database.transaction() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:claiming)"), {"claiming": turns.CLAIMING})
        assert stand.sync(slots=1, namespaces=["mine-development"]) == []


def test_a_cluster_never_has_more_runs_than_slots_however_many_wait(stand, create):
    for number in range(60):
        create(f"run-{number:02}")
    held, ended = {}, set()
    while len(ended) < 60:
        found = stand.sync(slots=7 - len(held), runs=[report(run) for run in held.values()])
        held |= {run.run_uid: run for run in found if run.run_uid not in held}
        assert 0 < len(held) <= 7
        for uid in list(held)[:4]:
            run = held.pop(uid)
            stand.run_state(run, run_pb2.RUN_PHASE_SUCCEEDED)
            ended.add(uid)


def report(run):
    return pb.RunReport(run_uid=run.run_uid, epoch=run.epoch, phase=run_pb2.RUN_PHASE_RUNNING)


LONG_QUEUE = """
INSERT INTO runs (uid, project, domain, name, request_digest, target_kind, target_name, target_version, closure_digest,
                  inputs, labels, annotations, created_by, phase, state, state_seq, epoch_generation, epoch_number,
                  abort_requested, abort_reason, change, priority, lane, lane_limit)
SELECT 'queued-' || n, 'p' || n % 20, 'development', 'queued-' || n, '', 2, 'demo.wf', 'v1',
       (SELECT digest FROM specs LIMIT 1), '', '{}', '{}', 'me', 1, '', -1, 0, 0, false, '', 0, n % 3,
       CASE WHEN n % 40 < 20 THEN 'demo.narrow' ELSE '' END, CASE WHEN n % 40 < 20 THEN 4 ELSE 0 END
  FROM generate_series(1, 8000) AS n
"""
