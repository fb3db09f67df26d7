"""A map of ten thousand items in one node."""

from pathlib import Path

from rig import chain, fan_out, local_run, numbers
from stand import LIVE_PODS, Phases, bare_client, quantile, run_all, standing, wait_row
from table import Row

from limosa_model.values import integer


def measure(folder: Path, items: int) -> list[Row]:
    """The rows of this section."""
    closure = fan_out()
    # What is left is the operator's own work: the instant pods write no commits that the outputs could be joined from.
    del closure.workflows[0].outputs[:]
    del closure.workflows[0].interface.outputs[:]
    with standing(folder) as stand:
        bare = bare_client(stand.cluster, items, LIVE_PODS)
        phases = Phases(stand.cluster)
        stand.start()
        run_all(stand, phases, [local_run("warm", chain(20), {"x": integer(1)})])
        cpu, waits = stand.cpu(), stand.buckets("limosa_launch_wait_seconds")
        _, took = run_all(stand, phases, [local_run("wide", closure, {"xs": numbers(items)})], 0.05)
        cpu = stand.cpu() - cpu
        wait = quantile(waits, stand.buckets("limosa_launch_wait_seconds"), 0.99)
    name = f"map of {items}"
    return [
        Row(f"{name}: throughput against the bare client", bare.seconds / took, "×", ">=", 0.75),
        Row(f"{name}: operator CPU, per item", cpu / items * 1e3, "ms", "<=", 1.2),
        Row(f"{name}: event to pod request, p99, bare client", bare.wait_p99 * 1e3, "ms"),
        Row(f"{name}: event to pod request, p99, operator", wait * 1e3, "ms"),
        wait_row(name, wait, bare),
        Row(f"{name}: largest status", max(phases.status_bytes.values()) / 1e3, "KB", "<=", 100.0),
    ]
