"""What doctor finds wrong, and what it says to do."""

import json


def findings(result):
    return {one["subject"]: one for one in json.loads(result.out)}


def test_no_platform(limosa):
    result = limosa("doctor", "-o", "json")
    assert result.status == 6
    found = findings(result)["target"]
    assert (found["state"], "limosa demo start" in found["remedy"]) == ("failed", True)


def test_an_open_context_file(limosa, place):
    limosa("config", "add", "lab", "--endpoint", "http://127.0.0.1:1")
    (place.parent / "config.toml").chmod(0o644)
    found = findings(limosa("doctor", "-o", "json", "--endpoint", ""))["contexts"]
    assert (found["state"], found["remedy"]) == ("warning", f"chmod 600 {place.parent / 'config.toml'}")


def test_admin_down(limosa, place, monkeypatch):
    monkeypatch.setattr("limosa.remote.connection.RETRY_PAUSES_S", ())
    result = limosa("doctor", "--endpoint", "http://127.0.0.1:1")
    assert result.status == 6
    assert "✗ admin" in result.out
    assert "limosa demo start" in result.out
