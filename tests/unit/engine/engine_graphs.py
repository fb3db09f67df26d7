"""Small graphs out of plain data, for stories and random tests.

Tasks whose names begin with "d" are dynamic ones, those with "e" eager ones. A node `{gate: approve}`, `{gate: input}` or `{gate: 30}` (a sleep of so many
seconds) may have a `timeout`, `prompt` and `title`. A graph is `{workflows: {main: {inputs, outputs, nodes, policy}}, tasks: {name: {...}}}`; a value is `$input`,
`node.output`, `node.output[0]`, `node.output.key`, `!error` (in an `on_failure` node) or anything else as a literal.
"""

import re
from typing import Any

from google.protobuf.duration_pb2 import Duration

from limosa_engine import EngineSettings, Graph
from limosa_engine.events import MadeGraph
from limosa_idl.core.v1alpha1 import interface_pb2, literal_pb2, types_pb2
from limosa_idl.run.v1alpha1.run_pb2 import CacheMode, Epoch, Reuse
from limosa_idl.task.v1alpha1 import task_pb2
from limosa_idl.workflow.v1alpha1 import workflow_pb2 as wf
from limosa_model import failures, values
from limosa_model.digests import sha256_hex

_OPERATORS = {
    "==": wf.Comparison.OPERATOR_EQ,
    "!=": wf.Comparison.OPERATOR_NE,
    "<": wf.Comparison.OPERATOR_LT,
    "<=": wf.Comparison.OPERATOR_LE,
    ">": wf.Comparison.OPERATOR_GT,
    ">=": wf.Comparison.OPERATOR_GE,
}


_WORDS = {"none": None, "true": True, "false": False}


def literal(value: Any) -> literal_pb2.Literal:
    """Plain data as a literal; `{offloaded: uri, length: n, size: bytes}` as a reference, `{enum: member}` as an enum's."""
    if isinstance(value, dict) and value.keys() == {"enum"}:
        return literal_pb2.Literal(enum_value=value["enum"])
    if isinstance(value, dict) and "offloaded" in value:
        reference = literal_pb2.Offloaded(
            uri=value["offloaded"],
            length=value.get("length", 0),
            size=value.get("size", 0),
            digest="sha256:00",
        )
        return literal_pb2.Literal(offloaded=reference)
    if isinstance(value, bool):
        return values.boolean(value)
    if isinstance(value, int):
        return values.integer(value)
    if isinstance(value, float):
        return values.float_(value)
    if isinstance(value, str):
        return values.string(value)
    if value is None:
        return values.none()
    if isinstance(value, list):
        return values.collection([literal(item) for item in value])
    return values.literal_map({key: literal(item) for key, item in value.items()})


def plain(message: literal_pb2.LiteralMap) -> dict[str, Any]:
    """A literal map as plain data."""
    return {name: values.to_plain(item) for name, item in sorted(message.literals.items())}


def literals(data: dict[str, Any]) -> literal_pb2.LiteralMap:
    """Plain data as a literal map."""
    return literal_pb2.LiteralMap(literals={name: literal(item) for name, item in data.items()})


def closure_of(spec: dict[str, Any]) -> wf.Closure:
    """The closure of a spec."""
    workflows = spec.get("workflows") or {"main": spec}
    return wf.Closure(
        entry="main",
        tasks=[_task(name, body or {}) for name, body in sorted((spec.get("tasks") or {}).items())],
        workflows=[_workflow(name, body) for name, body in sorted(workflows.items())],
    )


def made_graph(spec: dict[str, Any], refusal: str = "") -> MadeGraph:
    """What a commit with the graph of a spec holds."""
    if refusal:
        return MadeGraph("sha256:00", wf.Closure(), failures.user("PodPolicy", refusal))
    return made_of(closure_of(spec).SerializeToString(deterministic=True))


def made_of(data: bytes) -> MadeGraph:
    """What a commit with a serialised graph holds."""
    return MadeGraph("sha256:" + sha256_hex(data), wf.Closure.FromString(data))


def build(
    spec: dict[str, Any],
    *,
    inputs: dict[str, Any] | None = None,
    epoch: tuple[int, int] = (1, 1),
    cache_mode: str = "UNSPECIFIED",
    reuse: list[str] | None = None,
    **settings: Any,
) -> Graph:
    """The graph of a spec; `reuse` lists what a resumed run launches all the same; `settings` are those of the engine."""
    closure = closure_of(spec)
    return Graph(
        closure,
        EngineSettings(**settings),
        run_uid="uid-1",
        name="calm-heron",
        epoch=Epoch(generation=epoch[0], number=epoch[1]),
        inputs=literals(inputs or {}).literals,
        project="shop",
        domain="development",
        cache_mode=CacheMode.Value(f"CACHE_MODE_{cache_mode}"),
        reuse=None if reuse is None else Reuse(run_name="old-heron", except_nodes=reuse),
    )


def _variable(name: str, default: Any = ...) -> interface_pb2.Variable:
    variable = interface_pb2.Variable(
        name=name, type=types_pb2.LiteralType(simple=types_pb2.SIMPLE_TYPE_INTEGER)
    )
    if default is not ...:
        variable.default_value.CopyFrom(literal(default))
    return variable


def _task(name: str, body: dict[str, Any]) -> task_pb2.TaskSpec:
    given = body.get("inputs", ["x"])
    names = given if isinstance(given, dict) else dict.fromkeys(given, ...)
    task = task_pb2.TaskSpec(name=name)
    kind = {"d": task.dynamic, "e": task.eager}.get(name[0], task.python)
    kind.loader = f"flow:{name}"
    task.interface.inputs.extend(_variable(key, default) for key, default in names.items())
    task.interface.outputs.extend(_variable(key) for key in body.get("outputs", ["o0"]))
    task.retry.retries = body.get("retries", 0)
    if body.get("backoff"):
        task.retry.backoff.CopyFrom(_duration(body["backoff"]))
    task.retry.backoff_factor = body.get("factor", 0)
    task.retry.backoff_jitter = body.get("jitter", 0)
    if body.get("backoff_limit"):
        task.retry.backoff_limit.CopyFrom(_duration(body["backoff_limit"]))
    if body.get("growth"):
        task.retry.memory.CopyFrom(task_pb2.MemoryGrowth(**body["growth"]))
    if "interruptible" in body:
        task.interruptible = body["interruptible"]
    task.priority = body.get("priority", 0)
    if body.get("timeout"):
        task.timeout.CopyFrom(_duration(body["timeout"]))
    if body.get("deadline"):
        task.deadline.CopyFrom(_duration(body["deadline"]))
    if body.get("memory"):
        task.resources.limits.memory = body["memory"]
    if "cache" in body:
        task.cache.enabled, task.cache.version = True, "v1"
        task.cache.serialize = body["cache"] == "serialize"
    if body.get("requests"):
        task.resources.requests.memory = body["requests"]
    for secret in body.get("secrets", []):
        task.secrets.add(name=secret, key="token", env="TOKEN")
    return task


def _workflow(name: str, body: dict[str, Any]) -> wf.WorkflowSpec:
    workflow = wf.WorkflowSpec(name=name)
    given = body.get("inputs", [])
    names = given if isinstance(given, dict) else dict.fromkeys(given, ...)
    workflow.interface.inputs.extend(_variable(key, default) for key, default in names.items())
    for key, value in (body.get("outputs") or {}).items():
        workflow.interface.outputs.append(_variable(key))
        workflow.outputs.append(wf.Binding(name=key, data=binding(value)))
    workflow.nodes.extend(_node(key, node) for key, node in body.get("nodes", {}).items())
    if "on_failure" in body:
        workflow.on_failure.CopyFrom(_node("on-failure", body["on_failure"]))
    late = body.get("policy") == "after"
    workflow.failure_policy = (
        wf.FAILURE_POLICY_FAIL_AFTER_EXECUTABLE_NODES_COMPLETE if late else wf.FAILURE_POLICY_FAIL_IMMEDIATELY
    )
    return workflow


def _node(node_id: str, body: dict[str, Any]) -> wf.Node:
    node = wf.Node(id=node_id, upstream=body.get("after", []))
    if "line" in body:
        node.source.file, node.source.line = "flow.py", body["line"]
    for name, value in (body.get("with") or {}).items():
        node.inputs.append(wf.Binding(name=name, data=binding(value)))
    if "task" in body:
        node.task.task = body["task"]
    elif "map" in body:
        node.map.task = body["map"]
        node.map.mapped_inputs.extend(body.get("over", ["x"]))
        node.map.concurrency = body.get("concurrency", 0)
        node.map.min_successes = body.get("min_successes", 0)
        node.map.min_success_ratio = body.get("min_success_ratio", 0.0)
    elif "dynamic" in body:
        node.dynamic.task = body["dynamic"]
    elif "eager" in body:
        node.eager.task = body["eager"]
    elif "check" in body:
        node.check.condition.CopyFrom(_condition(body["check"]))
        node.check.message = body["message"]
    elif "computed" in body:
        node.computed.kind = body["computed"]
        node.computed.interface.outputs.extend([_variable("o0")])
    elif "gate" in body:
        _gate(node.gate, body)
        node.display_name = body.get("title", node_id)
    elif "plan" in body:
        node.launch_plan.launch_plan = body["plan"]
        node.launch_plan.interface.outputs.extend([_variable("o0")])
    elif "workflow" in body:
        node.sub_workflow.workflow = body["workflow"]
    else:
        for case in body["branch"]:
            node.branch.cases.append(
                wf.BranchNode.Case(
                    condition=_condition(case["if"]), then=_node(*next(iter(case["then"].items())))
                )
            )
        if "else" in body:
            node.branch.else_then.CopyFrom(_node(*next(iter(body["else"].items()))))
        if "fail" in body:
            node.branch.else_fail = body["fail"]
    overrides = body.get("overrides") or {}
    if "retries" in overrides:
        node.overrides.retry.retries = overrides["retries"]
    if "priority" in overrides:
        node.overrides.priority = overrides["priority"]
    if "timeout" in overrides:
        node.overrides.timeout.CopyFrom(_duration(overrides["timeout"]))
    return node


def _gate(gate: wf.GateNode, body: dict[str, Any]) -> None:
    kind = body["gate"]
    if kind == "approve":
        gate.approval.SetInParent()
    elif kind == "input":
        gate.wait_for_input.type.simple = types_pb2.SIMPLE_TYPE_INTEGER
    else:
        gate.sleep.duration.CopyFrom(_duration(kind))
    gate.prompt = body.get("prompt", "")
    if "timeout" in body:
        gate.timeout.CopyFrom(_duration(body["timeout"]))


def binding(value: Any) -> wf.BindingData:
    """A value of the notation above as a binding."""
    if value == "!error":
        return wf.BindingData(failure=wf.FailureRef())
    if isinstance(value, str):
        found = re.fullmatch(r"(\$\w+|[a-z0-9-]+\.\w+)((?:\[-?\d+\]|\.\w+)*)", value)
        if found:
            path = [_accessor(step) for step in re.findall(r"\[-?\d+\]|\.\w+", found[2])]
            if value.startswith("$"):
                return wf.BindingData(input=wf.InputRef(name=found[1][1:], path=path))
            node, _, output = found[1].partition(".")
            return wf.BindingData(output=wf.OutputRef(node=node, output=output, path=path))
    if isinstance(value, list) and any(isinstance(item, str) for item in value):
        return wf.BindingData(collection=wf.BindingCollection(items=[binding(item) for item in value]))
    return wf.BindingData(literal=literal(value))


def _accessor(step: str) -> wf.Accessor:
    return wf.Accessor(position=int(step[1:-1])) if step.startswith("[") else wf.Accessor(key=step[1:])


def _condition(body: str | dict[str, Any]) -> wf.Condition:
    """`v > 1`, `v` for a truth, `{all: [..]}`, `{any: [..]}` or `{not: ..}`."""
    if isinstance(body, dict):
        ((kind, parts),) = body.items()
        if kind == "not":
            return wf.Condition(negation=_condition(parts))
        together = wf.Conjunction(conditions=[_condition(part) for part in parts])
        return wf.Condition(all_of=together) if kind == "all" else wf.Condition(any_of=together)
    parts = body.split()
    if len(parts) == 1:
        return wf.Condition(truth=_operand(parts[0]))
    comparison = wf.Comparison(
        operator=_OPERATORS[parts[1]], left=_operand(parts[0]), right=_operand(parts[2])
    )
    return wf.Condition(comparison=comparison)


def _operand(text: str) -> wf.Operand:
    """A number, `none`, `true`, `'text'`, `:member` of an enum, or the name of an input."""
    if text in _WORDS:
        return wf.Operand(literal=literal(_WORDS[text]))
    if text.startswith("'"):
        return wf.Operand(literal=literal(text.strip("'")))
    if text.startswith(":"):
        return wf.Operand(literal=literal({"enum": text[1:]}))
    return wf.Operand(literal=literal(int(text))) if text.lstrip("-").isdigit() else wf.Operand(input=text)


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=round((seconds - int(seconds)) * 1e9))
