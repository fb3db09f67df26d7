"""A run, or one of its nodes, on standard output."""

import sys

from limosa.cli.console import write_data
from limosa.cli.following import failure_details
from limosa.cli.run_facts import node_facts, node_page_facts, run_facts, value_facts
from limosa.cli.run_sources import RunSource
from limosa.render.brief import brief, declared
from limosa.render.failure import failed_run
from limosa.render.node_page import node_page
from limosa.render.progress import now_utc
from limosa.render.run_view import RunView
from limosa.render.terminal import NeutralConsole
from limosa.render.tree import summary, tree, wait_lines
from limosa_idl.admin.v1alpha1.admin_pb2 import RunUpdate

_SHOWN = (
    "target",
    "version",
    "created_at",
    "created_by",
    "cluster",
    "priority",
    "max_parallelism",
    "url",
    "abort_reason",
)


def write_run(source: RunSource, name: str, *, form: str) -> None:
    """A run's tree, failure, values and facts; as data its facts and those of its nodes. Raises LimosaError."""
    view, now = view_of(source, name), now_utc()
    if form != "text":
        values = value_facts(source.run_data(name, "", None))
        write_data({**run_facts(view.run), **values, "node_states": node_facts(view, now)}, form)
        return
    console = NeutralConsole.over(sys.stdout)
    if view.failure is not None:
        details = failure_details(source, view)
        console.print(failed_run(view, details, now, source.selection, lines=None, itself=True))
    else:
        console.print(summary(view, now), *wait_lines(view, now), sep="\n", soft_wrap=True)
        console.print(tree(view, now, final=True, lines=None))
    _write_values(source, name, console)
    facts = {key: value for key, value in run_facts(view.run).items() if value and key in _SHOWN}
    console.print()
    width = max(12, *map(len, facts))
    for key, value in facts.items():
        console.print(f"{key.replace('_', ' '):>{width}}  {value}", markup=False, soft_wrap=True)


def write_node(source: RunSource, name: str, path: str, index: int | None, *, form: str) -> None:
    """One node of a run, or an item of a map, with its attempts and values. Raises LimosaError."""
    view, now = view_of(source, name), now_utc()
    data = source.run_data(name, path, index)
    if form != "text":
        write_data(node_page_facts(view, path, index, data, now), form)
        return
    NeutralConsole.over(sys.stdout).print(node_page(view, path, index, data, now, source.selection))


def view_of(source: RunSource, name: str) -> RunView:
    """A run as it is now. Raises LimosaError."""
    detail = source.get_run(name)
    view = RunView()
    view.apply(RunUpdate(run=detail.run, closure=detail.closure, snapshots=detail.snapshots))
    return view


def _write_values(source: RunSource, name: str, console: NeutralConsole) -> None:
    data = source.run_data(name, "", None)
    interface = data.interface
    both = (("inputs", data.inputs, interface.inputs), ("outputs", data.outputs, interface.outputs))
    for title, literals, variables in both:
        if literals.literals:
            console.print(f"\n{title}", style="bold")
        width = max(map(len, literals.literals), default=0)
        for key, literal in declared(literals, variables):
            console.print(f"  {key:<{width}}  {brief(literal, 100)}", markup=False, soft_wrap=True)
