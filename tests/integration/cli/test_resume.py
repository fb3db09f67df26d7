"""Break, fix, go on: runs that are resumed on the whole platform, as a person meets them at the command line."""

import json
import re

import pytest

CHAIN = """
from pathlib import Path

from limosa import File, dynamic, map_task, task, workflow


@task
def first(x: int) -> int:
    print("first runs", flush=True)
    return x + 1


@task
def second(x: int) -> File:
    Path("second.txt").write_text(f"second made {x}")
    return File("second.txt")


@task
def third(file: File) -> int:
    return int(file.open().read()) + 0  # broken


@task
def fourth(x: int) -> int:
    return x * 10


@task
def fifth(x: int) -> int:
    return x + 5


@workflow
def five(x: int = 1) -> int:
    return fifth(x=fourth(x=third(file=second(x=first(x=x)))))


@task
def invert(x: int) -> float:
    return 100 / x  # broken


@task
def total(xs: list[float]) -> float:
    return sum(xs)


@workflow
def spread(xs: list[int] = [1, 2, 0, 4]) -> float:
    return total(xs=map_task(invert)(x=xs))


@workflow
def inner(x: int) -> float:
    return invert(x=fourth(x=first(x=x)))


@workflow
def nested(x: int = -1) -> float:
    return total(xs=[inner(x=x)])


@dynamic
def fan(n: int) -> float:
    return total(xs=[invert(x=i) for i in range(n)])


@workflow
def grown(n: int = 3) -> float:
    return total(xs=[fan(n=n)])
"""
FIXED = (
    CHAIN
    .replace("int(file.open().read()) + 0  # broken", "len(file.open().read())")
    .replace("100 / x  # broken", "100 / x if x else 0.0")
)  # fmt: skip


@pytest.fixture
def flow(shell, request):
    """A terminal whose folder has the broken program; `flow.fix()` mends it."""
    (shell.work / "limosa.toml").write_text("")
    file = shell.work / "chain.py"
    file.write_text(CHAIN)
    shell.fix = lambda: file.write_text(FIXED)
    return shell


def broken(flow, entity):
    result = flow.limosa("run", "--remote", "chain.py", entity)
    assert result.status == 1, result.err
    return name_of(result)


def name_of(result):
    return re.findall(r"^run (\S+)", result.err, re.MULTILINE)[-1]


def nodes_of(flow, run):
    shown = flow.limosa("get", "run", run, "-o", "json")
    assert shown.status == 0, shown.err
    return {node["path"]: node for node in json.loads(shown.out)["node_states"]}


def launched(flow, run):
    """The nodes that a run launched pods for."""
    return {path for path, node in nodes_of(flow, run).items() if node["launches"]}


def test_five_nodes_of_which_the_third_is_broken(flow):
    old = broken(flow, "five")
    flow.fix()
    result = flow.limosa("resume", old, "chain.py")
    assert result.status == 0, result.err
    table = re.findall(r"^(n\d) +(\w+) +(reused|runs) *(.*)$", result.err, re.MULTILINE)
    assert table == [
        ("n0", "first", "reused", ""),
        ("n1", "second", "reused", ""),
        ("n2", "third", "runs", "failed before"),
        ("n3", "fourth", "runs", "it depends on n2, which runs"),
        ("n4", "fifth", "runs", "it depends on n3, which runs"),
    ]
    assert "warning" not in result.err
    # "second made 2" has 13 characters: a file of the old run, read by a pod of the new one.
    assert result.out.strip() == "135"
    new = name_of(result)
    assert launched(flow, new) == {"n2", "n3", "n4"}
    nodes = nodes_of(flow, new)
    assert {path: nodes[path]["reused_from"] for path in ("n0", "n1", "n2")} == {
        "n0": old,
        "n1": old,
        "n2": None,
    }
    assert json.loads(flow.limosa("get", "run", new, "-o", "json").out)["resumed_from"] == old
    assert (
        f"n0 first (task chain.first)\n  succeeded: reused, from run {old}"
        in flow.limosa("explain", new, "n0").out
    )
    said = flow.limosa("explain", new, "third").out
    assert f"launched: run {old} has no result of it, because it failed there" in said
    shown = flow.limosa("outputs", new, "n0")
    assert shown.status == 0, shown.err
    assert shown.out.strip() == "2"


def test_the_same_code_again_reuses_all_that_there_is(flow):
    flow.fix()
    first = flow.limosa("run", "--remote", "chain.py", "five")
    again = flow.limosa("resume", name_of(first))
    assert again.status == 0, again.err
    assert again.out == first.out
    assert launched(flow, name_of(again)) == set()


def test_from_a_node_on_everything_runs(flow):
    flow.fix()
    old = name_of(flow.limosa("run", "--remote", "chain.py", "five"))
    again = flow.limosa("resume", old, "--from", "fourth")
    assert again.status == 0, again.err
    assert launched(flow, name_of(again)) == {"n3", "n4"}
    unknown = flow.limosa("resume", old, "--from", "sixth")
    assert unknown.status != 0
    assert "there is no node 'sixth'" in unknown.err
    assert "n4 fifth" in unknown.err


def test_changed_code_of_a_reused_node_is_warned_of(flow):
    old = broken(flow, "five")
    flow.fix()
    file = flow.work / "chain.py"
    file.write_text(file.read_text().replace("return x + 1", "return x + 2"))
    shown = flow.limosa("resume", old, "chain.py", "--dry-run")
    assert shown.status == 0, shown.err
    assert "n0    first   reused" in shown.out
    told = " ".join(shown.err.split())
    assert (
        "warning: the code of n0 (first) is of another version, its old result is reused; to run it again: --from n0"
        in told
    )
    facts = json.loads(flow.limosa("resume", old, "chain.py", "--dry-run", "-o", "json").out)
    assert facts[0] == {
        "node": "n0", "name": "first", "reused": True, "items": None, "items_reused": None, "why": None,
        "code_changed": True,
    }  # fmt: skip


def test_of_a_map_only_the_item_that_failed_runs(flow):
    old = broken(flow, "spread")
    flow.fix()
    result = flow.limosa("resume", old, "chain.py")
    assert result.status == 0, result.err
    assert result.out.strip() == "175.0"
    new = name_of(result)
    node = json.loads(flow.limosa("get", "run", new, "n0", "-o", "json").out)
    assert [attempt["index"] for attempt in node["attempts"]] == [2]
    assert "reused" in flow.limosa("get", "run", new).out


def test_inside_a_sub_workflow(flow):
    old = broken(flow, "nested")
    flow.fix()
    result = flow.limosa("resume", old, "chain.py")
    assert result.status == 0, result.err
    assert launched(flow, name_of(result)) == {"n0/n2", "n1"}


def test_a_dynamic_node_of_changed_code_makes_its_graph_anew_and_its_children_are_reused(flow):
    old = broken(flow, "grown")
    flow.fix()
    result = flow.limosa("resume", old, "chain.py")
    assert result.status == 0, result.err
    assert result.out.strip() == "150.0"
    # 100 / 0 failed; whether 100 / 1 and 100 / 2 had ended before that is a matter of chance.
    assert {"n0", "n0/n0", "n0/n3", "n1"} <= launched(flow, name_of(result))
    again = flow.limosa("resume", name_of(result))
    assert launched(flow, name_of(again)) == set()


def test_what_cannot_be_gone_on_from(flow):
    local = flow.limosa("run", "chain.py", "spread")
    told = flow.limosa("resume", name_of(local))
    assert told.status != 0
    assert "was a local run; only runs of the platform can be gone on from" in told.err
    missing = flow.limosa("resume", "no-such-run")
    assert missing.status != 0
    assert "no-such-run" in missing.err
