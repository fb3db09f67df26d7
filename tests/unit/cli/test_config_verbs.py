"""Contexts from the command line."""

import json
import stat


def test_add_list_use_show_remove(limosa, place):
    (place / "token").write_text("s3cret\n")
    added = limosa(
        "config", "add", "lab", "--endpoint", "https://lab:443", "--token-file", "token", "-p", "vision"
    )
    assert (added.status, added.err) == (0, "context lab: https://lab:443, now current\n")
    assert limosa("config", "add", "other", "--endpoint", "other:1", "--no-use").status == 0
    listed = json.loads(limosa("config", "list", "-o", "json").out)
    assert [(one["name"], one["current"], one["token"]) for one in listed] == [
        ("lab", True, "(set)"),
        ("other", False, ""),
    ]
    shown = limosa("config", "show")
    assert "s3cret" not in shown.out
    assert "vision" in shown.out
    assert "context lab" in shown.out
    assert limosa("config", "use", "other").status == 0
    assert json.loads(limosa("config", "show", "-o", "json").out)["endpoint"]["value"] == "other:1"
    assert limosa("config", "remove", "other").status == 0
    assert limosa("config", "use", "other").status == 2


def test_the_file_is_private(limosa, place):
    limosa("config", "add", "lab", "--endpoint", "https://lab:443")
    assert stat.S_IMODE((place.parent / "config.toml").stat().st_mode) == 0o600


def test_changing_one_value_keeps_the_others(limosa, place):
    (place / "token").write_text("t")
    limosa("config", "add", "lab", "--endpoint", "https://lab:443", "--token-file", "token")
    limosa("config", "add", "lab", "-d", "staging")
    shown = json.loads(limosa("config", "show", "-o", "json").out)
    assert (shown["domain"]["value"], shown["endpoint"]["value"]) == ("staging", "https://lab:443")
    assert shown["token"]["value"] == "(set)"


def test_bad_values_are_refused(limosa, place):
    assert "is not an address of admin" in limosa("config", "add", "x", "--endpoint", "nonsense").err
    assert "is not a project name" in limosa("config", "add", "x", "--endpoint", "a:1", "-p", "Bad Name").err
    (place / "token").write_text("two words")
    assert (
        "does not hold one token"
        in limosa("config", "add", "x", "--endpoint", "a:1", "--token-file", "token").err
    )
    assert limosa("config", "list").out.splitlines()[1:] == []


def test_flags_show_their_origin(limosa):
    shown = json.loads(limosa("config", "show", "--project", "mine", "-o", "json").out)
    assert shown["project"] == {"value": "mine", "origin": "flag --project"}


def test_yaml(limosa):
    assert 'project:\n  value: "demo"\n  origin: "default"\n' in limosa("config", "show", "-o", "yaml").out
