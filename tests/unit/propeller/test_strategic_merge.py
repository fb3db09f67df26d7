import copy

import pytest

from limosa_propeller.pods.strategic_merge import DirectiveError, strategic_merge


@pytest.mark.parametrize(
    ("base", "patch", "expected"),
    [
        ({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}}, {"a": 1, "b": {"c": 2, "d": 3}}),
        ({"a": 1, "b": 2}, {"b": None}, {"a": 1}),
        ({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}),
        (
            {"containers": [{"name": "x", "image": "1"}]},
            {"containers": [{"name": "x", "tty": True}, {"name": "y"}]},
            {"containers": [{"name": "x", "image": "1", "tty": True}, {"name": "y"}]},
        ),
        (
            {"volumes": [{"name": "x"}, {"name": "y"}]},
            {"volumes": [{"name": "x", "$patch": "delete"}]},
            {"volumes": [{"name": "y"}]},
        ),
        (
            {"volumes": [{"name": "x"}]},
            {"volumes": [{"$patch": "replace"}, {"name": "z"}]},
            {"volumes": [{"name": "z"}]},
        ),
        (
            {"nodeSelector": {"a": "b"}},
            {"nodeSelector": {"$patch": "replace", "c": "d"}},
            {"nodeSelector": {"c": "d"}},
        ),
        (
            {"tolerations": [{"key": "gpu", "effect": "NoSchedule"}]},
            {"tolerations": [{"key": "mine", "effect": "NoSchedule"}]},
            {
                "tolerations": [
                    {"key": "gpu", "effect": "NoSchedule"},
                    {"key": "mine", "effect": "NoSchedule"},
                ]
            },
        ),
        (
            # Tolerations of two pools beside the platform's own: all stay.
            {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
            {
                "tolerations": [
                    {"key": "pool", "value": "a100", "effect": "NoSchedule"},
                    {"key": "pool", "value": "h100", "effect": "NoSchedule"},
                ]
            },
            {
                "tolerations": [
                    {"key": "gpu", "operator": "Exists"},
                    {"key": "pool", "value": "a100", "effect": "NoSchedule"},
                    {"key": "pool", "value": "h100", "effect": "NoSchedule"},
                ]
            },
        ),
        (
            {"ports": [{"containerPort": 53, "name": "dns"}]},
            {"ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "hostIP": "::1"}]},
            {
                "ports": [
                    {"containerPort": 53, "name": "dns", "hostIP": "::1"},
                    {"containerPort": 53, "protocol": "UDP"},
                ]
            },
        ),
        (
            {"volumes": []},
            {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {"medium": "Memory"}}]},
            {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {"medium": "Memory"}}]},
        ),
        ({"a": {"b": 1}, "c": 2}, {"a": {"$patch": "delete"}}, {"c": 2}),
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": None, "d": {"e": None}}}, {"a": {"d": {}}}),
        ({"s": {"a": 1, "b": 2}}, {"s": {"$retainKeys": ["b", "c"], "c": 3}}, {"s": {"b": 2, "c": 3}}),
        (
            {"containers": [{"name": "x"}]},
            {"$setElementOrder/containers": [{"name": "x"}], "containers": [{"name": "x", "tty": True}]},
            {"containers": [{"name": "x", "tty": True}]},
        ),
        ({}, {"new": {"a": None, "b": [{"$patch": "merge", "c": 1}]}}, {"new": {"b": [{"c": 1}]}}),
    ],
)
def test_merge(base: dict, patch: dict, expected: dict) -> None:
    before = copy.deepcopy((base, patch))
    assert strategic_merge(base, patch) == expected
    assert (base, patch) == before


@pytest.mark.parametrize("patch", [{"$deleteFromPrimitiveList/args": ["a"]}, {"a": {"$patch": "erase"}}])
def test_a_directive_that_is_not_understood_is_named(patch: dict) -> None:
    with pytest.raises(DirectiveError, match="is not known; write"):
        strategic_merge({"args": ["a"], "a": {}}, patch)
