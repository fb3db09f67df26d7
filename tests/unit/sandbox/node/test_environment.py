import json
from fractions import Fraction

import pytest

from limosa_sandbox.node.environment import ContainerConfigError, Place, decoded, environment, expand, mapped

_PLACE = Place(
    node="n", interpreter="/venv/bin/python", home="/host/home", tmp="/host/tmp", mounts={"/data": "/host/data"},
    gpus=("1", "3"), capacity={"cpu": Fraction(4)},
)  # fmt: skip
_POD = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"a/b": "c"}},
    "spec": {"containers": []},
}


class _Objects:
    def __init__(self, **objects) -> None:
        self._objects = objects

    def data(self, kind: str, name: str) -> dict[str, bytes] | None:
        return self._objects.get(name)


def _environment(container: dict, **objects) -> dict[str, str]:
    return environment(_POD, {"name": "main", **container}, _Objects(**objects), _PLACE)


def test_what_every_container_gets():
    variables = _environment({})

    assert variables["PATH"].split(":")[0] == "/venv/bin"
    assert (variables["HOME"], variables["TMPDIR"]) == ("/host/home", "/host/tmp")
    assert variables["CUDA_VISIBLE_DEVICES"] == "1,3"
    assert json.loads(variables["LIMOSA_SANDBOX_MOUNTS"]) == {"/data": "/host/data"}


def test_the_specification_wins_except_for_devices():
    env = [{"name": "HOME", "value": "/data/home"}, {"name": "CUDA_VISIBLE_DEVICES", "value": "0,1,2,3"}]

    variables = _environment({"env": env})

    assert variables["HOME"] == "/host/data/home"
    assert variables["CUDA_VISIBLE_DEVICES"] == "1,3"


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y", "x1y"),
        ("$$(A)", "$(A)"),
        ("$(B)", "$(B)"),
        ("$A", "$A"),
        ("a$$b", "a$b"),
        ("$(", "$("),
    ],
)
def test_references_are_expanded_as_kubernetes_does(text, expanded):
    assert expand(text, {"A": "1"}) == expanded


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/data", "/host/data"),
        ("/data/x/y", "/host/data/x/y"),
        ("/database", "/database"),
        ("data", "data"),
        ("/a:/data", "/a:/data"),
        ("/data/deep/z", "/deep/z"),
    ],
)
def test_paths_below_a_mount_are_mapped_by_the_longest(value, expected):
    assert mapped(value, {"/data": "/host/data", "/data/deep": "/deep"}) == expected


def test_later_variables_win_and_may_refer_to_earlier_ones():
    container = {
        "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "C_"}],
        "env": [
            {"name": "A", "value": "$(C_k)!"},
            {"name": "B", "value": "$(A)$(LATER)"},
            {"name": "LATER", "value": "x"},
        ],
    }

    variables = _environment(container, c={"k": b"v"})

    assert (variables["A"], variables["B"]) == ("v!", "v!$(LATER)")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"secretKeyRef": {"name": "s", "key": "k"}}, 'secret "s" not found'),
        ({"configMapKeyRef": {"name": "m", "key": "k"}}, 'configmap "m" not found'),
        ({"secretKeyRef": {"name": "c", "key": "k2"}}, "couldn't find key k2 in Secret ns/c"),
        ({"configMapKeyRef": {"name": "c", "key": "k2"}}, "couldn't find key k2 in ConfigMap ns/c"),
        ({"fieldRef": {"fieldPath": "spec.nonsense"}}, "unsupported fieldPath: spec.nonsense"),
    ],
)
def test_what_is_missing_is_told_in_the_kubelets_words(source, message):
    with pytest.raises(ContainerConfigError) as raised:
        _environment({"env": [{"name": "X", "valueFrom": source}]}, c={"k": b"v"})

    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ({"fieldRef": {"fieldPath": "metadata.labels['a/b']"}}, "c"),
        ({"fieldRef": {"fieldPath": "metadata.annotations['none']"}}, ""),
        ({"fieldRef": {"fieldPath": "spec.nodeName"}}, "n"),
        ({"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}, "512"),
        ({"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}, "250"),
        ({"resourceFieldRef": {"resource": "requests.cpu"}}, "1"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "4"),
    ],
)
def test_fields_and_resources_can_be_referred_to(source, value):
    resources = {"limits": {"memory": "512Mi"}, "requests": {"cpu": "250m"}}

    assert _environment({"env": [{"name": "X", "valueFrom": source}], "resources": resources})["X"] == value


def test_bytes_that_are_no_text_reach_the_process_unchanged():
    variables = _environment(
        {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        s={"k": b"\xff\xfe"},
    )

    assert json.loads(json.dumps(variables))["X"].encode("utf-8", "surrogateescape") == b"\xff\xfe"


def test_data_of_objects_is_decoded():
    assert decoded({"data": {"k": "aGk="}}, "secret") == {"k": b"hi"}
    assert decoded({"data": {"k": "hi"}, "binaryData": {"b": "aGk="}}, "configmap") == {
        "k": b"hi",
        "b": b"hi",
    }
