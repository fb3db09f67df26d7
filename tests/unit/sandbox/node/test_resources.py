from fractions import Fraction

import pytest

from limosa_sandbox.node.resources import pod_request, printed


def _container(cpu: str, **more) -> dict:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


def test_containers_are_added_up():
    request = pod_request({"containers": [_container("500m"), _container("1")]})

    assert request == {"cpu": Fraction(3, 2), "pods": Fraction(1)}


def test_init_containers_run_one_after_the_other():
    assert (
        pod_request({"initContainers": [_container("3"), _container("2")], "containers": [_container("1")]})[
            "cpu"
        ]
        == 3
    )
    assert pod_request({"initContainers": [_container("1")], "containers": [_container("2")]})["cpu"] == 2


def test_a_sidecar_stays_and_counts_for_what_comes_after_it():
    sidecar = _container("1", restartPolicy="Always")

    assert (
        pod_request({"initContainers": [sidecar, _container("3")], "containers": [_container("1")]})["cpu"]
        == 4
    )
    assert (
        pod_request({"initContainers": [_container("3"), sidecar], "containers": [_container("1")]})["cpu"]
        == 3
    )


def test_a_limit_without_a_request_is_one_and_overhead_is_added():
    spec = {
        "containers": [{"resources": {"limits": {"memory": "1Gi", "nvidia.com/gpu": "2"}}}],
        "overhead": {"memory": "1Gi"},
    }

    assert pod_request(spec) == {
        "memory": Fraction(2 << 30),
        "nvidia.com/gpu": Fraction(2),
        "pods": Fraction(1),
    }


@pytest.mark.parametrize(
    ("name", "amount", "shown"),
    [
        ("cpu", Fraction(2), "2"),
        ("cpu", Fraction(1, 2), "500m"),
        ("memory", Fraction(3 << 29), "1.5Gi"),
        ("memory", Fraction(100), "100"),
        ("nvidia.com/gpu", Fraction(8), "8"),
    ],
)
def test_amounts_are_printed_for_people(name, amount, shown):
    assert printed(name, amount) == shown
