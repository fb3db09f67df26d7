"""A fan-out and a chain, against a client that does nothing but create, watch and delete the same pods."""

import dataclasses
import statistics
from pathlib import Path

from rig import chain, fan_out, local_run, numbers
from stand import Phases, Stand, bare_client, run_all, standing
from table import Row

from limosa_model.values import integer


@dataclasses.dataclass
class _Round:
    bare_s: float
    fan_s: float
    chain_ms: float
    cpu_ms: float
    api_calls: float
    store_calls: int


def measure(folder: Path, rounds: int, tasks: int, length: int) -> list[Row]:
    """The rows of this section, medians over rounds."""
    found = []
    for number in range(rounds):
        with standing(folder / f"round-{number}") as stand:
            found.append(_round(stand, tasks, length))

    def median(name: str) -> float:
        return statistics.median(getattr(one, name) for one in found)

    return [
        Row(f"bare client, {tasks} pods", tasks / median("bare_s"), "/s"),
        Row(f"operator, fan-out of {tasks}", tasks / median("fan_s"), "/s"),
        Row(
            "throughput against the bare client",
            statistics.median(one.bare_s / one.fan_s for one in found),
            "×",
            ">=",
            0.75,
        ),
        Row(f"chain of {length}, per node", median("chain_ms"), "ms", "<=", 3.0),
        Row("operator CPU, per task of the fan-out", median("cpu_ms"), "ms", "<=", 1.2),
        Row("API calls, per task", median("api_calls"), "", "<=", 1.25),
        Row("object-store calls", max(one.store_calls for one in found), "", "<=", 0),
    ]


def _round(stand: Stand, tasks: int, length: int) -> _Round:
    bare = bare_client(stand.cluster, tasks).seconds
    phases = Phases(stand.cluster)
    stand.start()
    run_all(stand, phases, [local_run("warm", chain(20), {"x": integer(1)})])
    store, calls, cpu = stand.store.requests, stand.requests(), stand.cpu()
    _, fan = run_all(stand, phases, [local_run("fan", fan_out(), {"xs": numbers(tasks)})])
    cpu, calls = stand.cpu() - cpu, stand.requests() - calls
    chained, _ = run_all(stand, phases, [local_run("chain", chain(length), {"x": integer(1)})])
    return _Round(
        bare, fan, chained / length * 1e3, cpu / tasks * 1e3, calls / tasks, stand.store.requests - store
    )
