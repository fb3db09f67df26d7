"""Local runs take what earlier local runs made."""

from pathlib import Path

import pytest

from limosa import LimosaError
from limosa.local import LocalCache, run
from limosa_idl.run.v1alpha1 import run_pb2

SOURCE = """
from pathlib import Path
from limosa import Cache, File, map_task, task, workflow

RAN = []

@task(cache=Cache("{version}", ignored_inputs=("hint",)))
def double(x: int, hint: str = "") -> int:
    RAN.append(x)
    return 2 * x

@task
def plain(x: int) -> int:
    RAN.append(-x)
    return x

@workflow
def chain(x: int, hint: str = "") -> int:
    return plain(x=double(x=x, hint=hint))

@workflow
def each(xs: list[int]) -> list[int]:
    return map_task(double)(x=xs)

@workflow
def uncached(x: int) -> int:
    return double.with_overrides(cache=False)(x=x)

@task(cache="v1")
def written(text: str) -> File:
    RAN.append(0)
    Path("out.txt").write_text(text)
    return File("out.txt")
"""


@pytest.fixture
def here(author, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(version="v1"):
        return author.load(SOURCE.format(version=version)).entities

    def go(entity, mode=run_pb2.CACHE_MODE_UNSPECIFIED, **inputs):
        seen = []
        cache = LocalCache(tmp_path / "cache", mode)
        made = run(entity, inputs, tmp_path / "runs", seen.append, cache=cache)
        cached = [f"{one.path}[{one.index}]" for one in seen if one.cached_from]
        return made, cached

    return load, go


def ran(entities):
    return entities["double"].function.__globals__["RAN"]


def values_of(made):
    return list(made.outputs.values())


def test_an_equal_launch_is_not_run_again(here):
    load, go = here
    entities = load()
    first, none = go(entities["chain"], x=3)
    second, cached = go(entities["chain"], x=3, hint="other")
    assert (none, cached) == ([], ["n0[None]"])
    assert values_of(first) == values_of(second) == [6]
    assert ran(entities) == [3, -6, -6]


def test_items_are_taken_one_by_one(here):
    load, go = here
    entities = load()
    go(entities["each"], xs=[1, 2])
    made, cached = go(entities["each"], xs=[2, 5, 1])
    assert cached == ["n0[0]", "n0[2]"]
    assert values_of(made) == [[4, 10, 2]]
    assert ran(entities) == [1, 2, 5]


def test_modes(here):
    load, go = here
    entities = load()
    for mode in (
        run_pb2.CACHE_MODE_SKIP,
        run_pb2.CACHE_MODE_UNSPECIFIED,
        run_pb2.CACHE_MODE_OVERWRITE,
        run_pb2.CACHE_MODE_UNSPECIFIED,
    ):
        go(entities["double"], mode, x=1)
    assert ran(entities) == [1, 1, 1]


def test_a_call_may_be_left_out(here):
    load, go = here
    entities = load()
    for _ in range(2):
        go(entities["uncached"], x=1)
    assert ran(entities) == [1, 1]


def test_files_that_are_gone_are_made_again(here, tmp_path):
    load, go = here
    entities = load()
    first, _ = go(entities["written"], text="a")
    _, cached = go(entities["written"], text="a")
    assert cached == ["n0[None]"]
    for file in first.directory.rglob("out.txt"):
        file.unlink()
    second, cached = go(entities["written"], text="a")
    assert cached == []
    assert Path(values_of(second)[0].path).read_text() == "a"


def test_a_damaged_entry_is_none(here, tmp_path):
    load, go = here
    entities = load()
    go(entities["double"], x=1)
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(b"\xff\xff\xff")
    _, cached = go(entities["double"], x=1)
    assert cached == []


HASHED = """
from pathlib import Path
from typing import Annotated, NamedTuple
from limosa import File, HashMethod, task, workflow

RAN = []

def first_line(file: File) -> str:
    return Path(file).read_text().split()[0]

class Made(NamedTuple):
    rows: Annotated[list[int], HashMethod(lambda rows: str(len(rows)))]
    text: Annotated[File, HashMethod(first_line)]

@task
def make(n: int, text: str) -> Made:
    Path("out.txt").write_text(text)
    return Made(list(range(n, n + 3)), File("out.txt"))

@task(cache="v1")
def use(rows: list[int], text: File) -> str:
    RAN.append(rows)
    return f"{{rows}} {{Path(text).read_text()}}"

@workflow
def both(n: int, text: str) -> str:
    made = make(n=n, text=text)
    return use(rows=made.rows, text=made.text)
""".format()


def test_a_hash_method_stands_for_a_value_in_keys(author, here):
    _, go = here
    entities = author.load(HASHED).entities
    first, none = go(entities["both"], n=0, text="a b")
    same, cached = go(entities["both"], n=7, text="a c")
    assert (none, cached) == ([], ["n1[None]"])
    assert values_of(first) == values_of(same) == ["[0, 1, 2] a b"]
    other, none = go(entities["both"], n=7, text="b c")
    assert (none, values_of(other)) == ([], ["[7, 8, 9] b c"])


def hashed(note):
    return f"from typing import Annotated\nfrom limosa import HashMethod, task\n@task\ndef t() -> Annotated[int, {note}]:\n    return 1\n"


def test_a_hash_method_that_gives_no_text_is_named(author, here):
    _, go = here
    entity = author.load(hashed("HashMethod(lambda value: value)")).entities["t"]
    with pytest.raises(LimosaError, match="of HashMethod gave 1, which is no text"):
        go(entity)


def test_a_hash_method_without_a_function_is_named(author):
    with pytest.raises(LimosaError, match="has no function"):
        author.load(hashed("HashMethod('md5')"))


def test_a_hash_method_of_an_argument_is_refused(author):
    source = "from typing import Annotated\nfrom limosa import HashMethod, task\n@task\ndef t(x: Annotated[int, HashMethod(str)]) -> int:\n    return x\n"
    with pytest.raises(LimosaError, match=r"argument 'x' has a HashMethod, which belongs"):
        author.compile(source, "t")
