"""The node is finite: who starts, who waits, and what those who wait are told."""

from fractions import Fraction


def _scheduled(pod: dict) -> dict:
    return {entry["type"]: entry for entry in pod["status"].get("conditions", [])}["PodScheduled"]


def _limits(**amounts) -> dict:
    return {
        "resources": {
            "limits": {name.replace("gpu", "nvidia.com/gpu"): value for name, value in amounts.items()}
        }
    }


async def test_a_full_node_keeps_pods_waiting_and_says_why(bench):
    await bench.start(cpu=Fraction(1))
    bench.create(
        "first",
        "until test -e go; do sleep 0.02; done",
        container={"resources": {"requests": {"cpu": "800m"}}},
    )
    await bench.phase("first", "Running")
    bench.create("second", "true", container={"resources": {"requests": {"cpu": "500m"}}})
    await bench.until(lambda: _scheduled(bench.pod("second"))["status"] == "False")

    condition = _scheduled(bench.pod("second"))
    assert condition["reason"] == "Unschedulable"
    assert condition["message"] == "0/1 nodes are available: 1 Insufficient cpu."
    assert bench.pod("second")["status"]["phase"] == "Pending"

    bench.storage.delete("pods", "default", "first", grace_seconds=0)
    pod = await bench.phase("second", "Succeeded")
    assert _scheduled(pod)["status"] == "True"


async def test_what_can_never_fit_is_told_so(bench):
    await bench.start(gpus=("0", "1"))
    bench.create("vast", "true", container=_limits(gpu="8"))
    bench.create("elsewhere", "true", nodeSelector={"accelerator": "h100"})

    await bench.until(lambda: _scheduled(bench.pod("vast"))["status"] == "False")
    await bench.until(lambda: _scheduled(bench.pod("elsewhere"))["status"] == "False")

    message = _scheduled(bench.pod("vast"))["message"]
    assert message.startswith("0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
    assert "never fits: requested 8, node has 2" in message
    assert "accelerator=h100" in _scheduled(bench.pod("elsewhere"))["message"]
    events = {event["involvedObject"]["name"]: event for event in bench.storage.list("events", "default")[0]}
    assert events["vast"]["reason"] == "FailedScheduling"
    assert events["vast"]["message"] == message


async def test_pods_get_disjoint_gpus_and_others_none(bench):
    await bench.start(gpus=("0", "1", "2"))
    show = "echo [$CUDA_VISIBLE_DEVICES]; until test -e go; do sleep 0.02; done"
    bench.create("one", show, container=_limits(gpu="1"))
    bench.create("two", show, container=_limits(gpu="2"))
    bench.create("none", "echo [$CUDA_VISIBLE_DEVICES]")
    await bench.phase("one", "Running"), await bench.phase("two", "Running"), await bench.phase("none")

    async def devices(name: str) -> list[str]:
        await bench.until(
            lambda: (
                (bench.node.log_reader._path(bench.pod(name)["metadata"]["uid"], name, "main", False))
                .stat()
                .st_size
            )
        )
        return (await bench.log(name)).strip("[]\n").split(",")

    one, two = await devices("one"), await devices("two")
    assert sorted(one + two) == ["0", "1", "2"]
    assert await devices("none") == [""]

    bench.create("next", "echo [$CUDA_VISIBLE_DEVICES]", container=_limits(gpu="2"))
    await bench.until(lambda: _scheduled(bench.pod("next"))["reason"] == "Unschedulable")
    bench.storage.delete("pods", "default", "two", grace_seconds=0)
    await bench.phase("next", "Succeeded")
    assert await devices("next") == two


async def test_an_early_large_pod_is_not_overtaken_for_ever(bench):
    await bench.start(cpu=Fraction(2))
    half = {"resources": {"requests": {"cpu": "1"}}}
    bench.create("running", "until test -e go; do sleep 0.02; done", container=half)
    await bench.phase("running", "Running")
    bench.create("large", "true", container={"resources": {"requests": {"cpu": "2"}}})
    await bench.until(lambda: _scheduled(bench.pod("large"))["status"] == "False")
    bench.create("small", "true", container=half)
    bench.create("free", "true")

    await bench.phase("free", "Succeeded")
    assert "nodeName" not in bench.pod("small")["spec"]

    bench.storage.delete("pods", "default", "running", grace_seconds=0)
    await bench.phase("large", "Succeeded")
    await bench.phase("small", "Succeeded")


async def test_the_node_shows_what_it_has(bench):
    await bench.start(gpus=("0", "1"), cpu=Fraction(3, 2))

    node = bench.storage.get("nodes", None, "sandbox")
    await bench.until(lambda: bench.storage.get("leases.coordination.k8s.io", "kube-node-lease", "sandbox"))

    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "2"
    assert node["status"]["capacity"]["cpu"] == "1500m"
    assert {"Ready": "True"}.items() <= {e["type"]: e["status"] for e in node["status"]["conditions"]}.items()
