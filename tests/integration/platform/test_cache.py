"""Cached tasks on the whole platform: what a second run does not run, and who waits for whom.

Every function notes in a file beside the flow that it ran, so that what ran is seen from outside.
"""

import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from platform_rig import runs
from platform_rig.sandbox import PODS, Sandbox
from platform_rig.waiting import wait_for

from limosa_idl.run.v1alpha1 import run_pb2

FLOW = """
import time
from pathlib import Path
from typing import Annotated

from limosa import Cache, File, HashMethod, map_task, task, workflow

NOTES = Path("{notes}")


def note(what: str) -> None:
    with (NOTES / what).open("a") as file:
        file.write("ran\\n")


@task(cache=Cache("{version}", ignored_inputs=("hint",)))
def double(x: int, hint: str = "") -> int:
    note(f"double-{{x}}")
    return 2 * x


@task
def plus(x: int, y: int) -> int:
    note("plus")
    return x + y


@workflow
def chain(x: int, hint: str = "") -> int:
    return plus(x=double(x=double(x=x, hint=hint), hint=hint), y=1)


@task
def total(values: list[int]) -> int:
    return sum(values)


@workflow
def each(xs: list[int]) -> int:
    return total(values=map_task(double)(x=xs))


@task(cache=Cache("{version}"))
def written(text: str) -> File:
    note("written")
    path = Path("out.txt")
    path.write_text(text)
    return File(path)


@task
def read(file: File) -> str:
    return Path(file.path).read_text()


@workflow
def files(text: str) -> str:
    return read(file=written(text=text))


@task
def numbers(upto: int) -> Annotated[list[int], HashMethod(lambda found: str(len(found)))]:
    return list(range(upto, upto + 3))


@workflow
def hashed(upto: int) -> int:
    return counted(values=numbers(upto=upto))


@task(cache=Cache("{version}"))
def counted(values: list[int]) -> int:
    note("counted")
    return sum(values)


@task(cache=Cache("{version}", serialize=True))
def slow(x: int) -> int:
    note("slow")
    while not (NOTES / "go").exists():
        time.sleep(0.05)
    return x * 10


@workflow
def alone(x: int) -> int:
    return slow(x=x)
"""


class Author:
    """A person with a flow of her own: nobody else's results are hers."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox, self.folder, self.notes = sandbox, folder, folder / "notes"
        self.notes.mkdir()
        (folder / "limosa.toml").touch()
        self.file = folder / f"flow_{uuid.uuid4().hex[:8]}.py"
        self.file.write_text(FLOW.format(notes=self.notes, version="v1"))
        self.module = self.file.stem

    def submit(self, entity: str, *options: str, **inputs: Any) -> str:
        given = [
            word
            for name, value in inputs.items()
            for word in (f"--{name}", value if isinstance(value, str) else json.dumps(value))
        ]
        arguments = ["run", "--remote", "--detach", "-o", "json", *options, str(self.file), entity, *given]
        name: str = json.loads(runs.limosa(self.sandbox, *arguments))["name"]
        return name

    def end(self, name: str, phase: str = "SUCCEEDED") -> str:
        with self.sandbox.client() as client:
            ended = runs.await_end(client, name)
        assert ended.phase == phase, ended.failure
        return name

    def run(self, entity: str, *options: str, **inputs: Any) -> str:
        return self.end(self.submit(entity, *options, **inputs))

    def ran(self, what: str) -> int:
        """How often a function ran."""
        file = self.notes / what
        return len(file.read_text().splitlines()) if file.exists() else 0

    def nodes(self, name: str) -> dict[str, run_pb2.NodeState]:
        """The states of a run's nodes and items."""
        with self.sandbox.client() as client:
            found = client.get_run(name).snapshots
        return {
            s.key.node_path + (f"[{s.key.index}]" if s.key.HasField("index") else ""): s.node
            for s in found
            if s.WhichOneof("state") == "node"
        }

    def launches(self, name: str) -> int:
        with self.sandbox.client() as client:
            return sum(s.WhichOneof("state") == "launch" for s in client.get_run(name).snapshots)

    def listed(self, *arguments: str) -> Any:
        return json.loads(runs.limosa(self.sandbox, "cache", "list", "-o", "json", *arguments))

    def outputs(self, name: str) -> Sequence[Any]:
        return list(runs.outputs(self.sandbox, name).values())

    def await_kept(self, task: str, count: int) -> None:
        """Results are told to admin beside the run's end, not before it."""
        wait_for(lambda: len(self.listed(f"{self.module}.{task}")) == count, lambda: self.listed())


@pytest.fixture
def author(sandbox: Sandbox, tmp_path: Path) -> Author:
    return Author(sandbox, tmp_path)


def test_a_hash_method_says_in_a_pod_what_counts(author: Author) -> None:
    first = author.run("hashed", upto=3)
    author.await_kept("counted", 1)
    second = author.run("hashed", upto=9)
    assert author.outputs(first) == author.outputs(second) == [3 + 4 + 5]
    assert author.ran("counted") == 1
    assert author.nodes(second)["n1"].origin_run == first


def test_a_second_run_takes_what_the_first_made(author: Author) -> None:
    first = author.run("chain", x=3)
    author.await_kept("double", 2)
    second = author.run("chain", x=3, hint="another")
    assert author.outputs(first) == author.outputs(second) == [13]
    assert (author.ran("double-3"), author.ran("double-6"), author.ran("plus")) == (1, 1, 2)
    assert author.launches(second) == 1
    nodes = author.nodes(second)
    for path in ("n0", "n1"):
        assert (nodes[path].origin, nodes[path].origin_run) == (run_pb2.ORIGIN_CACHE, first)
        assert nodes[path].launches == 0
    assert not nodes["n2"].origin
    shown = runs.limosa(author.sandbox, "get", "run", second)
    assert shown.count(f"cached, from {first}") == 2
    assert [entry["hits"] for entry in author.listed(f"{author.module}.double")] == [1, 1]
    # What was not made before is.
    author.run("chain", x=6)
    assert (author.ran("double-6"), author.ran("double-12")) == (1, 1)


def test_items_of_a_map_are_taken_one_by_one(author: Author) -> None:
    author.run("each", xs=[1, 2, 3])
    author.await_kept("double", 3)
    second = author.run("each", xs=[2, 9, 3, 1])
    assert author.outputs(second) == [30]
    assert [author.ran(f"double-{x}") for x in (1, 2, 3, 9)] == [1, 1, 1, 1]
    nodes = author.nodes(second)
    cached = [bool(nodes[f"n0[{index}]"].origin) for index in range(4)]
    assert cached == [True, False, True, True]
    assert "4/4 items, 3 cached" in runs.limosa(author.sandbox, "get", "run", second)


def test_files_are_read_where_the_first_run_put_them_until_it_is_deleted(author: Author) -> None:
    first = author.run("files", text="hello")
    author.await_kept("written", 1)
    second = author.run("files", text="hello")
    assert author.outputs(second) == ["hello"]
    assert author.ran("written") == 1
    runs.limosa(author.sandbox, "delete", "--yes", first)
    assert author.listed(f"{author.module}.written") == []
    third = author.run("files", text="hello")
    assert author.outputs(third) == ["hello"]
    assert author.ran("written") == 2


def test_a_result_whose_data_vanished_is_made_again(author: Author) -> None:
    author.run("files", text="hello")
    author.await_kept("written", 1)
    store = author.sandbox.store()
    with author.sandbox.client() as client:
        uri = client.run_data(author.run("files", text="hello"), "n0").outputs.literals["o0"].blob.uri
    key = store.key(uri)
    assert key is not None
    store.delete(key)
    third = author.run("files", text="hello")
    assert author.outputs(third) == ["hello"]
    assert author.ran("written") == 2
    author.await_kept("written", 1)
    assert author.listed(f"{author.module}.written")[0]["run"] == third


def test_overwriting_makes_and_replaces(author: Author) -> None:
    author.run("chain", x=3)
    author.await_kept("double", 2)
    second = author.run("chain", "--overwrite-cache", x=3)
    assert (author.ran("double-3"), author.ran("double-6")) == (2, 2)
    wait_for(lambda: {entry["run"] for entry in author.listed(f"{author.module}.double")} == {second})
    third = author.run("chain", x=3)
    assert author.nodes(third)["n0"].origin_run == second


def test_without_cache_nothing_is_taken_and_nothing_kept(author: Author) -> None:
    author.run("chain", "--no-cache", x=3)
    author.run("chain", "--no-cache", x=3)
    assert author.ran("double-3") == 2
    assert author.listed(f"{author.module}.double") == []


def test_what_is_invalidated_runs_again(author: Author) -> None:
    author.run("chain", x=3)
    author.await_kept("double", 2)
    task = f"{author.module}.double"
    told = runs.try_limosa(author.sandbox, "cache", "invalidate", task)
    assert "forgot 2 results" in told.stderr
    author.run("chain", x=3)
    assert author.ran("double-3") == 2


def test_a_new_version_forgets_the_old_results(author: Author) -> None:
    author.run("chain", x=3)
    author.await_kept("double", 2)
    author.file.write_text(FLOW.format(notes=author.notes, version="v2"))
    author.run("chain", x=3)
    assert author.ran("double-3") == 2


def test_of_equal_launches_one_runs_and_the_others_take_its_result(author: Author) -> None:
    names = [author.submit("alone", x=4) for _ in range(3)]
    wait_for(lambda: author.ran("slow"))

    def waiting() -> list[str]:
        found = [author.nodes(name)["n0"] for name in names if "n0" in author.nodes(name)]
        return [state.reason.detail for state in found if state.reason.code == "WaitingForReservation"]

    (holder, _) = wait_for(lambda: found if len(found := waiting()) == 2 else None, waiting)
    assert holder.split()[1].rstrip(",") in names
    assert holder.endswith(", node n0")
    (author.notes / "go").touch()
    for name in names:
        author.end(name)
        assert author.outputs(name) == [40]
    assert author.ran("slow") == 1
    assert sum(author.launches(name) for name in names) == 1


def test_when_the_one_that_runs_is_aborted_another_takes_over(author: Author) -> None:
    names = [author.submit("alone", x=5) for _ in range(2)]
    wait_for(lambda: author.ran("slow"))
    (holder,) = wait_for(lambda: [name for name in names if author.launches(name)])
    (other,) = set(names) - {holder}
    wait_for(
        lambda: author.nodes(other).get("n0", run_pb2.NodeState()).reason.code == "WaitingForReservation"
    )
    runs.limosa(author.sandbox, "abort", holder)
    author.end(holder, "ABORTED")
    wait_for(lambda: author.ran("slow") == 2)
    (author.notes / "go").touch()
    author.end(other)
    assert author.outputs(other) == [50]


def test_a_reservation_survives_the_operator(author: Author) -> None:
    names = [author.submit("alone", x=6) for _ in range(2)]
    wait_for(lambda: author.ran("slow"))
    (holder,) = wait_for(lambda: [name for name in names if author.launches(name)])
    author.sandbox.kill_part("operator")
    author.sandbox.await_parts()
    (author.notes / "go").touch()
    for name in names:
        author.end(name)
        assert author.outputs(name) == [60]
    assert author.ran("slow") == 1
    (other,) = set(names) - {holder}
    assert author.nodes(other)["n0"].origin_run == holder


def test_a_hit_runs_no_pod(author: Author) -> None:
    author.run("chain", x=7)
    author.await_kept("double", 2)
    seen: set[str] = set()
    name = author.submit("chain", x=7)
    while True:
        seen |= {
            pod["metadata"]["annotations"]["limosa.dev/node-path"]
            for pod in author.sandbox.objects(PODS)
            if pod["metadata"]["name"].startswith(name)
        }
        with author.sandbox.client() as client:
            if client.get_run(name).run.state.phase == run_pb2.RUN_PHASE_SUCCEEDED:
                break
    assert seen <= {"n2"}
    assert author.launches(name) == 1
