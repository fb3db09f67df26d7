"""From source to specs: names, graphs, bytes; and loading an author's file from anywhere."""

import importlib.util
import os
import subprocess
import sys

import pytest

from limosa.compiler import CompileSettings, compile_entity, load_module
from limosa.errors import LimosaError
from limosa.origin import source_root
from limosa_idl.workflow.v1alpha1.workflow_pb2 import FailurePolicy, Node
from limosa_model.conditions import describe
from limosa_model.graph import dependencies

FLOW = """
    from typing import Annotated, NamedTuple
    from limosa import *

    class Pair(NamedTuple):
        low: int
        high: int

    @task
    def one(x: int) -> int:
        '''Gives one.

        Longer text.

        Args:
            x: What is
                ignored.
        '''
        return 1

    @task
    def pair(a: int, b: int = 2) -> Pair: return Pair(a, b)

    @task
    def log(text: Annotated[str, "what to say"], token: Annotated[str, Sensitive] = "") -> None: ...

    @workflow
    def inner(x: int) -> int:
        return one(x=x)

    @workflow(failure_policy=FailurePolicy.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE)
    def wf(x: int, xs: list[int] = [1, 2]) -> Pair:
        '''The whole.'''
        first = one(x=x)
        both = pair.with_overrides(retries=3, node_name="two")(a=first)
        mapped = map_task(one, concurrency=4)(x=xs)
        chosen = (
            conditional("size")
            .if_((both.high > 1) & (first == 1))
            .then(inner(x=mapped[0]))
            .else_()
            .then(one(x=both.low))
        )
        said = log(text="done")
        first >> said
        return Pair(chosen, first)

    plan = LaunchPlan(wf, name="nightly", default_inputs={"x": 1}, fixed_inputs={"xs": [7]})
"""


@pytest.fixture
def compiled(author):
    return author.compile(FLOW, name="pkg/flow.py")


def nodes_of(compiled):
    return next(w for w in compiled.closure.workflows if w.name == compiled.name).nodes


def test_names_start_at_the_source_root(compiled):
    assert compiled.name == compiled.closure.entry == "pkg.flow.wf"
    assert [task.name for task in compiled.closure.tasks] == ["pkg.flow.log", "pkg.flow.one", "pkg.flow.pair"]
    assert [workflow.name for workflow in compiled.closure.workflows] == ["pkg.flow.inner", "pkg.flow.wf"]
    assert compiled.closure.tasks[1].python.loader == "pkg.flow:one"
    assert compiled.closure.tasks[1].source.file == "pkg/flow.py"


def test_nodes_are_numbered_in_the_order_of_the_calls(compiled):
    shown = [
        (node.id, node.display_name, node.WhichOneof("target"), sorted(dependencies(node)))
        for node in nodes_of(compiled)
    ]
    assert shown == [
        ("n0", "one", "task", []),
        ("n1", "two", "task", ["n0"]),
        ("n2", "one", "map", []),
        ("n5", "size", "branch", ["n0", "n1", "n2"]),
        ("n6", "log", "task", ["n0"]),
    ]


def test_a_branch_has_its_cases_and_operands(compiled):
    branch: Node = next(node for node in nodes_of(compiled) if node.id == "n5")
    assert describe(branch.branch.cases[0].condition) == "(n1.high > 1) and (n0 == 1)"
    assert sorted(binding.name for binding in branch.inputs) == ["n0", "n1.high"]
    assert branch.branch.cases[0].then.sub_workflow.workflow == "pkg.flow.inner"
    assert branch.branch.else_then.task.task == "pkg.flow.one"


def test_options_of_nodes_and_workflows(compiled):
    nodes = {node.id: node for node in nodes_of(compiled)}
    assert nodes["n1"].overrides.retry.retries == 3
    assert (nodes["n2"].map.concurrency, list(nodes["n2"].map.mapped_inputs)) == (4, ["x"])
    workflow = compiled.closure.workflows[1]
    assert workflow.failure_policy == FailurePolicy.FAILURE_POLICY_FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
    assert workflow.description == "The whole."


def test_overrides_reach_the_node(author):
    source = """
        from limosa import *
        @task(environment={"A": "1"}, retries=5)
        def t() -> None: ...
        @workflow
        def wf() -> None:
            t.with_overrides(
                resources=Resources(cpu=2, mem="1Gi"), retries=0, timeout=90, deadline="2h", interruptible=True,
                cache="v2", container_image="other:1", environment={"B": "2"}, labels={"l": "1"}, node_name="named",
            )()
            t().with_overrides(cache=False)
    """
    first, second = nodes_of(author.compile(source))
    overrides = first.overrides
    assert (overrides.resources.requests.cpu, overrides.resources.limits.memory) == ("2", "1Gi")
    assert overrides.HasField("retry")
    assert (overrides.retry.retries, overrides.timeout.seconds, overrides.deadline.seconds) == (0, 90, 7200)
    assert (overrides.interruptible, overrides.cache.version, overrides.container_image) == (
        True,
        "v2",
        "other:1",
    )
    assert (dict(overrides.environment), dict(overrides.labels)) == ({"B": "2"}, {"l": "1"})
    assert first.display_name == "named"
    assert second.overrides.HasField("cache")
    assert not second.overrides.cache.enabled
    assert not second.overrides.HasField("retry")


def test_interfaces_carry_descriptions_and_sensitivity(compiled):
    tasks = {task.name: task for task in compiled.closure.tasks}
    assert tasks["pkg.flow.one"].description == "Gives one."
    assert tasks["pkg.flow.one"].interface.inputs[0].description == "What is ignored."
    text, token = tasks["pkg.flow.log"].interface.inputs
    assert (text.description, text.sensitive, token.sensitive) == ("what to say", False, True)


def test_only_given_inputs_are_bound(compiled):
    nodes = {node.id: node for node in nodes_of(compiled)}
    assert [binding.name for binding in nodes["n1"].inputs] == ["a"]


def test_a_launch_plan_and_a_task_compile_by_themselves(author):
    loaded = author.load(FLOW, "pkg/flow.py")
    assert list(loaded.entities) == ["one", "pair", "log", "inner", "wf", "plan"]
    plan = compile_entity(loaded.entities["plan"])
    assert (plan.kind, plan.name, plan.launch_plans[0].workflow) == ("launch_plan", "nightly", "pkg.flow.wf")
    assert [variable.name for variable in plan.interface.inputs] == ["x"]
    assert plan.interface.inputs[0].default_value.primitive.integer == 1
    single = compile_entity(loaded.entities["one"])
    assert (single.kind, single.name, len(single.closure.tasks)) == ("task", "pkg.flow.one", 1)


def test_the_same_source_gives_the_same_bytes_wherever_it_is_compiled(author):
    path = author.write(FLOW, "pkg/flow.py")
    program = (
        "import sys; from limosa.compiler import *; "
        "sys.stdout.write(compile_entity(load_module(sys.argv[1]).entities['wf']).closure_bytes.hex())"
    )
    outputs = set()
    for seed, cwd in (("1", path.parent), ("2", "/"), ("3", path.parent.parent)):
        found = subprocess.run(
            [sys.executable, "-c", program, os.path.relpath(path, cwd)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=cwd,
            capture_output=True,
            text=True,
            check=True,
        )
        outputs.add(found.stdout)
    assert len(outputs) == 1
    assert outputs != {""}


OPTIONS = """
        import datetime as dt
        from limosa import *

        @task(
            resources=Resources(cpu=0.5, mem="1Gi", gpu=(1, 2), disk=("1Gi", "2Gi")),
            accelerator="nvidia-tesla-t4",
            retries=3,
            timeout="10m",
            deadline=dt.timedelta(hours=1, milliseconds=500),
            interruptible=False,
            cache="v7",
            container_image="team/image:1.0",
            environment={"B": "2", "A": "1"},
            secrets=[Secret("tokens", "hub-key"), Secret("tokens", "k", env="K2")],
            pod_template={"spec": {"priorityClassName": "low"}},
            labels={"l": "1"},
            annotations={"a": "2"},
        )
        def t() -> None: ...

        @task(
            retries=Retry(5, backoff="5s", factor=2, limit="5m", jitter=0.25, memory=Grow(factor=2, limit="16Gi")),
            priority=-3,
            shared_memory="1Gi",
            pod_template_name="roomy",
            secrets=[Secret("hub", "token", file="/etc/hub/token")],
        )
        def shaped() -> None: ...

        @task(retries=Retry(2, memory=["4Gi", "8Gi"]))
        def stepped() -> None: ...

        @task(requests=Resources(cpu=2, mem="1Gi"), limits=Resources(cpu="3500m"))
        def sides() -> None: ...
"""


def test_options_reach_the_spec(author):
    loaded = author.load(OPTIONS)
    spec = compile_entity(
        loaded.entities["t"], CompileSettings(bundle_digest="d", python_version="3.11")
    ).closure.tasks[0]
    requests, limits = spec.resources.requests, spec.resources.limits
    assert (requests.cpu, requests.memory, requests.gpu, requests.ephemeral_storage) == (
        "500m",
        "1Gi",
        1,
        "1Gi",
    )
    assert (limits.cpu, limits.memory, limits.gpu, limits.ephemeral_storage) == ("", "1Gi", 2, "2Gi")
    assert (spec.resources.accelerator, spec.retry.retries) == ("nvidia-tesla-t4", 3)
    assert (spec.timeout.seconds, spec.deadline.seconds, spec.deadline.nanos) == (600, 3600, 500_000_000)
    assert spec.HasField("interruptible")
    assert not spec.interruptible
    assert (spec.cache.enabled, spec.cache.version, spec.container_image) == (True, "v7", "team/image:1.0")
    assert dict(spec.environment) == {"A": "1", "B": "2"}
    assert [(s.name, s.key, s.env) for s in spec.secrets] == [
        ("tokens", "hub-key", "HUB_KEY"),
        ("tokens", "k", "K2"),
    ]
    assert spec.pod_template == '{"spec": {"priorityClassName": "low"}}'
    assert (spec.python.bundle_digest, spec.python.python_version) == ("d", "3.11")
    shaped = compile_entity(loaded.entities["shaped"]).closure.tasks[0]
    retry = shaped.retry
    assert (retry.retries, retry.backoff.seconds, retry.backoff_factor, retry.backoff_limit.seconds) == (
        5,
        5,
        2,
        300,
    )
    assert (retry.backoff_jitter, retry.memory.factor, retry.memory.limit) == (0.25, 2, "16Gi")
    assert (shaped.priority, shaped.shared_memory, shaped.pod_template_name) == (-3, "1Gi", "roomy")
    assert [(s.name, s.key, s.env, s.file) for s in shaped.secrets] == [
        ("hub", "token", "", "/etc/hub/token")
    ]
    stepped = compile_entity(loaded.entities["stepped"]).closure.tasks[0]
    assert (list(stepped.retry.memory.steps), stepped.retry.HasField("backoff")) == (["4Gi", "8Gi"], False)
    sides = compile_entity(loaded.entities["sides"]).closure.tasks[0].resources
    assert (sides.requests.cpu, sides.requests.memory, sides.limits.cpu, sides.limits.memory) == (
        "2",
        "1Gi",
        "3500m",
        "",
    )


@pytest.mark.parametrize("entity", ["eats", "grows", "around", "through"])
def test_launch_plans_that_code_names_are_registered_with_it(author, entity):
    source = """
from limosa import LaunchPlan, dynamic, eager, task, workflow
@task
def t(x: int) -> int:
    return x
@workflow
def kid(x: int) -> int:
    return t(x=x)
plan = LaunchPlan(kid, name="plan")
other = LaunchPlan(kid, name="other")
PLANS = {"listed": LaunchPlan(kid, name="listed")}
@workflow
def nested(x: int) -> int:
    return LaunchPlan(kid, name="inner")(x=x)
def chosen(x):
    return PLANS["listed"](x=x)
@dynamic
def grows(n: int) -> int:
    [plan(x=i) for i in range(n)]
    nested(x=n)
    return chosen(n)
@eager
async def eats(n: int) -> int:
    async def one() -> int:
        return await plan(x=n)
    await nested(x=n)
    return await chosen(n) + await one()
@workflow
def around(n: int) -> int:
    return grows(n=n)
@workflow
def through(n: int) -> int:
    return eats(n=n)
"""
    compiled = author.compile(source, entity)
    assert [one.name for one in compiled.launched] == ["inner", "listed", "plan"]


def test_a_cache_without_version_takes_a_digest_of_the_source_and_says_so(author):
    source = "from limosa import task\n@task(cache=True)\ndef t() -> int:\n    return {}\n"
    versions, notes = [], []
    for value in (1, 2, 2):
        entity = author.load(source.format(value)).entities["t"]
        spec = compile_entity(entity, CompileSettings(note=notes.append)).closure.tasks[0]
        versions.append(spec.cache.version)
    assert versions[0] != versions[1] == versions[2]
    assert notes[0] == f"cache version of flow0.t is {versions[0]}, a digest of its source"


@pytest.mark.parametrize("above", ["", "def above():\n    pass\n"])
@pytest.mark.parametrize(
    "declared",
    [
        "ShellTask('t', script='echo {}', cache=True)",
        "ContainerTask('t', image='one', command=['{}'], cache=True)",
        "ContainerTask('t', image='{}', cache=True)",
        "ShellTask('t', script='echo $A', environment=dict(A='{}'), cache=True)",
    ],
)
def test_the_cache_version_of_what_is_no_function_is_of_what_it_runs(author, above, declared):
    versions = []
    for word in ("a", "b", "b"):
        source = f"from limosa import ContainerTask, ShellTask\n{above}\nt = {declared.format(word)}\n"
        versions.append(author.compile(source, "t").closure.tasks[0].cache.version)
    assert versions[0] != versions[1] == versions[2]
    moved = f"from limosa import ContainerTask, ShellTask\n{above}\n\n\nt = {declared.format('b')}\ndef after():\n    pass\n"
    assert author.compile(moved, "t").closure.tasks[0].cache.version == versions[2]


def test_how_results_are_cached_travels_in_the_spec(author):
    source = (
        "from limosa import Cache, task\n"
        "@task(cache=Cache('v3', serialize=True, ignored_inputs=['threads', 'b']))\n"
        "def t(a: int, b: int, threads: int = 1) -> int:\n    return a\n"
    )
    spec = author.compile(source, "t").closure.tasks[0]
    assert (spec.cache.enabled, spec.cache.version, spec.cache.serialize) == (True, "v3", True)
    assert list(spec.cache.ignored_inputs) == ["b", "threads"]


def test_a_task_that_is_not_cached_says_nothing_of_it(author):
    source = "from limosa import task\n@task(cache=False)\ndef t() -> int:\n    return 1\n"
    assert not author.compile(source, "t").closure.tasks[0].HasField("cache")


def test_string_annotations_are_resolved(author):
    source = """
        from __future__ import annotations
        from dataclasses import dataclass
        from limosa import task

        @task
        def t(x: Later, y: int | None = None) -> list[Later]: return [x]

        @dataclass
        class Later:
            parts: list[Part]

        @dataclass
        class Part:
            n: int
    """
    interface = author.compile(source, "t").interface
    assert interface.inputs[0].type.record.fields[0].type.collection.record.fields[0].name == "n"
    assert interface.inputs[1].type.WhichOneof("kind") == "union_type"


def test_a_decorator_between_is_looked_through(author):
    source = """
        import functools
        from limosa import task
        def twice(f):
            @functools.wraps(f)
            def call(*args, **kwargs): return 2 * f(*args, **kwargs)
            return call
        @task
        @twice
        def t(x: int) -> int: return x
    """
    loaded = author.load(source)
    assert compile_entity(loaded.entities["t"]).interface.inputs[0].name == "x"
    assert loaded.entities["t"](x=4) == 8


def test_imported_entities_are_not_the_module_s_own(author):
    author.write("from limosa import task\n@task\ndef shared() -> int: return 1\n", "lib.py")
    source = (
        "from limosa import workflow\nfrom lib import shared\n@workflow\ndef wf() -> int: return shared()\n"
    )
    loaded = author.load(source)
    assert list(loaded.entities) == ["wf"]
    assert compile_entity(loaded.entities["wf"]).closure.tasks[0].name == "lib.shared"


def test_a_file_outside_of_any_project_has_its_own_folder_as_root(tmp_path, monkeypatch):
    monkeypatch.setattr("limosa.origin.SOURCE_ROOT_MARKS", ("no-such-mark",))
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "lonely_flow.py").write_text("from limosa import task\n@task\ndef t() -> int: return 1\n")
    loaded = load_module(str(tmp_path / "lonely_flow.py"))
    assert (loaded.source_root, loaded.entities["t"].name) == (str(tmp_path), "lonely_flow.t")
    del sys.modules["lonely_flow"]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("my-flows", "flow_in_a_folder"), ("a_folder_of_flows", "a_folder_of_flows.flow_in_a_folder")],
)
def test_a_folder_that_no_module_can_be_called_is_a_root_of_its_own(tmp_path, monkeypatch, folder, expected):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "pyproject.toml").touch()
    place = tmp_path / folder
    place.mkdir()
    (place / "flow_in_a_folder.py").write_text("from limosa import task\n@task\ndef t() -> int: return 1\n")
    loaded = load_module(str(place / "flow_in_a_folder.py"))
    own = folder == "my-flows"
    assert (loaded.source_root, loaded.entities["t"].name) == (
        str(place if own else tmp_path),
        f"{expected}.t",
    )
    assert source_root(str(place)) == str(tmp_path)
    (place / ".limosa").mkdir()
    assert source_root(str(place)) == str(place if own else tmp_path)
    for name in ("a_folder_of_flows", expected):
        sys.modules.pop(name, None)


LOAD_ERRORS = {
    "typo.py": "importing typo.py failed: ImportError: cannot import name 'workfow' from 'limosa' ({limosa}); did you mean 'workflow'?",
    "missing.py": "there is no file missing.py; did you mean missing_.py?",
    "a-b.py": "a-b.py cannot be imported: 'a-b' is no module name; use letters, digits and '_' in file and folder names",
    "json.py": "json.py is called 'json', which is also a loaded module ({json}); rename the file",
    "needs.py": "importing needs.py failed: no module named 'no_such_thing'; install it: pip install no_such_thing; or, where @task(packages=…) brings it, import it in the task",
    "broken.py": "importing broken.py failed: ZeroDivisionError: division by zero",
    "syntax.py": "importing syntax.py failed: SyntaxError: invalid syntax (syntax.py, line 1)",
    "nowhere.module": "there is no module nowhere; run from the folder it is imported from",
}


@pytest.mark.parametrize("target", LOAD_ERRORS)
def test_says_why_a_file_cannot_be_loaded(author, target):
    import json

    import limosa

    for name, source in {
        "missing_.py": "",
        "typo.py": "from limosa import workfow",
        "a-b.py": "",
        "json.py": "",
        "needs.py": "import no_such_thing",
        "broken.py": "1 / 0",
        "syntax.py": "def",
    }.items():
        author.write(source, name)
    with pytest.raises(LimosaError) as caught:
        load_module(target)
    assert str(caught.value) == LOAD_ERRORS[target].format(json=json.__file__, limosa=limosa.__file__)


def test_the_author_s_exception_is_the_cause(author):
    author.write("def f():\n    return 1 / 0\nf()\n", "broken.py")
    with pytest.raises(LimosaError) as caught:
        load_module("broken.py")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_large_graph_compiles(author):
    source = """
        from limosa import task, workflow
        @task
        def f(x: int) -> int: return x
        @workflow
        def wf(x: int) -> int:
            for _ in range(2000):
                x = f(x=x)
            return x
    """
    assert len(nodes_of(author.compile(source))) == 2000


def test_a_task_is_named_from_the_root_whatever_it_was_imported_as(tmp_path, monkeypatch):
    """A test suite may have the file's folder on its path; the pod imports from the root of the bundle."""
    import importlib
    import sys

    (tmp_path / "limosa.toml").write_text("")
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "flows_of_a_suite.py").write_text(
        "from limosa import task\n\n@task\ndef step() -> int:\n    return 1\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    try:
        module = importlib.import_module("flows_of_a_suite")
    finally:
        sys.modules.pop("flows_of_a_suite", None)
    assert module.step.name == "deep.flows_of_a_suite.step"
    assert module.step.loader == "deep.flows_of_a_suite:step"


def test_an_edit_within_a_second_that_keeps_the_size_counts(author, monkeypatch):
    """Python's own check of bytecode sees whole seconds and sizes."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    source = "from limosa import task\n@task\ndef f() -> int:\n    return {}\n"
    path = author.write(source.format(1), "edited_flow.py")
    os.utime(path, ns=(10**18, 10**18))
    load_module(str(path))
    bytecode = importlib.util.cache_from_source(str(path))
    os.utime(bytecode, ns=(10**18 + 1, 10**18 + 1))
    author.forget()
    path.write_text(source.format(2))
    os.utime(path, ns=(10**18 + 2, 10**18 + 2))
    assert load_module(str(path)).entities["f"].function() == 2
