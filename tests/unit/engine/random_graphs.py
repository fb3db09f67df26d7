"""Random graphs in the notation of `engine_graphs`, what fails in them, and what they should come to."""

import contextlib
import random
import zlib
from typing import Any

import engine_graphs as graphs
from engine_eager import batches
from engine_world import INPUT, Make, total

from limosa_engine import Item
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap


class Failed(Exception):
    """A node of the reference run failed."""


def draw_graph(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    """A random graph in the notation of `graphs`."""
    workflows: dict[str, Any] = {}
    _draw_workflow(rng, "main", workflows, depth=0)
    return {"tasks": tasks(), "workflows": workflows}


_POLICIES: tuple[dict[str, Any], ...] = (
    {"priority": 1},
    {"backoff": 2.5, "factor": 2, "jitter": 0.5, "memory": "1Gi", "growth": {"factor": 2}},
    {"memory": "1Gi", "growth": {"steps": ["3Gi", "4Gi"]}, "interruptible": True, "priority": -1},
)
"""By retries: what else tasks say."""


def tasks() -> dict[str, Any]:
    """One of each kind and number of retries."""
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
        return {"tasks": tasks(), "workflows": workflows}

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
    wide = ["task", "task", "map", "branch", "workflow", "dynamic", "eager", "gate", "plan", "computed"]
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
    if kind == "computed":
        return {"computed": "length", "with": {"values": rng.choice([*lists, [1, 2, 3], []])}}, "int"
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
        if "computed" in node:
            self.items.add(Item(path))
            return len(given["values"])
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
