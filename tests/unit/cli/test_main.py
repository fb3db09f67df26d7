"""The command itself: help, unknown verbs, one shape of errors, exit statuses."""

import subprocess
import sys

import pytest

from limosa.cli.exit_codes import ExitCode, exit_code_of
from limosa.cli.main import VERBS
from limosa.errors import LimosaError


def test_help_lists_every_verb(limosa):
    result = limosa("--help")
    assert result.status == 0
    listed = [line.split()[0] for line in result.out.splitlines() if line.startswith("  ")]
    assert [verb for verb in VERBS if verb not in listed] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(limosa, verb):
    result = limosa(verb, "--help")
    assert result.status == 0
    assert result.out.startswith(f"Usage: limosa {verb}")


def test_help_loads_nothing_heavy():
    script = (
        "import sys; from limosa.cli.main import run; run(['--help']);"
        "print([m for m in ('rich', 'grpc', 'google.protobuf', 'limosa_idl') if m in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"


def test_an_unknown_verb_suggests_the_nearest(limosa):
    result = limosa("regster")
    assert result.status == ExitCode.USAGE
    assert "There is no command 'regster'. Did you mean 'register'?" in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("statsu", "'demo status'"),
        ("runs", "'get runs'"),
        ("lits", "'cache list' or 'secrets list' or 'cluster list' or 'config list'"),
    ],
)
def test_commands_of_groups_are_suggested_too(limosa, typed, meant):
    assert f"There is no command '{typed}'. Did you mean {meant}?" in limosa(typed).err


@pytest.mark.parametrize("group", [[], ["get"], ["cache"], ["config"], ["secrets"]])
def test_a_bare_group_shows_its_help(limosa, group):
    result = limosa(*group)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(" ".join(["Usage: limosa", *group]) + " ")


def test_version(limosa):
    assert limosa("--version").out.startswith("limosa ")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("Unreachable", 6),
        ("Unauthenticated", 6),
        ("Forbidden", 6),
        ("NoEndpoint", 6),
        ("Server", 3),
        ("Transfer", 3),
        ("CorruptData", 3),
        ("BranchFailed", 1),
        ("BranchCondition", 1),
        ("BadInput", 2),
        ("NotFound", 2),
        ("BundleTooLarge", 2),
    ],
)
def test_exit_statuses_of_errors(code, status):
    assert exit_code_of(LimosaError(code=code, message="m")) == status


def test_a_bug_is_said_to_be_one(limosa, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("oops")

    monkeypatch.setattr("limosa.config.resolve", broken)
    result = limosa("config", "show")
    assert result.status == ExitCode.SYSTEM
    assert "RuntimeError: oops" in result.err
    assert "this is a bug in limosa" in result.err


def test_without_a_platform_it_says_how_to_get_one(limosa):
    result = limosa("get", "runs")
    assert result.status == ExitCode.UNREACHABLE
    assert "no platform is configured" in result.err
    assert "limosa demo start" in result.err
