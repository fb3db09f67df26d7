"""Random graphs, random orders of events, random crashes: the same results, within budgets, and an end."""

import contextlib
import random
import zlib
from typing import Any

import engine_graphs as graphs
import pytest
from engine_eager import Calls, batches
from engine_world import INPUT, Make, World, total
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limosa_engine import Item
from limosa_engine import events as ev
from limosa_engine.phases import NODE_TERMINAL, NodePhase, RunPhase
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import ORIGIN_REUSE


class Failed(Exception):
    """A node of the reference run failed."""


def draw_graph(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    """A random graph in the notation of `graphs`."""
    workflows: dict[str, Any] = {}
    _draw_workflow(rng, "main", workflows, depth=0)
    return {"tasks": _tasks(), "workflows": workflows}


_POLICIES: tuple[dict[str, Any], ...] = (
    {"priority": 1},
    {"backoff": 2.5, "factor": 2, "jitter": 0.5, "memory": "1Gi", "growth": {"factor": 2}},
    {"memory": "1Gi", "growth": {"steps": ["3Gi", "4Gi"]}, "interruptible": True, "priority": -1},
)
"""By retries: what else tasks say."""


def _tasks() -> dict[str, Any]:
    caches: dict[str, dict[str, str]] = {
        "t": {},
        "d": {},
        "e": {},
        "c": {"cache": "plain"},
        "s": {"cache": "serialize"},
    }
    return {
        f"{kind}{retries}": {"inputs": {"x": ..., "y": 0}, "retries": retries, **_POLICIES[retries], **cache}
        for kind, cache in caches.items()
        for retries in range(3)
    }


def make_graph(seed: int) -> Make:
    """What dynamic tasks commit: as many nodes as the input says, and whatever a workflow may have."""

    def make(path: str, inputs: LiteralMap) -> dict[str, Any]:
        rng = random.Random(zlib.crc32(f"{seed}/{path}".encode()))
        value = total(graphs.plain(inputs))
        workflows: dict[str, Any] = {}
        _draw_workflow(rng, "inner", workflows, depth=1 if "/" not in path else 2)
        nodes: dict[str, Any] = {"w": {"workflow": "inner", "with": {"a": value}}}
        for number in range(value % 4):
            nodes[f"f{number}"] = {"task": f"t{number % 3}", "with": {"x": [value, "w.o0"]}}
        workflows["main"] = {
            "nodes": nodes,
            "outputs": {"o0": f"{rng.choice(list(nodes))}.o0"},
            "policy": rng.choice(["immediately", "after"]),
        }
        return {"tasks": _tasks(), "workflows": workflows}

    return make


def _draw_workflow(rng: random.Random, name: str, workflows: dict[str, Any], depth: int) -> None:
    nodes: dict[str, Any] = {}
    shapes: dict[str, str] = {"$a": "int"}
    for number in range(rng.randint(1, 5)):
        node_id = f"n{number}"
        body, shape = _draw_node(rng, node_id, shapes, name, workflows, depth)
        nodes[node_id] = body
        if shape != "none":
            shapes[f"{node_id}.o0"] = shape
    ints = [ref for ref, shape in shapes.items() if shape == "int"]
    workflows[name] = {
        "inputs": ["a"],
        "nodes": nodes,
        "outputs": {"o0": rng.choice(ints)} if depth else {f"r{i}": ref for i, ref in enumerate(shapes)},
        "policy": rng.choice(["immediately", "after"]),
        **_draw_handler(rng, name, workflows, depth),
    }


def _draw_handler(rng: random.Random, name: str, workflows: dict[str, Any], depth: int) -> dict[str, Any]:
    given = {"x": "$a", "y": "!error"}
    if rng.random() < 0.6:
        return {}
    if depth < 2 and rng.random() < 0.3:
        _draw_workflow(rng, f"{name}-tidy", workflows, 2)
        return {"on_failure": {"workflow": f"{name}-tidy", "with": {"a": "$a"}}}
    return {"on_failure": {"task": f"t{rng.randint(0, 2)}", "with": given}}


def _draw_node(
    rng: random.Random, node_id: str, shapes: dict[str, str], name: str, workflows: dict[str, Any], depth: int
) -> tuple[dict[str, Any], str]:
    ints = [ref for ref, shape in shapes.items() if shape == "int"]
    lists = [ref for ref, shape in shapes.items() if shape == "list"]
    task = f"{rng.choice('ttcs')}{rng.randint(0, 2)}"
    wide = ["task", "task", "map", "branch", "workflow", "dynamic", "eager", "gate", "plan"]
    kind = rng.choice(wide if depth < 2 else ["task", "map"])
    if kind == "gate":
        return _draw_gate(rng, ints)
    if kind == "map":
        over: Any = rng.choice([*lists, [1, 2, 3], [5], []])
        body = {"map": task, "over": ["x"], "with": {"x": over, "y": rng.choice(ints)}}
        needed = rng.choice([{}, {}, {"min_successes": 1}, {"min_success_ratio": 0.5}])
        return {**body, **needed, "concurrency": rng.randint(0, 2)}, "list"
    if kind == "branch":
        cases = [
            {"if": f"v > {rng.randint(0, 9)}", "then": _draw_child(rng, f"c{i}", ints)}
            for i in range(rng.randint(1, 2))
        ]
        return {"branch": cases, "with": {"v": rng.choice(ints)}, "else": _draw_child(rng, "c9", ints)}, "int"
    if kind == "workflow":
        inner = f"{name}-{node_id}"
        _draw_workflow(rng, inner, workflows, depth + 1)
        return {"workflow": inner, "with": {"a": rng.choice(ints)}}, "int"
    if kind == "plan":
        return {"plan": "p", "with": {"x": rng.choice([*ints, *lists])}}, "int"
    if kind == "eager":
        return {"eager": f"e{rng.randint(0, 2)}", "with": {"x": rng.choice([*ints, *lists])}}, "int"
    if kind == "dynamic":
        return {"dynamic": f"d{rng.randint(0, 2)}", "with": {"x": rng.choice([*ints, *lists])}}, "int"
    return {"task": task, "with": {"x": rng.choice([*ints, *lists]), "y": rng.choice(ints)}}, "int"


def _draw_gate(rng: random.Random, ints: list[str]) -> tuple[dict[str, Any], str]:
    kind = rng.choice(["approve", "input", rng.choice([0.5, 300])])
    if kind == "approve":
        return {"gate": kind, "with": {"value": rng.choice(ints)}}, "int"
    return {"gate": kind, "with": {}}, "int" if kind == "input" else "none"


def _draw_child(rng: random.Random, node_id: str, ints: list[str]) -> dict[str, Any]:
    return {node_id: {"task": f"{rng.choice('ttcs')}{rng.randint(0, 2)}", "with": {"x": rng.choice(ints)}}}


class Reference:
    """What a run comes to when nothing goes wrong but what the plan says."""

    def __init__(
        self, spec: dict[str, Any], plan: Any, make: Make, seed: int, items: set[Item] | None = None
    ) -> None:
        self.spec, self.plan, self.make, self.seed = spec, plan, make, seed
        self.items: set[Item] = set() if items is None else items

    def workflow(self, name: str, inputs: dict[str, Any], prefix: str) -> dict[str, Any]:
        body = self.spec["workflows"][name]
        known = {f"${key}": value for key, value in inputs.items()}
        bad: set[str] = set()
        for node_id, node in body["nodes"].items():
            needed = {ref.split(".")[0] for ref in _refs(node)}
            if needed & bad:
                bad.add(node_id)
                continue
            try:
                known[f"{node_id}.o0"] = self.node(node, known, prefix + node_id)
            except Failed:
                bad.add(node_id)
        if bad:
            raise Failed
        return {key: known[ref] for key, ref in body["outputs"].items()}

    def node(self, node: dict[str, Any], known: dict[str, Any], path: str) -> Any:
        given = {key: _known(value, known) for key, value in node["with"].items()}
        if "gate" in node:
            if node["gate"] == "approve" and self.plan(Item(path), 0) != "ok":
                raise Failed
            self.items.add(Item(path))
            return given.get("value", INPUT)
        if "task" in node:
            return self.item(node["task"], given, Item(path))
        if "plan" in node:
            self.items.add(Item(path))
            if self.plan(Item(path), 0) not in ("ok", "silent"):
                raise Failed
            return 1 + total(given)
        if "dynamic" in node:
            self.item(node["dynamic"], given, Item(path))
            spec = self.make(path, graphs.literals(given))
            return Reference(spec, self.plan, self.make, self.seed, self.items).workflow(
                "main", {}, path + "/"
            )["o0"]
        if "eager" in node:
            value = self.calls(path, total(given))
            self.item(node["eager"], given, Item(path))
            return value
        if "workflow" in node:
            return self.workflow(node["workflow"], given, path + "/")["o0"]
        if "map" in node:
            items = []
            for index, x in enumerate(given["x"]):
                items.append(self.attempt(node["map"], {**given, "x": x}, Item(path, index)))
            enough = node.get("min_successes") or len(items) * node.get("min_success_ratio", 1)
            if len(items) - items.count(None) < min(enough, len(items)):
                raise Failed
            return items
        for case in node["branch"]:
            if given["v"] > int(case["if"].split()[-1]):
                return self.child(case["then"], known, path)
        return self.child(node["else"], known, path)

    def calls(self, path: str, value: int) -> int:
        """What the eager task at a path comes to; calls that fail count for nothing."""
        found: dict[str, int] = {}
        for calls, so_far in batches(self.seed, path, value, found.get):
            for call, node in calls:
                with contextlib.suppress(Failed):
                    found[call] = self.node(node, {}, f"{path}/{call}")
            value = so_far
        return value

    def child(self, then: dict[str, Any], known: dict[str, Any], path: str) -> Any:
        ((child_id, child),) = then.items()
        return self.node(child, known, f"{path}/{child_id}")

    def item(self, task: str, given: dict[str, Any], item: Item) -> Any:
        value = self.attempt(task, given, item)
        if value is None:
            raise Failed
        return value

    def attempt(self, task: str, given: dict[str, Any], item: Item) -> Any:
        user = system = 0
        for attempt in range(100):
            fate = self.plan(item, attempt)
            user += fate in ("user", "oom")
            system += fate in ("evict", "exit0")
            if fate in ("ok", "silent"):
                self.items.add(item)
                return 1 + total(given)
            if user > int(task[1:]) or system > 3:
                return None
        raise AssertionError("a plan without an end")


def _known(value: Any, known: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_known(item, known) for item in value]
    return known.get(value, value) if isinstance(value, str) else value


def _refs(node: Any) -> set[str]:
    if isinstance(node, dict):
        return {ref for value in node.values() for ref in _refs(value)}
    if isinstance(node, list):
        return {ref for value in node for ref in _refs(value)}
    return {node} if isinstance(node, str) and "." in node else set()


def make_plan(seed: int, trouble: float) -> Any:
    """A plan that says the same for the same item and attempt, whatever the order of events."""

    def plan(item: Item, attempt: int) -> str:
        rng = random.Random(zlib.crc32(f"{seed}/{item}/{attempt}".encode()))
        if rng.random() >= trouble:
            return "ok"
        return rng.choice(["user", "oom", "evict", "silent", "exit0", "turned-away"])

    return plan


def start(seed: int, trouble: float, **options: Any) -> tuple[World, Reference, dict[str, Any] | None]:
    """A world for a seed, and what its run should come to (None: it fails)."""
    rng = random.Random(seed)
    spec = draw_graph(rng)
    plan, make = make_plan(seed, trouble), make_graph(seed)
    reference = Reference(spec, plan, make, seed)
    try:
        expected = reference.workflow("main", {"a": 2}, "")
    except Failed:
        expected = None
    graph = graphs.build(spec, inputs={"a": 2}, live_pods=rng.choice([1, 3, 100]), **options)
    return World(graph, plan, rng, make=make, calls=Calls(seed, _tasks())), reference, expected


many = settings(max_examples=60, suppress_health_check=list(HealthCheck))


@many
@given(seed=st.integers(0, 2**32), trouble=st.sampled_from([0.0, 0.2, 0.5]))
def test_same_result_whatever_happens(seed: int, trouble: float) -> None:
    world, reference, expected = start(seed, trouble)
    world.finish()
    state = world.state
    if expected is None:
        assert state.phase is RunPhase.FAILED
        assert state.failure is not None
        assert state.failure.code
        assert state.failure.origin.node_path
    else:
        assert state.phase is RunPhase.SUCCEEDED
        assert state.outputs is not None
        assert graphs.plain(state.outputs) == expected
        assert set(world.commits) == reference.items
    assert all(record.phase in NODE_TERMINAL for record in state.nodes)
    handler = world.graph.scopes[0].handler
    if handler is not None:
        assert (state.nodes[handler].phase is NodePhase.SKIPPED) is (expected is not None)
    assert state.live == state.eager_live.total() == 0
    assert not world.pods
    assert RunPhase.RUNNING not in world.children.values()
    _check_budgets(world)
    _check_cache(world)


@many
@given(seed=st.integers(0, 2**32), moves=st.integers(1, 60))
def test_an_abort_ends_everything(seed: int, moves: int) -> None:
    world, _, _ = start(seed, 0.2)
    for _ in range(moves):
        if world.state.phase in (RunPhase.SUCCEEDED, RunPhase.FAILED):
            return
        world.random_move()
    world.inbox.append(ev.AbortRequested("enough"))
    for _ in range(20_000):
        if world.state.phase in (RunPhase.SUCCEEDED, RunPhase.FAILED, RunPhase.ABORTED) and not world.todo:
            break
        crashes = world.crashes
        world.random_move()
        if world.crashes > crashes:
            # The wish stands in the run's object: the operator sends it again.
            world.inbox.append(ev.AbortRequested("enough"))
    world.finish()
    assert world.state.phase in (RunPhase.SUCCEEDED, RunPhase.FAILED, RunPhase.ABORTED)
    assert all(record.phase in NODE_TERMINAL for record in world.state.nodes)
    assert not world.pods
    assert RunPhase.RUNNING not in world.children.values()


@many
@given(seed=st.integers(0, 2**32))
def test_pods_deleted_behind_our_back_cost_no_result(seed: int) -> None:
    world, reference, expected = start(seed, 0.0)
    world.deletions = 3
    world.finish()
    assert world.state.outputs is not None
    assert graphs.plain(world.state.outputs) == expected
    assert set(world.commits) == reference.items


@many
@given(seed=st.integers(0, 2**32))
def test_another_claim_goes_on_from_the_commits(seed: int) -> None:
    world, _, expected = start(seed, 0.0)
    for _ in range(40):
        if world.state.phase is RunPhase.SUCCEEDED:
            break
        world.random_move()
    before = dict(world.commits)
    rng = random.Random(seed)
    graph = graphs.build(draw_graph(rng), inputs={"a": 2}, epoch=(1, 2))
    other = World(graph, world.plan, rng, make=world.make, calls=world.calls)
    other.commits.update(before)
    other.finish()
    assert other.state.outputs is not None
    assert graphs.plain(other.state.outputs) == expected
    assert not {item for item, _ in other.created} & set(before)


@many
@given(seed=st.integers(0, 2**32), trouble=st.sampled_from([0.0, 0.3]))
def test_a_resumed_run_takes_what_the_earlier_one_has(seed: int, trouble: float) -> None:
    world, _, _ = start(seed, trouble)
    for _ in range(80):
        if world.state.phase in (RunPhase.SUCCEEDED, RunPhase.FAILED):
            break
        world.random_move()
    spec = draw_graph(random.Random(seed))
    calm, make = make_plan(seed, 0.0), make_graph(seed)
    rng = random.Random(seed)
    except_nodes = [item.node_path for item in world.commits if rng.random() < 0.2]
    graph = graphs.build(spec, inputs={"a": 2}, reuse=except_nodes)
    other = World(graph, calm, rng, make=make, calls=Calls(seed, _tasks()))
    other.earlier = {item: (digest, world.commits[item]) for item, digest in world.digests.items()}
    other.finish()
    assert other.state.outputs is not None
    assert graphs.plain(other.state.outputs) == Reference(spec, calm, make, seed).workflow(
        "main", {"a": 2}, ""
    )
    for item, _ in other.created:
        digest = other.earlier.get(item, ("", None))[0]
        again = any(f"{item.node_path}/".startswith(f"{path}/") for path in except_nodes)
        assert again or digest != other.digests[item], f"{item} was launched again"
    reused = {item for item, commit in other.commits.items() if commit.origin == ORIGIN_REUSE}
    assert reused <= other.earlier.keys()


def _check_cache(world: World) -> None:
    """What was made is kept, and no reservation stays, unless a crash came between; then it runs out."""
    if world.crashes:
        return
    made = {item for item in world.launched() if _succeeded(world, item)}
    wanted = {item for item in made if world.graph.task_of(item).cache.enabled}
    assert set(world.cached) == wanted
    assert not world.reserved


def _succeeded(world: World, item: Item) -> bool:
    """Whether the run took the item's commit: one that was being ended does not."""
    record = world.state.nodes[world.graph.by_path[item.node_path]]
    return record.items[item.index or 0].phase is NodePhase.SUCCEEDED


def _check_budgets(world: World) -> None:
    for item, count in world.user_failures.items():
        plan = world.graph.nodes[world.graph.by_path[item.node_path]]
        assert count <= plan.budget.user + 1
    assert len(set(world.created)) == len(world.created), "an ordinal was used twice"


def test_crashes_do_happen() -> None:
    crashed = regrown = 0
    for seed in range(30):
        world, _, _ = start(seed, 0.2)
        world.finish()
        crashed += world.crashes
        regrown += world.regrowths
    assert crashed > 30
    assert regrown > 30


@pytest.mark.parametrize("seed", range(3))
def test_without_faults_each_item_is_launched_once(seed: int) -> None:
    rng = random.Random(seed)
    graph = graphs.build(draw_graph(rng), inputs={"a": 2})
    world = World(
        graph,
        lambda item, attempt: "ok",
        rng,
        faults=False,
        make=make_graph(seed),
        calls=Calls(seed, _tasks()),
    )
    world.finish()
    assert sorted(world.created) == sorted((item, 0) for item in world.launched())
