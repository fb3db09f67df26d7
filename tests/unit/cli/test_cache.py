"""`limosa cache`, and what runs are told about the cache."""

import json

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.run.v1alpha1 import run_pb2

KEYS = ["ab" * 32, "ac" * 32]


def entry(key, **more):
    return pb.CacheEntry(
        task="flow.train", key=key, cache_version="v1", run_name="calm-heron", node_path="n0", **more
    )


@pytest.fixture
def cached(admin):
    entries = [entry(KEYS[0], index=3, hits=2, created_at=Timestamp(seconds=1_700_000_000)), entry(KEYS[1])]
    admin.script["ListCache"] = [pb.ListCacheResponse(entries=entries)]
    admin.script["InvalidateCache"] = [pb.InvalidateCacheResponse(invalidated=1)]
    return admin


def asked(admin, method):
    return [request for name, request, _ in admin.calls if name == method]


def test_results_are_listed(limosa, cached):
    result = limosa("cache", "list", "flow.train")
    head, first, second = result.out.splitlines()
    assert head.split() == ["KEY", "TASK", "VERSION", "RUN", "NODE", "HITS", "AGE"]
    assert first.split()[:6] == ["abababababab", "flow.train", "v1", "calm-heron", "n0[3]", "2"]
    assert second.split()[:6] == ["acacacacacac", "flow.train", "v1", "calm-heron", "n0", "0"]
    assert asked(cached, "ListCache")[0].task == "flow.train"


def test_scripts_get_whole_keys(limosa, cached):
    listed = json.loads(limosa("cache", "list", "-o", "json").out)
    assert [one["key"] for one in listed] == KEYS
    assert (listed[0]["hits"], listed[0]["created_at"]) == (2, "2023-11-14T22:13:20Z")


def test_more_than_the_limit_is_said(limosa, cached):
    result = limosa("cache", "list", "--limit", "1")
    assert len(result.out.splitlines()) == 2
    assert "raise --limit" in result.err


def test_results_of_a_task_and_version_are_forgotten(limosa, cached):
    result = limosa("cache", "invalidate", "flow.train", "--version", "v1")
    assert (result.status, result.err.splitlines()[-1]) == (0, "forgot 1 result")
    (request,) = asked(cached, "InvalidateCache")
    assert (request.task, request.cache_version, request.key) == ("flow.train", "v1", "")


def test_the_beginning_of_a_key_is_enough_where_it_is_the_only_one(limosa, cached):
    limosa("cache", "invalidate", "--key", "ab")
    assert [request.key for request in asked(cached, "InvalidateCache")] == [KEYS[0]]
    result = limosa("cache", "invalidate", "--key", "a")
    assert result.status == 2
    assert "2 keys begin with a: give more of it" in result.err


def test_nothing_to_forget_is_said(limosa, cached):
    result = limosa("cache", "invalidate", "--key", "ff")
    assert "there was nothing to forget; see `limosa cache list`" in result.err
    assert asked(cached, "InvalidateCache") == []


def test_everything_is_not_forgotten_by_accident(limosa, cached):
    result = limosa("cache", "invalidate")
    assert result.status == 2
    assert "name a TASK, a --version or a --key" in result.err


@pytest.mark.parametrize("verb", ["run", "launch"])
def test_the_two_modes_exclude_each_other(limosa, flow, verb):
    result = limosa(verb, "--overwrite-cache", "--no-cache", str(flow), "train")
    assert result.status == 2
    assert "--overwrite-cache and --no-cache exclude each other" in result.err


def test_a_manifest_has_no_cache(limosa, flow):
    result = limosa("run", "--manifest", "--no-cache", str(flow), "train", "--rows", "1")
    assert result.status == 2
    assert "a WorkflowRun applied by hand uses no cache" in result.err


def test_what_came_from_the_cache_is_shown(limosa, admin):
    from limosa_idl.workflow.v1alpha1.workflow_pb2 import Closure, MapNode, Node, TaskNode, WorkflowSpec

    nodes = [
        Node(id="n0", display_name="train", task=TaskNode(task="t")),
        Node(id="n1", display_name="each", map=MapNode(task="t")),
    ]
    closure = Closure(entry="w", workflows=[WorkflowSpec(name="w", nodes=nodes)])
    done = {"phase": run_pb2.NODE_PHASE_SUCCEEDED}
    origin = {"origin": run_pb2.ORIGIN_CACHE, "origin_run": "bold-crane"}
    states = [
        ("n0", None, run_pb2.NodeState(**done, **origin)),
        ("n1", None, run_pb2.NodeState(**done, items=3, items_succeeded=3)),
        ("n1", 0, run_pb2.NodeState(**done, **origin)),
        ("n1", 2, run_pb2.NodeState(**done, **origin)),
    ]
    snapshots = [
        run_pb2.Snapshot(key=run_pb2.SnapshotKey(node_path=path, index=index), seq=1, node=state)
        for path, index, state in states
    ]
    run = pb.Run(name="calm-heron", state=run_pb2.RunState(phase=run_pb2.RUN_PHASE_SUCCEEDED))
    admin.script["GetRun"] = [pb.RunDetail(run=run, closure=closure, snapshots=snapshots)]
    admin.script["GetRunData"] = [pb.GetRunDataResponse()]
    told = limosa("get", "run", "calm-heron").out
    assert "cached, from bold-crane" in told
    assert "3/3 items, 2 cached" in told
    facts = json.loads(limosa("get", "run", "calm-heron", "-o", "json").out)["node_states"]
    assert [fact["cached_from"] for fact in facts] == ["bold-crane", None]
    assert "succeeded: cached, from run bold-crane" in limosa("explain", "calm-heron", "n0").out


def test_a_local_run_says_what_was_cached(limosa, flow):
    flow.write_text(flow.read_text().replace("@task\ndef train", '@task(cache="v1")\ndef train'))
    first = limosa("run", str(flow), "flow", "--rows", "4")
    name = first.err.split()[1]
    second = limosa("run", str(flow), "flow", "--rows", "4")
    assert (first.out, second.out) == (second.out, first.out)
    assert f"n0 train  cached, from {name}" in second.err
    assert "cached" not in limosa("run", "--no-cache", str(flow), "flow", "--rows", "4").err


@pytest.fixture
def registered(cached):
    """A server that finds nothing under short names, and knows these tasks."""
    full = cached.script["ListCache"][0]
    names = ["mapf.slow_square", "flow.twice", "other.twice"]
    entities = [pb.Entity(id=pb.EntityId(name=name)) for name in names]
    cached.script["ListEntities"] = [pb.ListEntitiesResponse(entities=entities)]
    cached.script["ListCache"] = [pb.ListCacheResponse(), full]
    cached.script["ListRuns"] = [pb.ListRunsResponse(), pb.ListRunsResponse(runs=[pb.Run(name="calm-heron")])]
    return cached


def test_a_short_name_is_enough_where_only_one_has_it(limosa, registered):
    assert len(limosa("cache", "list", "slow_square").out.splitlines()) == 3
    assert asked(registered, "ListCache")[-1].task == "mapf.slow_square"
    assert "calm-heron" in limosa("get", "runs", "--target", "slow_square").out
    assert asked(registered, "ListRuns")[-1].target == "mapf.slow_square"


def test_a_short_name_forgets_too(limosa, registered):
    assert limosa("cache", "invalidate", "slow_square").status == 0
    assert asked(registered, "InvalidateCache")[0].task == "mapf.slow_square"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("twice", "several are called 'twice': flow.twice, other.twice"),
        ("slow_sqare", "did you mean 'mapf.slow_square'?"),
    ],
)
def test_a_name_that_is_not_clear_is_refused(limosa, registered, name, told):
    result = limosa("cache", "list", name)
    assert result.status == 2
    assert told in " ".join(result.err.split())
