"""What a pod says of a file or module that the code bundle could have brought along."""

import pytest

from limosa.runtime.call import raised
from limosa.runtime.code import load_task
from limosa.runtime.outcome import LaunchFailed

INCLUDE = "add it to `include` in limosa.toml or in [tool.limosa] of pyproject.toml, or run with --copy all"


def failure_of(path, root):
    try:
        open(path).close()
    except OSError as error:
        return raised(error, root)
    raise AssertionError("it is there")


@pytest.mark.parametrize("path", ["data/rates.csv", "{root}/data/rates.csv"])
def test_a_file_of_the_project_that_was_not_packed(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    failure = failure_of(path.format(root=tmp_path), tmp_path)
    hint = f"If it is a file of your project: only imported modules are packed; {INCLUDE}, or pass it as a File input."
    assert failure.remedy == hint
    told = f"[Errno 2] No such file or directory: {path.format(root=tmp_path)!r}"
    assert (failure.exception.message, failure.message) == (told, f"FileNotFoundError: {told}")


def test_a_file_elsewhere_is_nothing_of_the_bundles(tmp_path):
    failure = failure_of("/nowhere/rates.csv", tmp_path)
    assert failure.message == "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/rates.csv'"


def test_an_error_without_a_file_name(tmp_path):
    assert raised(FileNotFoundError("gone"), tmp_path).message == "FileNotFoundError: gone"


def test_a_module_that_was_not_packed(tmp_path, monkeypatch):
    (tmp_path / "needing_flow.py").write_text("import not_packed_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(LaunchFailed) as caught:
        load_task("needing_flow:f", tmp_path)
    assert INCLUDE in caught.value.failure.message
