"""What the engine costs: microseconds per transition, milliseconds and bytes per encoded state.

One command: `python bench/engine/run.py [--nodes 10000]`; exit code 1 where a gate is missed. The limit in the last line is
measured in the same run: a plain dict that is told the same phases, which is the least that any bookkeeping could do.
"""

import argparse
import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterable

from limosa_engine import EngineSettings, Graph, State, decode, encode, new_state, step
from limosa_engine import commands as cmd
from limosa_engine import events as ev
from limosa_engine.phases import RunPhase
from limosa_engine.pods import PodView
from limosa_idl.core.v1alpha1 import interface_pb2, types_pb2
from limosa_idl.core.v1alpha1.literal_pb2 import Literal, LiteralMap
from limosa_idl.run.v1alpha1.run_pb2 import Epoch, TerminationRecord
from limosa_idl.task.v1alpha1.task_pb2 import PythonTask, TaskSpec
from limosa_idl.workflow.v1alpha1.workflow_pb2 import (
    Binding,
    BindingData,
    Closure,
    InputRef,
    MapNode,
    Node,
    OutputRef,
    TaskNode,
    WorkflowSpec,
)
from limosa_model import values

GATES = {"µs/transition": 50.0, "codec ms": 20.0, "bytes/item": 200.0}
"""Most CPU of one transition; most time to encode and decode a map of 10,000 items; most memory of a map's item."""
TRANSITIONS_PER_TASK = 6
"""Of a task that succeeds: ready, launched, pod made, pod runs, launch over, node over."""


def variable(name: str) -> interface_pb2.Variable:
    return interface_pb2.Variable(name=name, type=types_pb2.LiteralType(simple=types_pb2.SIMPLE_TYPE_INTEGER))


def task() -> TaskSpec:
    interface = interface_pb2.Interface(inputs=[variable("x")], outputs=[variable("o0")])
    return TaskSpec(name="flow.t", interface=interface, python=PythonTask(loader="flow:t"))


def chain(length: int, settings: EngineSettings) -> Graph:
    nodes = []
    for number in range(length):
        if number:
            data = BindingData(output=OutputRef(node=f"n{number - 1}", output="o0"))
        else:
            data = BindingData(literal=values.integer(1))
        nodes.append(
            Node(id=f"n{number}", inputs=[Binding(name="x", data=data)], task=TaskNode(task="flow.t"))
        )
    return graph(nodes, {}, settings)


def wide_map(items: int, settings: EngineSettings) -> Graph:
    data = BindingData(input=InputRef(name="xs"))
    node = Node(
        id="m", inputs=[Binding(name="x", data=data)], map=MapNode(task="flow.t", mapped_inputs=["x"])
    )
    return graph([node], {"xs": values.collection([values.integer(i) for i in range(items)])}, settings)


def graph(nodes: list[Node], inputs: dict[str, Literal], settings: EngineSettings) -> Graph:
    workflow = WorkflowSpec(name="flow.main", nodes=nodes)
    closure = Closure(entry="flow.main", tasks=[task()], workflows=[workflow])
    epoch = Epoch(generation=1, number=1)
    return Graph(closure, settings, run_uid="uid", name="bench", epoch=epoch, inputs=inputs)


def answers(commands: Iterable[cmd.Command]) -> tuple[list[ev.Event], list[ev.Event]]:
    """What the operator would say: the pods are made, and later they run and end."""
    made: list[ev.Event] = []
    ended: list[ev.Event] = []
    for command in commands:
        if isinstance(command, cmd.CreatePod):
            outputs = LiteralMap(literals={"o0": values.integer(1)})
            record = TerminationRecord(
                launch_id=command.launch_id, outcome=TerminationRecord.OUTCOME_COMMITTED, outputs=outputs
            )
            made.append(ev.PodCreated(command.item, command.launch, "uid"))
            made.append(
                ev.PodObserved(command.item, command.launch, PodView("uid", "Running", started_at=1.0))
            )
            view = PodView("uid", "Succeeded", exit_code=0, record=record)
            ended.append(ev.PodObserved(command.item, command.launch, view))
        elif isinstance(command, cmd.DeletePod):
            ended.append(ev.PodDeleted(command.item, command.launch))
            ended.append(ev.PodGone(command.item, command.launch))
    return made, ended


def play(what: Graph) -> tuple[float, State]:
    """Seconds inside the engine for a whole run, and the state at its end."""
    state = new_state(what, 0.0)
    spent, now = 0.0, 1.0
    begun = time.perf_counter()
    commands = step(what, state, [ev.RunStarted(), ev.PodsListed()], now)
    spent += time.perf_counter() - begun
    while state.phase is RunPhase.RUNNING:
        for events in answers(commands):
            now += 0.01
            begun = time.perf_counter()
            commands = step(what, state, events, now)
            spent += time.perf_counter() - begun
    return spent, state


def limit(count: int) -> float:
    """Seconds for a dict to be told the same transitions."""
    phases: dict[int, int] = {}
    begun = time.perf_counter()
    for number in range(count):
        for phase in range(TRANSITIONS_PER_TASK):
            phases[number] = phase
    return time.perf_counter() - begun


def best(of: int, measure: Callable[[], float]) -> float:
    found = []
    for _ in range(of):
        gc.collect()
        found.append(measure())
    return min(found)


def memory_per_item(count: int) -> float:
    """Bytes that a map's item keeps once it has ended, without the value cache, whose size is a setting."""
    what = wide_map(count, EngineSettings(value_cache_bytes=1, state_limit_bytes=10**9))
    gc.collect()
    tracemalloc.start()
    _, state = play(what)
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del state
    return used / count


def measure(title: str, what: Graph, count: int) -> tuple[str, float, float]:
    """One line of the table; microseconds per transition; milliseconds to encode and decode."""
    ended: list[State] = []

    def run() -> float:
        spent, state = play(what)
        ended[:] = [state]
        return spent

    per_task = best(3, run) / count
    state = ended[0]
    data = encode(state)
    encoding = best(3, lambda: clock(lambda: encode(state)))
    decoding = best(3, lambda: clock(lambda: decode(what, data, 1.0)))
    line = (
        f"{title:34} {per_task / TRANSITIONS_PER_TASK * 1e6:14.2f} {per_task * 1e3:9.4f} "
        f"{encoding * 1e3:10.1f} {decoding * 1e3:10.1f} {len(data):8,} {len(data) / count:13.2f}"
    )
    return line, per_task / TRANSITIONS_PER_TASK * 1e6, (encoding + decoding) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=10_000)
    count = parser.parse_args().nodes
    columns = f"{'µs/transition':>14} {'ms/task':>9} {'encode ms':>10} {'decode ms':>10} {'bytes':>8} {'encoded/item':>13}"
    print(f"{'what':34} {columns}")
    slowest = codec = 0.0
    for snapshots in (True, False):
        settings = EngineSettings(snapshots=snapshots, state_limit_bytes=10**9)
        told = "published" if snapshots else "local"
        for title, make in (("chain", chain), ("map", wide_map)):
            line, transition, coding = measure(f"{title} of {count:,}, {told}", make(count, settings), count)
            print(line)
            slowest = max(slowest, transition)
            codec = max(codec, coding) if title == "map" else codec
    floor = best(3, lambda: limit(count)) / count
    print(f"{'limit: a dict told the same':34} {floor / TRANSITIONS_PER_TASK * 1e6:14.2f} {floor * 1e3:9.4f}")
    found = {"µs/transition": slowest, "codec ms": codec, "bytes/item": memory_per_item(count)}
    for name, value in found.items():
        verdict = "ok" if value <= GATES[name] else "MISSED"
        print(f"{name:34} {value:14.2f} gate <= {GATES[name]:g}  {verdict}")
    sys.exit(any(value > GATES[name] for name, value in found.items()))


def clock(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
