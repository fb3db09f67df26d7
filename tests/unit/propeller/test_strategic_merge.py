import copy

import pytest

from limosa_propeller.pods.strategic_merge import strategic_merge


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
        ({}, {"new": {"a": None, "b": [{"$patch": "merge", "c": 1}]}}, {"new": {"b": [{"c": 1}]}}),
    ],
)
def test_merge(base: dict, patch: dict, expected: dict) -> None:
    before = copy.deepcopy((base, patch))
    assert strategic_merge(base, patch) == expected
    assert (base, patch) == before
