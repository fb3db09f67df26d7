"""What the operator keeps of pods that run."""

from pathlib import Path

from rig import chain, fan_out, local_run, numbers
from stand import LIVE_PODS, STAYS, Phases, add_namespaces, resident_bytes, run_all, standing, submit, until
from table import Row

from limosa_model.values import integer

PER_NAMESPACE = 500
"""The operator's limit."""


def measure(folder: Path, pods: int) -> list[Row]:
    """The rows of this section."""
    with standing(folder) as stand:
        projects = add_namespaces(stand.cluster, -(-pods // PER_NAMESPACE))
        phases = Phases(stand.cluster)
        stand.start()
        # The first pods bring what is there for all.
        run_all(stand, phases, [local_run("warm", chain(50), {"x": integer(1)})])
        before = resident_bytes(stand.operator.pid)
        for number in range(pods // LIVE_PODS):
            project = projects[number * LIVE_PODS // PER_NAMESPACE]
            inputs = {"xs": numbers(LIVE_PODS)}
            submit(stand.cluster, [local_run(f"wide-{number}", fan_out(), inputs, {STAYS: "true"}, project)])
        until(lambda: stand.metric("limosa_live_pods") >= pods, stand, 0.2)
        until(lambda: len(_running(stand.cluster)) >= pods, stand, 0.5)
        used = resident_bytes(stand.operator.pid) - before
    return [Row(f"memory per active pod, {pods} of them", used / pods / 1e3, "KB", "<=", 40.0)]


def _running(cluster: object) -> list[object]:
    found: list[object] = cluster.call("GET", "/api/v1/pods?fieldSelector=status.phase%3DRunning")["items"]  # type: ignore[attr-defined]
    return found
