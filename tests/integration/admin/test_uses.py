"""Runs stay while others that are under way refer to what they made, through however many runs in between."""

from typing import Any

import grpc
import pytest

from limosa_idl.admin.v1alpha1 import admin_pb2 as pb
from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import Blob, Literal
from limosa_idl.core.v1alpha1.types_pb2 import BlobType, LiteralType
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import layout

KEY = "ab" * 32
PLAN = wf.LaunchPlanSpec(name="demo.plan", workflow="demo.wf")
FAILED, SUCCEEDED = run_pb2.RUN_PHASE_FAILED, run_pb2.RUN_PHASE_SUCCEEDED


class World:
    """Runs by name: made, ended, deleted, and what they take from each other."""

    def __init__(self, stand: Any) -> None:
        self.stand = stand
        self.claimed: dict[str, pb.DesiredRun] = {}

    def begin(self, name: str, **more: Any) -> None:
        self.stand.create(name, **more)
        self.sync()

    def sync(self) -> None:
        self.claimed.update((run.spec.name, run) for run in self.stand.sync(slots=50))

    def end(self, name: str, phase: "run_pb2.RunPhase.ValueType" = FAILED) -> None:
        self.stand.run_state(self.claimed[name], phase)

    def resume(self, old: str, new: str) -> None:
        self.stand.admin.runs.ResumeRun(pb.ResumeRunRequest(id=self._id(old), name=new))
        self.sync()

    def keep(self, name: str, key: str) -> None:
        """The run makes a cached result."""
        uri = self.uri(name, layout.commit_key("", "n0", None)[1:])
        result = pb.StoreCacheRequest.Result(
            run_uid=self.claimed[name].run_uid,
            node_path="n0",
            task="demo.t",
            key=key,
            cache_version="v1",
            commit_uri=uri,
        )
        self.stand.operator.operator.StoreCache(pb.StoreCacheRequest(cluster_uid="c1", results=[result]))

    def take(self, name: str, key: str) -> None:
        """The run takes a cached result."""
        uid = self.claimed[name].run_uid
        lookup = pb.LookupCacheRequest.Lookup(run_uid=uid, node_path="n0", task="demo.t", key=key)
        request = pb.LookupCacheRequest(cluster_uid="c1", lookups=[lookup])
        (answer,) = self.stand.operator.operator.LookupCache(request).answers
        assert answer.outcome == pb.LookupCacheResponse.Answer.OUTCOME_HIT

    def child(self, parent: str) -> str:
        """Has the run make a child; its name."""
        run = self.claimed[parent]
        request = pb.LaunchChildrenRequest(cluster_uid="c1")
        asked = request.children.add(run_uid=run.run_uid, epoch=run.epoch, node_path="n0")
        asked.target.name = PLAN.name
        (answer,) = self.stand.operator.operator.LaunchChildren(request).children
        assert answer.name, answer
        self.sync()
        return str(answer.name)

    def uri(self, name: str, path: str) -> str:
        prefix = layout.run_prefix("demo", "development", name, self.claimed[name].run_uid)
        return f"{self.stand.settings.store.url}/{prefix}/{path}"

    def delete(self, name: str) -> None:
        self.stand.admin.runs.DeleteRun(pb.DeleteRunRequest(id=self._id(name)))

    def is_kept(self, name: str, by: str) -> None:
        with pytest.raises(grpc.RpcError) as refused:
            self.delete(name)
        told = f"results of run '{name}' are used by run '{by}', which is under way; delete it when that has"
        assert told in refused.value.details()

    @staticmethod
    def _id(name: str) -> pb.RunId:
        return pb.RunId(project="demo", domain="development", name=name)


@pytest.fixture
def world(stand: Any) -> World:
    stand.register(launch_plans=[PLAN])
    return World(stand)


def test_all_that_a_resumed_run_goes_back_to_stays(world: World) -> None:
    world.begin("x1")
    world.end("x1")
    world.resume("x1", "x2")
    world.end("x2")
    world.resume("x2", "x3")
    world.is_kept("x1", by="x3")
    world.is_kept("x2", by="x3")
    world.end("x3")
    world.delete("x1")
    world.delete("x2")


def test_what_a_cached_result_was_made_from_stays(world: World) -> None:
    world.begin("k5")
    world.keep("k5", KEY)
    world.begin("k6")
    world.take("k6", KEY)
    world.keep("k6", "cd" * 32)
    world.end("k5")
    world.end("k6")
    world.begin("k7")
    world.take("k7", "cd" * 32)
    world.is_kept("k5", by="k7")
    world.end("k7", SUCCEEDED)
    world.delete("k5")


def test_a_run_in_between_may_be_gone(world: World) -> None:
    """a makes, b takes from a and makes, c takes from b, and d from c, when b is deleted."""
    keys = {name: f"{name}0" * 32 for name in "abc"}
    for before, name in ((None, "a"), ("a", "b"), ("b", "c")):
        world.begin(name)
        if before:
            world.take(name, keys[before])
        world.keep(name, keys[name])
        world.end(name)
    world.delete("b")
    world.begin("d")
    world.take("d", keys["c"])
    world.is_kept("a", by="d")
    world.resume("c", "e")
    world.end("d")
    world.is_kept("a", by="e")
    world.end("e")
    world.delete("a")


def test_a_resumed_run_in_between_may_be_gone(world: World) -> None:
    world.begin("x1")
    world.end("x1")
    world.resume("x1", "x2")
    world.end("x2")
    world.resume("x2", "x3")
    world.end("x3")
    world.delete("x2")
    world.resume("x3", "x4")
    world.is_kept("x1", by="x4")
    world.end("x4")
    world.delete("x1")


def test_what_a_child_took_or_made_stays_for_whoever_takes_it_from_its_parent(world: World) -> None:
    world.begin("maker")
    world.keep("maker", KEY)
    world.end("maker")
    world.begin("parent")
    child = world.child("parent")
    world.take(child, KEY)
    world.end(child, SUCCEEDED)
    world.is_kept("maker", by="parent")
    world.keep("parent", "cd" * 32)
    world.end("parent", SUCCEEDED)
    world.begin("user")
    world.take("user", "cd" * 32)
    world.is_kept("maker", by="user")
    world.is_kept(child, by="user")
    world.end("user")
    world.delete("parent")
    world.delete(child)
    world.delete("maker")


def test_what_a_child_made_outlives_the_row_of_its_parent(world: World) -> None:
    world.begin("parent")
    child = world.child("parent")
    world.end(child, SUCCEEDED)
    world.keep("parent", KEY)
    world.end("parent", SUCCEEDED)
    world.begin("between")
    world.take("between", KEY)
    world.keep("between", "cd" * 32)
    world.end("between")
    world.delete("parent")
    world.begin("user")
    world.take("user", "cd" * 32)
    world.is_kept(child, by="user")
    world.end("user")
    world.delete(child)


def test_what_a_run_was_given_the_address_of_stays(world: World, specs: Any) -> None:
    closure = specs.chain()
    closure.workflows[0].interface.inputs.append(Variable(name="f", type=LiteralType(blob=BlobType())))
    world.begin("maker")
    world.end("maker", SUCCEEDED)
    world.stand.register(closure, version="v2")
    given = Literal(blob=Blob(uri=world.uri("maker", "launches/l/data/0/o.txt")))
    request = pb.CreateRunRequest(project="demo", domain="development", name="reader")
    request.target.name, request.target.version = "demo.wf", "v2"
    request.inputs.literals["f"].CopyFrom(given)
    world.stand.admin.runs.CreateRun(request)
    world.is_kept("maker", by="reader")
    world.sync()
    world.end("reader")
    world.delete("maker")
