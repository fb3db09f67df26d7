from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from limosa_sandbox.node.placement import Waiting, plan


def _amounts(**given_) -> dict[str, Fraction]:
    return {name.replace("gpu", "nvidia.com/gpu"): Fraction(value) for name, value in given_.items()}


def _plan(pods: list[tuple[str, dict]], free: dict, capacity: dict | None = None):
    return plan([Waiting(uid, request) for uid, request in pods], free, capacity or free, {})


def test_what_fits_starts_in_order():
    decision = _plan(
        [("a", _amounts(cpu=1)), ("b", _amounts(cpu=1)), ("c", _amounts(cpu=1))], _amounts(cpu=2)
    )

    assert decision.start == ["a", "b"]
    assert decision.refusals == {"c": "0/1 nodes are available: 1 Insufficient cpu."}


def test_every_lack_is_named():
    capacity = _amounts(cpu=4, memory=4, gpu=1)
    decision = _plan([("a", _amounts(cpu=2, memory=2, gpu=1))], _amounts(cpu=0, memory=4, gpu=0), capacity)

    assert (
        decision.refusals["a"]
        == "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient nvidia.com/gpu."
    )
    assert not decision.never


def test_too_many_pods_has_its_own_words():
    decision = _plan([("a", _amounts(pods=1))], _amounts(pods=0), _amounts(pods=10))

    assert decision.refusals["a"] == "0/1 nodes are available: 1 Too many pods."


def test_what_a_waiting_pod_lacks_is_held_and_the_rest_set_aside_for_it():
    capacity = _amounts(cpu=4, gpu=1)
    pods = [
        ("large", _amounts(cpu=2, gpu=1)),
        ("gpu", _amounts(gpu=1)),
        ("fits-beside", _amounts(cpu=1)),
        ("would-delay", _amounts(cpu=2)),
    ]

    decision = _plan(pods, _amounts(cpu=3, gpu=0), capacity)

    assert decision.start == ["fits-beside"]
    assert set(decision.refusals) == {"large", "gpu", "would-delay"}


def test_what_never_fits_holds_nothing_and_says_so():
    decision = _plan([("vast", _amounts(cpu=64)), ("small", _amounts(cpu=1))], _amounts(cpu=2))

    assert decision.start == ["small"]
    assert decision.never == {"vast"}
    assert "never fits: requested 64, node has 2 (cpu)" in decision.refusals["vast"]


def test_a_resource_the_node_does_not_have_never_fits():
    decision = _plan([("a", {"example.com/fpga": Fraction(1)})], _amounts(cpu=2))

    assert "requested 1, node has 0 (example.com/fpga)" in decision.refusals["a"]


def test_nothing_of_an_unknown_resource_is_no_request():
    assert _plan([("a", {"example.com/fpga": Fraction(0)})], _amounts(cpu=2)).start == ["a"]


def test_labels_that_the_node_lacks_never_fit():
    pods = [Waiting("a", _amounts(cpu=1), {"gpu": "h100"}), Waiting("b", _amounts(cpu=1), {"os": "linux"})]

    decision = plan(pods, _amounts(cpu=2), _amounts(cpu=2), {"os": "linux"})

    assert decision.start == ["b"]
    assert "gpu=h100" in decision.refusals["a"]


_requests = st.lists(
    st.fixed_dictionaries({"cpu": st.integers(0, 5).map(Fraction), "gpu": st.integers(0, 2).map(Fraction)})
)


@given(_requests, st.integers(0, 4), st.integers(0, 2))
def test_never_more_than_there_is_and_everyone_is_answered(requests, cpu, gpu):
    free, capacity = {"cpu": Fraction(cpu), "gpu": Fraction(gpu)}, {"cpu": Fraction(4), "gpu": Fraction(2)}
    pods = [Waiting(str(index), request) for index, request in enumerate(requests)]

    decision = plan(pods, free, capacity, {})

    for name in ("cpu", "gpu"):
        assert sum(requests[int(uid)][name] for uid in decision.start) <= free[name]
    assert set(decision.start) | set(decision.refusals) == {pod.uid for pod in pods}
    assert not set(decision.start) & set(decision.refusals)


@given(_requests, st.integers(0, 4), st.integers(0, 2))
def test_a_waiting_pod_is_delayed_by_none_after_it(requests, cpu, gpu):
    """Whatever starts now, a waiting pod could run beside those that overtake it."""
    free, capacity = {"cpu": Fraction(cpu), "gpu": Fraction(gpu)}, {"cpu": Fraction(4), "gpu": Fraction(2)}
    pods = [Waiting(str(index), request) for index, request in enumerate(requests)]

    decision = plan(pods, free, capacity, {})

    for uid in set(decision.refusals) - decision.never:
        younger = [requests[int(other)] for other in decision.start if int(other) > int(uid)]
        for name in ("cpu", "gpu"):
            assert requests[int(uid)][name] + sum(request[name] for request in younger) <= capacity[name]
