"""The examples, and the shapes a graph can have, on the whole platform: the same answers as plain Python gives."""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from platform_rig import runs
from platform_rig.sandbox import PODS, RUNS, Sandbox
from platform_rig.waiting import wait_for

from limosa.remote import ClientTransfer
from limosa_idl.core.v1alpha1.failure_pb2 import FAILURE_KIND_USER
from limosa_model.values import to_plain

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"

SHAPES = '''
"""A map, nested sub-workflows and branches in one graph."""

from typing import NamedTuple

from limosa import conditional, map_task, task, workflow

class Both(NamedTuple):
    verdict: str
    total: int

@task
def numbers(n: int) -> list[int]:
    return list(range(n))

@task
def square(x: int) -> int:
    return x * x

@task
def total(values: list[int]) -> int:
    return sum(values)

@task
def half(x: int) -> int:
    return x // 2

@task
def label(x: int, word: str) -> str:
    return f"{x} is {word}"

@workflow
def squares(n: int) -> int:
    return total(values=map_task(square)(x=numbers(n=n)))

@workflow
def judged(n: int, limit: int) -> str:
    found = half(x=squares(n=n))
    return (
        conditional("size")
        .if_(found > limit).then(label(x=found, word="large"))
        .elif_(found == limit).then(label(x=found, word="equal"))
        .else_().then(label(x=found, word="small"))
    )

@workflow
def shapes(n: int = 20, limit: int = 100) -> Both:
    return Both(judged(n=n, limit=limit), squares(n=3))
'''


def plainly(file: Path, entity: str, **inputs: Any) -> Any:
    """What calling the workflow as a function gives, in an interpreter of its own, as JSON."""
    program = (
        "import json, sys, importlib; sys.path.insert(0, sys.argv[1])\n"
        "found = getattr(importlib.import_module(sys.argv[2]), sys.argv[3])(**json.loads(sys.argv[4]))\n"
        "print(json.dumps(found, default=vars))"
    )
    arguments = [str(file.parent), file.stem, entity, json.dumps(inputs)]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_hello_greets_from_a_pod_and_its_words_are_kept(sandbox: Sandbox) -> None:
    file = EXAMPLES / "hello" / "hello.py"
    ended = runs.run(sandbox, file, "hello", {"name": "Ada"})
    assert ended.phase == "SUCCEEDED", ended.failure
    assert list(runs.outputs(sandbox, ended.name).values()) == [plainly(file, "hello", name="Ada")]
    with sandbox.client() as client:
        data = client.run_data(ended.name)
        assert to_plain(data.inputs.literals["name"]) == "Ada"
        detail = client.get_run(ended.name)
        (node,) = [
            snapshot.key.node_path for snapshot in detail.snapshots if snapshot.WhichOneof("state") == "node"
        ]
        assert client.run_data(ended.name, node).inputs == data.inputs
        said = "".join(chunk.text for chunk in client.logs(ended.name))
        assert said == "greeting Ada\n"


def test_words_are_counted_as_plain_python_counts_them(sandbox: Sandbox) -> None:
    file, texts = EXAMPLES / "word_count" / "word_count.py", EXAMPLES / "word_count" / "texts"
    ended = runs.run(sandbox, file, "word_count", {"texts": str(texts), "top": 5})
    assert ended.phase == "SUCCEEDED", ended.failure
    (counted,) = runs.outputs(sandbox, ended.name).values()
    words = " ".join(path.read_text().lower() for path in texts.glob("*.txt"))
    assert len(counted) == 5
    assert counted == sorted(counted, key=lambda entry: (-entry["count"], entry["word"]))
    expected = Counter(re.findall(r"[a-z]+(?:'[a-z]+)?", words))
    assert {entry["word"]: entry["count"] for entry in counted}.items() <= expected.items()


@pytest.mark.parametrize(
    ("failures", "threshold", "told"), [(2, 3, "7: large enough"), (0, 10, "7: too small")]
)
def test_what_is_flaky_succeeds_at_the_attempt_after(
    sandbox: Sandbox, failures: int, threshold: int, told: str
) -> None:
    inputs = {"failures": failures, "threshold": threshold}
    ended = runs.run(sandbox, EXAMPLES / "failure" / "failure.py", "failure", inputs)
    assert ended.phase == "SUCCEEDED", ended.failure
    assert list(runs.outputs(sandbox, ended.name).values()) == [told]
    with sandbox.client() as client:
        states = [one.node for one in client.get_run(ended.name).snapshots if one.HasField("node")]
    assert [state.launches for state in states if state.target.endswith("flaky")] == [failures + 1]


def test_what_must_fail_fails_with_the_author_s_error(sandbox: Sandbox) -> None:
    inputs = {"failures": 0, "threshold": 300}
    ended = runs.run(sandbox, EXAMPLES / "failure" / "failure.py", "failure", inputs)
    assert ended.phase == "FAILED"
    failure = ended.failure
    assert (failure.kind, failure.code) == (FAILURE_KIND_USER, "UserException")
    assert failure.exception.type == "ValueError"
    assert failure.exception.message == "threshold is 300, but numbers end at 10"
    assert failure.exception.frames[0].file == "failure.py"
    assert failure.origin.task.endswith("check")
    with sandbox.client() as client:
        data = client.run_data(ended.name)
        assert not data.HasField("outputs")
        assert "failed" in data.note


def test_the_house_price_model_predicts_from_raw_rows(sandbox: Sandbox, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas", reason="the example works on data frames: pip install pandas pyarrow")
    folder = EXAMPLES / "house_prices"
    houses = folder / "data" / "windsor.csv"
    ended = runs.run(sandbox, folder / "house_prices.py", "house_prices", {"houses": str(houses)})
    assert ended.phase == "SUCCEEDED", ended.failure
    found = runs.outputs(sandbox, ended.name)
    assert 0.5 < found["metrics"]["r2"] < 1
    assert found["verdict"].startswith("published")
    with sandbox.client() as client:
        transfer = ClientTransfer(client, tmp_path)
        model_file = transfer.download_file(found["model"]["uri"], "model.json")
    sys.path.insert(0, str(folder))
    try:
        from model import HouseModel
    finally:
        sys.path.remove(str(folder))
    model = HouseModel.load(model_file)
    row = pd.read_csv(houses).head(1)
    larger = row.assign(lotsize=row["lotsize"] * 2)
    cooled = row.assign(airco="yes" if row["airco"].item() == "no" else "no")
    prices = [float(model.predict(one)[0]) for one in (row, larger, cooled)]
    assert prices[1] > prices[0] > 10_000
    assert prices[2] != prices[0]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    (folder / "limosa.toml").touch()
    file = folder / "shapes.py"
    file.write_text(SHAPES)
    return file


@pytest.mark.parametrize(("n", "limit"), [(20, 100), (3, 2), (2, 40)])
def test_maps_branches_and_workflows_in_workflows(sandbox: Sandbox, shapes: Path, n: int, limit: int) -> None:
    ended = runs.run(sandbox, shapes, "shapes", {"n": n, "limit": limit})
    assert ended.phase == "SUCCEEDED", ended.failure
    verdict, total = plainly(shapes, "shapes", n=n, limit=limit)
    assert runs.outputs(sandbox, ended.name) == {"verdict": verdict, "total": total}


def test_items_of_a_map_have_values_of_their_own(sandbox: Sandbox, shapes: Path) -> None:
    ended = runs.run(sandbox, shapes, "squares", {"n": 4})
    assert ended.phase == "SUCCEEDED", ended.failure
    with sandbox.client() as client:
        nodes = [one for one in client.get_run(ended.name).snapshots if one.WhichOneof("state") == "node"]
        (mapped,) = [one for one in nodes if one.node.kind == "map" and not one.key.HasField("index")]
        assert (mapped.node.items, mapped.node.items_succeeded) == (4, 4)
    squares = [runs.outputs(sandbox, ended.name, mapped.key.node_path, index) for index in range(4)]
    assert [list(one.values()) for one in squares] == [[0], [1], [4], [9]]


def test_nothing_stays_on_the_cluster(sandbox: Sandbox, shapes: Path) -> None:
    ended = runs.run(sandbox, shapes, "squares", {"n": 2})
    wait_for(lambda: not sandbox.objects(PODS) and not sandbox.objects(RUNS), sandbox.told)
    assert list(runs.outputs(sandbox, ended.name).values()) == [1]
