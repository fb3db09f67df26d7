import base64
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import CACHE_MODE_OVERWRITE, Epoch, ParentRun, Reuse, RunSpec
from limosa_model import layout, manifest, names, values
from limosa_model.digests import serialize, sha256_hex
from limosa_model.quantity import QuantityError, parse_quantity


@given(st.binary(min_size=4, max_size=8))
def test_generated_run_names_are_legal(entropy):
    assert names.check_name("run", names.generate_run_name(entropy)) is None


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("run", "-x"),
        ("run", "X"),
        ("project", "a_b"),
        ("entity", "a..b"),
        ("entity", "a/b"),
        ("version", "v 1"),
    ],
)
def test_illegal_names_say_what_is_legal(kind, name):
    assert f"'{name}' is not a {kind} name: use " in names.check_name(kind, name)


def test_launch_ids_differ_by_every_part_and_are_stable():
    base = ("uid", "n0", None, Epoch(generation=1, number=1), 0)
    others = [
        ("uid2", *base[1:]),
        ("uid", "n1", *base[2:]),
        ("uid", "n0", 0, *base[3:]),
        (*base[:3], Epoch(generation=1, number=2), 0),
        (*base[:4], 1),
    ]
    ids = {names.launch_id(*parts) for parts in [base, *others]}
    assert len(ids) == 6
    assert names.launch_id(*base) == names.launch_id(*base)


@given(st.text(min_size=1, max_size=100))
def test_label_values_are_legal(text):
    value = names.label_value(text)
    assert len(value) <= 63
    assert all(c.isascii() and (c.isalnum() or c in "._-") for c in value)


def test_pod_names_fit_dns():
    assert names.pod_name("a" * 50, "b" * 10) == "a" * 30 + "-" + "b" * 10


def test_no_commit_is_anothers_folder():
    items = [
        ("n1", None),
        ("n1", 0),
        ("n1", 1),
        ("n1/n0", None),
        ("n1/n0", 0),
        ("n1/n0/n2", None),
        ("n10", None),
    ]
    keys = [layout.commit_key("p/d/runs/r.uid", path, index) for path, index in items]
    assert keys[:2] == ["p/d/runs/r.uid/commits/n1.pb", "p/d/runs/r.uid/commits/n1/0.pb"]
    assert len(set(keys)) == len(keys)
    assert [(one, two) for one in keys for two in keys if two.startswith(f"{one}/")] == []


@pytest.mark.parametrize(
    ("text", "value"), [("500m", 0.5), ("2", 2), ("1Gi", 2**30), ("1.5k", 1500), ("2e3", 2000), (".5", 0.5)]
)
def test_quantities(text, value):
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "lots", "1 Gi", "-1", "1GiB", "Gi"])
def test_what_is_no_quantity(text):
    with pytest.raises(QuantityError, match="is not a quantity"):
        parse_quantity(text)


CLOSURE = b"some bytes of a closure"
SPEC = RunSpec(
    run_uid="u-1",
    name="calm-heron",
    project="demo",
    domain="development",
    closure=CLOSURE,
    closure_digest=sha256_hex(CLOSURE),
    inputs=LiteralMap(literals={"x": values.integer(1)}),
    annotations={"a": "b"},
)
EPOCH = Epoch(generation=2, number=5)


def test_a_run_comes_back_from_its_manifest():
    assert manifest.from_manifest(manifest.to_manifest(SPEC, EPOCH)) == (SPEC, EPOCH)


def test_what_most_runs_leave_at_its_default_comes_back_too():
    spec = RunSpec()
    spec.CopyFrom(SPEC)
    spec.version, spec.priority, spec.max_parallelism = "v7", -3, 5
    spec.cache_mode = CACHE_MODE_OVERWRITE
    spec.parent.CopyFrom(ParentRun(run_uid="p-1", run_name="calm-owl", node_path="n1/n2", depth=2))
    spec.reuse.CopyFrom(Reuse(run_prefix="a/b/runs/c.uid", run_name="c", except_nodes=["n1", "n2/n0"]))
    assert manifest.from_manifest(manifest.to_manifest(spec, EPOCH)) == (spec, EPOCH)


def test_a_child_run_has_the_same_name_and_uid_on_every_computation():
    name = names.child_run_name("calm-heron-4f2a", "uid-1", "n0/n1")
    assert name == names.child_run_name("calm-heron-4f2a", "uid-1", "n0/n1")
    assert name != names.child_run_name("calm-heron-4f2a", "uid-1", "n0/n2")
    assert names.child_run_uid("uid-1", "n0") != names.child_run_uid("uid-2", "n0")
    for _ in range(6):
        name = names.child_run_name(name, "uid-1", "n0")
        assert names.check_name("run", name) is None


def test_a_local_manifest_takes_the_objects_uid():
    built = manifest.to_local_manifest(SPEC)
    assert manifest.is_local(built)
    built["metadata"]["uid"] = "object-uid"
    spec, epoch = manifest.from_manifest(built)
    assert (spec.run_uid, epoch) == ("object-uid", Epoch())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("closure", "%%%", "spec.closure: is not base64"),
        ("closure", base64.b64encode(b"x").decode(), "spec.closure: is not gzip"),
        ("closure", base64.b64encode(gzip.compress(b"other", mtime=0)).decode(), "spec.closureDigest: says"),
        ("inputs", base64.b64encode(b"\xff\xff").decode(), "spec.inputs: is not a LiteralMap"),
        ("epoch", "x", "spec.epoch: is not {generation, number}"),
        ("cacheMode", "SOMETIMES", "spec: version, priority, cacheMode"),
        ("reuse", {"except": 3}, "spec: version, priority, cacheMode, maxParallelism, parent or reuse"),
    ],
)
def test_an_edited_manifest_is_refused_by_field(field, value, message):
    built = manifest.to_manifest(SPEC, EPOCH)
    built["spec"][field] = value
    with pytest.raises(manifest.ManifestError) as caught:
        manifest.from_manifest(built)
    assert str(caught.value).startswith(message)


def test_a_closure_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(manifest, "MAX_CLOSURE_BYTES", 1000)
    built = manifest.to_manifest(SPEC, EPOCH)
    built["spec"]["closure"] = base64.b64encode(gzip.compress(b"\0" * 1001)).decode()
    with pytest.raises(manifest.ManifestError, match="unpacks to more than 1000 bytes"):
        manifest.from_manifest(built)


def test_equal_messages_have_equal_bytes():
    one, two = LiteralMap(), LiteralMap()
    for target, order in ((one, "ab"), (two, "ba")):
        for name in order:
            target.literals[name].CopyFrom(values.string(name))
    assert serialize(one) == serialize(two)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("calm-heron-4f2", "calm-heron-4f2a"),
        ("clam-heron-4f2a", "calm-heron-4f2a"),
        ("calm-heron-4e2a", "calm-heron-4f2a"),
        ("bold", "bold-crane-9271"),
        ("calm-heron-9271", ""),
        ("calm-crane-1a2b", ""),
        ("calm", ""),
        ("", ""),
    ],
)
def test_a_run_is_meant_by_its_slip_or_its_beginning_and_by_no_word_that_it_shares(typed, meant):
    known = ["calm-heron-4f2a", "calm-crow-77aa", "bold-crane-9271"]
    assert names.mistyped_run(typed, known) == meant
