"""The cache on a real Postgres: results, reservations, batches, who may."""

import threading
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from limosa_admin.identity import Role
from limosa_admin.store.schema import cache_reservations
from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model import layout

Answer = pb.LookupCacheResponse.Answer
KEY = "ab" * 32


def a_run(stand: Any, name: str, cluster: str = "c1", **more: Any) -> str:
    """A run that the cluster has claimed; its uid."""
    uid = str(stand.create(name, **more).uid)
    stand.sync(cluster)
    return uid


def commit_uri(stand: Any, name: str, uid: str, node: str = "n0", index: int | None = None) -> str:
    prefix = layout.run_prefix("demo", "development", name, uid)
    return f"{stand.settings.store.url}/{layout.commit_key(prefix, node, index)}"


def ask(
    stand: Any, *asked: tuple[str, str], reserve: bool = False, cluster: str = "c1", **more: Any
) -> list[Any]:
    """Answers to lookups of (run uid, key) of node n0."""
    lookups = [
        pb.LookupCacheRequest.Lookup(
            run_uid=uid, node_path="n0", task="demo.t", key=key, reserve=reserve, **more
        )
        for uid, key in asked
    ]
    request = pb.LookupCacheRequest(cluster_uid=cluster, lookups=lookups)
    return list(stand.operator.operator.LookupCache(request).answers)


def outcomes(*args: Any, **more: Any) -> list[str]:
    return [Answer.Outcome.Name(one.outcome).removeprefix("OUTCOME_") for one in ask(*args, **more)]


def tell(stand: Any, uid: str, key: str = KEY, cluster: str = "c1", **more: Any) -> list[int]:
    result = pb.StoreCacheRequest.Result(
        **{"run_uid": uid, "node_path": "n0", "task": "demo.t", "key": key, "cache_version": "v1", **more}
    )
    request = pb.StoreCacheRequest(cluster_uid=cluster, results=[result])
    return list(stand.operator.operator.StoreCache(request).lost)


def keep(stand: Any, name: str, uid: str, key: str = KEY, **more: Any) -> None:
    tell(stand, uid, key, commit_uri=commit_uri(stand, name, uid), **more)


def listed(stand: Any, **more: Any) -> list[Any]:
    request = pb.ListCacheRequest(project="demo", domain="development", **more)
    return list(stand.admin.cache.ListCache(request).entries)


def invalidate(stand: Any, **more: Any) -> int:
    request = pb.InvalidateCacheRequest(project="demo", domain="development", **more)
    return int(stand.admin.cache.InvalidateCache(request).invalidated)


def expire(stand: Any) -> None:
    with stand.database.transaction() as connection:
        past = sa.func.now() - sa.text("interval '1 second'")
        connection.execute(sa.update(cache_reservations).values(expires_at=past))


@pytest.fixture
def two(stand: Any) -> tuple[Any, str, str]:
    stand.register()
    return stand, a_run(stand, "calm-heron"), a_run(stand, "bold-crane")


CALM = pb.DeleteRunRequest(id=pb.RunId(project="demo", domain="development", name="calm-heron"))


def test_what_one_run_keeps_another_finds(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    assert outcomes(stand, (other, KEY)) == ["MISS"]
    keep(stand, "calm-heron", one)
    (answer,) = ask(stand, (other, KEY))
    assert answer.outcome == Answer.OUTCOME_HIT
    assert answer.commit_uri == commit_uri(stand, "calm-heron", one)
    assert answer.run_name == "calm-heron"
    assert outcomes(stand, (other, "cd" * 32)) == ["MISS"]


def test_hits_are_counted_and_listed(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    keep(stand, "calm-heron", one)
    (entry,) = listed(stand)
    assert (entry.hits, entry.HasField("last_used_at"), entry.HasField("index")) == (0, False, False)
    ask(stand, (other, KEY), (other, KEY), (other, "cd" * 32))
    ask(stand, (other, KEY))
    (entry,) = listed(stand)
    assert (entry.hits, entry.HasField("last_used_at")) == (3, True)
    assert (entry.task, entry.cache_version, entry.run_name, entry.key) == ("demo.t", "v1", "calm-heron", KEY)


def test_telling_a_result_twice_changes_nothing(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    keep(stand, "calm-heron", one)
    ask(stand, (other, KEY))
    keep(stand, "calm-heron", one)
    keep(stand, "calm-heron", one, overwrite=True)
    assert [entry.hits for entry in listed(stand)] == [1]


def test_the_first_result_stays_unless_it_is_overwritten(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    keep(stand, "calm-heron", one)
    keep(stand, "bold-crane", other)
    assert ask(stand, (other, KEY))[0].run_name == "calm-heron"
    keep(stand, "bold-crane", other, overwrite=True)
    assert ask(stand, (other, KEY))[0].run_name == "bold-crane"


def test_a_result_that_is_gone_is_forgotten_unless_it_was_replaced(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    keep(stand, "calm-heron", one)
    gone = commit_uri(stand, "calm-heron", one)
    assert outcomes(stand, (other, KEY), gone_uri="file:///elsewhere") == ["HIT"]
    assert outcomes(stand, (other, KEY), gone_uri=gone) == ["MISS"]
    keep(stand, "bold-crane", other)
    assert outcomes(stand, (one, KEY), gone_uri=gone) == ["HIT"]


def test_one_of_two_gets_the_reservation(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    assert outcomes(stand, (one, KEY), reserve=True) == ["RESERVED"]
    (answer,) = ask(stand, (other, KEY), reserve=True)
    assert answer.outcome == Answer.OUTCOME_TAKEN
    assert answer.holder == "run calm-heron, node n0"
    assert outcomes(stand, (one, KEY), reserve=True) == ["RESERVED"], "it has it already"
    assert outcomes(stand, (other, KEY)) == ["MISS"], "who reserves nothing waits for nobody"
    keep(stand, "calm-heron", one)
    assert outcomes(stand, (other, KEY), reserve=True) == ["HIT"]


def test_two_in_one_batch_do_not_both_get_it(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    answers = ask(stand, (other, KEY), (one, KEY), (other, "cd" * 32), reserve=True)
    names = [Answer.Outcome.Name(answer.outcome) for answer in answers]
    assert names == ["OUTCOME_RESERVED", "OUTCOME_TAKEN", "OUTCOME_RESERVED"]
    assert answers[1].holder == "run bold-crane, node n0"


def test_of_many_at_once_one_gets_it(two: tuple[Any, str, str]) -> None:
    stand, *_ = two
    uids = [a_run(stand, f"run-{number}") for number in range(8)]
    keys = [f"{number:064x}" for number in range(20)]
    got: list[list[str]] = []
    start = threading.Barrier(len(uids))

    def work(uid: str, order: int) -> None:
        start.wait()
        wanted = keys if order % 2 else keys[::-1]
        pairs = [(uid, key) for key in wanted]
        found = dict(zip(wanted, outcomes(stand, *pairs, reserve=True), strict=True))
        got.append([found[key] for key in keys])

    threads = [threading.Thread(target=work, args=(uid, order)) for order, uid in enumerate(uids)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(uids)
    for column in zip(*got, strict=True):
        assert sorted(column) == ["RESERVED"] + ["TAKEN"] * (len(uids) - 1)


def test_a_reservation_given_up_is_free(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    outcomes(stand, (one, KEY), reserve=True)
    tell(stand, other)
    assert outcomes(stand, (other, KEY), reserve=True) == ["TAKEN"], "only its holder gives it up"
    tell(stand, one)
    assert outcomes(stand, (other, KEY), reserve=True) == ["RESERVED"]


def test_a_reservation_that_nobody_renews_is_taken_over(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    outcomes(stand, (one, KEY), reserve=True)
    expire(stand)
    assert outcomes(stand, (other, KEY), reserve=True) == ["RESERVED"]
    assert tell(stand, one, renew=True) == [0]
    assert tell(stand, other, renew=True) == []
    assert outcomes(stand, (one, KEY), reserve=True) == ["TAKEN"]


def test_renewing_keeps_it(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    outcomes(stand, (one, KEY), reserve=True)
    expire(stand)
    assert tell(stand, one, renew=True) == []
    assert outcomes(stand, (other, KEY), reserve=True) == ["TAKEN"]


def test_the_end_of_a_run_ends_its_reservations(stand: Any) -> None:
    stand.register()
    one = stand.create("calm-heron").uid
    (desired,) = stand.sync()
    other = a_run(stand, "bold-crane")
    outcomes(stand, (one, KEY), reserve=True)
    stand.run_state(desired, run_pb2.RUN_PHASE_FAILED)
    assert outcomes(stand, (other, KEY), reserve=True) == ["RESERVED"]


def test_deleting_a_run_invalidates_what_others_would_take_from_it(stand: Any) -> None:
    stand.register()
    one = stand.create("calm-heron").uid
    (desired,) = stand.sync()
    other = a_run(stand, "bold-crane")
    keep(stand, "calm-heron", one)
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED)
    stand.admin.runs.DeleteRun(CALM)
    assert outcomes(stand, (other, KEY)) == ["MISS"]
    assert listed(stand) == []


def test_a_run_whose_results_others_use_stays_until_they_have_ended(stand: Any) -> None:
    stand.register()
    one = stand.create("calm-heron").uid
    (desired,) = stand.sync()
    other = stand.create("bold-crane").uid
    used = next(run for run in stand.sync() if run.spec.name == "bold-crane")
    keep(stand, "calm-heron", one)
    stand.run_state(desired, run_pb2.RUN_PHASE_SUCCEEDED)
    assert outcomes(stand, (other, KEY), (other, KEY)) == ["HIT", "HIT"]
    with pytest.raises(grpc.RpcError) as refused:
        stand.admin.runs.DeleteRun(CALM)
    told = "results of run 'calm-heron' are used by run 'bold-crane', which is under way"
    assert told in refused.value.details()
    assert [entry.run_name for entry in listed(stand)] == ["calm-heron"]
    stand.run_state(used, run_pb2.RUN_PHASE_SUCCEEDED)
    stand.admin.runs.DeleteRun(CALM)
    assert listed(stand) == []


def test_projects_share_nothing(two: tuple[Any, str, str], specs: Any) -> None:
    stand, one, _ = two
    request = pb.RegisterRequest(project="shop", domain="development", version="v1")
    request.closures.append(specs.chain().SerializeToString(deterministic=True))
    stand.admin.registry.Register(request)
    foreign = a_run(stand, "wide-owl", project="shop")
    keep(stand, "calm-heron", one)
    assert outcomes(stand, (foreign, KEY)) == ["MISS"]
    assert outcomes(stand, (one, KEY)) == ["HIT"]


def test_a_cluster_without_the_claim_learns_and_changes_nothing(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    keep(stand, "calm-heron", one)
    assert outcomes(stand, (other, KEY), cluster="c2") == ["MISS"]
    assert outcomes(stand, (other, "cd" * 32), reserve=True, cluster="c2") == ["MISS"]
    assert outcomes(stand, (other, "cd" * 32), reserve=True) == ["RESERVED"]
    tell(stand, other, "ef" * 32, cluster="c2", commit_uri=commit_uri(stand, "bold-crane", other))
    assert outcomes(stand, (one, "ef" * 32)) == ["MISS"]


def test_only_the_own_commit_can_be_a_result(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    with pytest.raises(grpc.RpcError, match="is not the commit of bold-crane/n0"):
        tell(stand, other, commit_uri=commit_uri(stand, "calm-heron", one))


def test_a_batch_has_a_limit(two: tuple[Any, str, str]) -> None:
    stand, one, _ = two
    with pytest.raises(grpc.RpcError, match="501 cache keys in one call; send at most 500"):
        ask(stand, *[(one, KEY)] * 501)
    keys = [f"{number:064x}" for number in range(500)]
    assert outcomes(stand, *[(one, key) for key in keys]) == ["MISS"] * 500


def test_a_batch_takes_the_same_number_of_statements_whatever_its_size(two: tuple[Any, str, str]) -> None:
    stand, one, _ = two
    counted: list[str] = []

    def count(_connection: object, _cursor: object, text: str, *_rest: object) -> None:
        # Who calls is asked for again every few seconds, and word of the run that was made may go out meanwhile.
        if "tokens" not in text and "pg_notify" not in text:
            counted.append(text)

    sa.event.listen(stand.database.engine, "before_cursor_execute", count)
    ask(stand, (one, KEY), reserve=True)
    few = len(counted)
    counted.clear()
    ask(stand, *[(one, f"{number:064x}") for number in range(300)], reserve=True)
    assert len(counted) == few


def test_listing_goes_by_page_and_task(two: tuple[Any, str, str]) -> None:
    stand, one, _ = two
    for number in range(5):
        keep(stand, "calm-heron", one, f"{number:064x}", task="demo.t" if number % 2 else "demo.u")
    request = pb.ListCacheRequest(project="demo", domain="development", limit=2)
    keys = []
    while True:
        page = stand.admin.cache.ListCache(request)
        keys += [int(entry.key, 16) for entry in page.entries]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert keys == [4, 3, 2, 1, 0]
    assert [int(entry.key, 16) for entry in listed(stand, task="demo.t")] == [3, 1]


def test_invalidating_by_task_version_or_key(two: tuple[Any, str, str]) -> None:
    stand, one, other = two
    for number in range(4):
        version = "v1" if number < 3 else "v2"
        keep(stand, "calm-heron", one, f"{number:064x}", cache_version=version)
    assert invalidate(stand, key=f"{0:064x}") == 1
    assert invalidate(stand, task="demo.t", cache_version="v2") == 1
    assert invalidate(stand, task="demo.other") == 0
    assert outcomes(stand, (other, f"{1:064x}"), (other, f"{3:064x}")) == ["HIT", "MISS"]
    assert invalidate(stand, task="demo.t") == 2
    with pytest.raises(grpc.RpcError, match="say what to invalidate"):
        invalidate(stand)


def test_viewers_list_and_contributors_invalidate(two: tuple[Any, str, str]) -> None:
    stand, *_ = two
    viewer = stand.client(stand.token(Role.VIEWER, "demo"))
    place = {"project": "demo", "domain": "development"}
    viewer.cache.ListCache(pb.ListCacheRequest(**place))
    with pytest.raises(grpc.RpcError) as refused:
        viewer.cache.InvalidateCache(pb.InvalidateCacheRequest(task="demo.t", **place))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    stranger = stand.client(stand.token(Role.CONTRIBUTOR, "shop"))
    with pytest.raises(grpc.RpcError) as refused:
        stranger.cache.ListCache(pb.ListCacheRequest(**place))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(grpc.RpcError) as refused:
        viewer.operator.LookupCache(pb.LookupCacheRequest())
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_the_cache_mode_reaches_the_operator(stand: Any) -> None:
    stand.register()
    request = pb.CreateRunRequest(
        project="demo",
        domain="development",
        name="calm-heron",
        cache_mode=run_pb2.CACHE_MODE_OVERWRITE,
    )
    request.target.name = "demo.wf"
    stand.admin.runs.CreateRun(request)
    (desired,) = stand.sync()
    assert desired.spec.cache_mode == run_pb2.CACHE_MODE_OVERWRITE
