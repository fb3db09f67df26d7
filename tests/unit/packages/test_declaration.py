"""What `packages=` may be, and what makes two declarations the same."""

import pytest

from limosa import LimosaError, Packages, task
from limosa.packages.declaration import declared_packages


def test_a_list_a_file_and_a_lock() -> None:
    @task(
        packages=[
            "xgboost==2.1.4",
            "numpy[extra]>=1 ; python_version > '3'",
            "lib @ https://x/lib-1-py3-none-any.whl",
        ]
    )
    def listed() -> None: ...

    assert listed.options.packages is not None
    assert not listed.options.packages.file
    assert Packages("flows/requirements.txt").file == "flows/requirements.txt"
    assert Packages("../uv.lock", python="3.12").is_uv_lock


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        ("xgboost==2.1", {}, "'xgboost==2.1' is no requirements file and no uv.lock"),
        ([], {}, "[] is no list of requirements"),
        ([1], {}, "[1] is no list of requirements"),
        (["not a name"], {}, "'not a name' is no requirement"),
        (["-r other.txt"], {}, "'-r other.txt' is no requirement"),
        (["a"], {"python": "3"}, "python='3' is none"),
        (["a"], {"python": 3.12}, "python=3.12 is none"),
        (["a"], {"platform": "linux"}, "platform='linux' is none"),
    ],
)
def test_nonsense_is_refused_where_it_stands(given, options, says: str) -> None:
    with pytest.raises(LimosaError) as raised:
        Packages(given, **options)
    assert raised.value.code == "TaskOption"
    assert says in raised.value.message
    assert raised.value.remedy.startswith("write ")
    assert "test_declaration.py:" in raised.value.place


def test_they_belong_to_the_task_not_to_a_call() -> None:
    @task(packages=["numpy"])
    def one(x: int) -> int:
        return x

    from limosa import workflow

    @workflow
    def flow(x: int) -> int:
        return one.with_overrides(packages=["pandas"])(x=x)

    with pytest.raises(LimosaError, match="with_overrides has no option 'packages'"):
        _ = flow.spec


def key(**changes) -> str:
    given = {"requirements": ["numpy"], **changes}

    @task(packages=Packages(given.pop("requirements"), **given))
    def one() -> None: ...

    declared = declared_packages(one)
    assert declared is not None
    return declared.key


def test_the_key_is_of_what_is_written() -> None:
    changes = [{}, {"requirements": ["pandas"]}, {"python": "3.12"}, {"platform": "aarch64-manylinux_2_28"}]
    assert len({key(**one) for one in changes}) == len(changes)
    assert key() == key()
