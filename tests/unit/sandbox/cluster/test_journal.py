"""What survives a restart, a kill in the middle of a write, and a full disk."""

from __future__ import annotations

import os

import pytest

from limosa_sandbox.cluster import journal
from limosa_sandbox.cluster.errors import ApiError
from limosa_sandbox.cluster.journal import JournalError
from limosa_sandbox.cluster.storage import Storage


def config_map(name, **data):
    return {"metadata": {"name": name}, "data": data}


def names(storage, resource="configmaps"):
    return [entry["metadata"]["name"] for entry in storage.list(resource)[0]]


def test_objects_and_versions_survive_restarts(tmp_path):
    storage = Storage(tmp_path)
    storage.create("configmaps", "default", config_map("a", x="tab\tnewline\nend"))
    storage.create("configmaps", "default", config_map("b"))
    storage.delete("configmaps", "default", "b")
    uid, version, raw = storage.cluster_uid, storage.version, storage.record("configmaps", "default", "a").raw
    storage.close()
    for _ in range(3):
        storage = Storage(tmp_path)
        assert (storage.cluster_uid, storage.version) == (uid, version)
        assert names(storage) == ["a"]
        assert storage.record("configmaps", "default", "a").raw == raw
        storage.close()


def test_versions_of_deleted_objects_are_never_given_again(tmp_path):
    storage = Storage(tmp_path)
    storage.create("configmaps", "default", config_map("a"))
    last = storage.delete("configmaps", "default", "a")["metadata"]["resourceVersion"]
    storage.close()
    storage = Storage(tmp_path)
    made = storage.create("configmaps", "default", config_map("a"))
    assert int(made["metadata"]["resourceVersion"]) > int(last)
    storage.close()


def test_custom_resources_survive_with_their_rules(tmp_path):
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    }
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names_ = {"plural": "things", "kind": "Thing"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names_, "versions": [version]}
    storage = Storage(tmp_path)
    storage.create(
        "customresourcedefinitions.apiextensions.k8s.io",
        None,
        {"metadata": {"name": "things.example.com"}, "spec": spec},
    )
    storage.create("things.example.com", "default", {"metadata": {"name": "t"}, "spec": {"n": 1}})
    storage.close()
    storage = Storage(tmp_path)
    assert names(storage, "things.example.com") == ["t"]
    with pytest.raises(ApiError):
        storage.create("things.example.com", "default", {"metadata": {"name": "u"}, "spec": {"n": "x"}})
    storage.close()


def test_a_torn_last_line_is_cut_off(tmp_path):
    storage = Storage(tmp_path)
    storage.create("configmaps", "default", config_map("a"))
    storage.close()
    file = tmp_path / "objects.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + b'configmaps ADDED\t{"metadata":{"name":"half"')
    storage = Storage(tmp_path)
    assert names(storage) == ["a"]
    storage.create("configmaps", "default", config_map("b"))
    storage.close()
    storage = Storage(tmp_path)
    assert names(storage) == ["a", "b"]
    storage.close()


def test_every_cut_is_survived_with_a_prefix_of_the_writes(tmp_path):
    storage = Storage(tmp_path)
    start = (tmp_path / "objects.jsonl").stat().st_size
    for index in range(4):
        storage.create("configmaps", "default", config_map(f"c{index}"))
    storage.close()
    whole = (tmp_path / "objects.jsonl").read_bytes()
    for cut in range(start, len(whole), 97):
        (tmp_path / "objects.jsonl").write_bytes(whole[:cut])
        storage = Storage(tmp_path)
        found = names(storage)
        assert found == [f"c{index}" for index in range(len(found))]
        storage.close()


def test_damage_in_the_middle_stops_the_start_and_names_the_file(tmp_path):
    storage = Storage(tmp_path)
    storage.create("configmaps", "default", config_map("a"))
    storage.close()
    file = tmp_path / "objects.jsonl"
    file.write_bytes(b"garbage\n" + file.read_bytes())
    with pytest.raises(JournalError, match=r"objects\.jsonl: byte 0: .*Move the file away"):
        Storage(tmp_path)


def test_another_format_is_refused(tmp_path):
    Storage(tmp_path).close()
    file = tmp_path / "objects.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"format":1', b'"format":9', 1))
    with pytest.raises(JournalError, match="written in format 9, this version reads format 1"):
        Storage(tmp_path)


def test_a_directory_has_one_user(tmp_path):
    storage = Storage(tmp_path)
    with pytest.raises(JournalError, match="in use by another cluster process"):
        Storage(tmp_path)
    storage.close()
    Storage(tmp_path).close()


def test_a_refused_write_changes_nothing(tmp_path, monkeypatch):
    storage = Storage(tmp_path)
    version = storage.version
    write = os.write

    def full(fd, data):
        write(fd, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal.os, "write", full)
    with pytest.raises(ApiError) as caught:
        storage.create("configmaps", "default", config_map("a"))
    monkeypatch.undo()
    assert caught.value.code == 507
    assert "No space left on device" in caught.value.message
    assert (names(storage), storage.version) == ([], version)
    storage.create("configmaps", "default", config_map("b"))
    storage.close()
    storage = Storage(tmp_path)
    assert names(storage) == ["b"]
    storage.close()


def test_the_file_is_compacted_when_it_grew_much(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "_COMPACT_BYTES", 20_000)
    storage = Storage(tmp_path)
    storage.create("configmaps", "default", config_map("a", n="0"))
    sizes = []
    for index in range(200):
        storage.patch("configmaps", "default", "a", {"data": {"n": str(index + 1)}})
        sizes.append((tmp_path / "objects.jsonl").stat().st_size)
    assert max(sizes) < 25_000
    version = storage.version
    storage.close()
    storage = Storage(tmp_path)
    assert (storage.get("configmaps", "default", "a")["data"], storage.version) == ({"n": "200"}, version)
    storage.close()


def test_unfinished_deletions_go_on_after_a_restart(tmp_path):
    storage = Storage(tmp_path)
    storage.create("namespaces", None, {"metadata": {"name": "x"}})
    owner = storage.create("configmaps", "default", config_map("owner"))["metadata"]
    storage.close()
    # A process that was killed right after it marked the namespace and removed the owner.
    lines = (tmp_path / "objects.jsonl").read_bytes().decode().splitlines()
    reference = (
        f'"ownerReferences":[{{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":"{owner["uid"]}"}}]'
    )
    child = f'configmaps ADDED\t{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"child","namespace":"default","uid":"u-1","creationTimestamp":"2026-01-01T00:00:00Z","resourceVersion":"900",{reference}}}}}'
    gone = next(line for line in lines if '"name":"owner"' in line).replace(" ADDED\t", " DELETED\t")
    space = next(line for line in lines if line.startswith("namespaces") and '"name":"x"' in line).replace(
        '"metadata":{',
        '"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z","deletionGracePeriodSeconds":0,',
    )
    (tmp_path / "objects.jsonl").write_text("\n".join([*lines, child, gone, space]) + "\n")
    storage = Storage(tmp_path)
    assert names(storage) == []
    assert "x" not in names(storage, "namespaces")
    storage.close()
