"""What a run says cannot command the terminal of whoever looks at it."""

import io

import pytest
import runs
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from limosa.cli.console import write_result
from limosa.render.brief import declared
from limosa.render.failure import FailureDetails, failed_run
from limosa.render.progress import follow
from limosa.render.run_view import RunView
from limosa.render.terminal import NeutralConsole, neutralized
from limosa.render.tree import live
from limosa_idl.core.v1alpha1 import failure_pb2 as f
from limosa_idl.core.v1alpha1.interface_pb2 import Variable
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_model import values

EVIL = "\x1b[2J\x1b]0;mine\x07\x9b2J\x00\x7f\u202e"


def hostile():
    frame = f.Frame(file=f"h{EVIL}.py", line=1, function=f"t{EVIL}", source_start=1, source=[f"x = 1{EVIL}"])
    exception = f.ExceptionDetails(type=f"Bad{EVIL}", message=f"no{EVIL}", frames=[frame])
    update = runs.failed("UserException", f"no{EVIL}", exception=exception)
    update.closure.workflows[0].nodes[0].display_name = f"clean{EVIL}"
    return update


def assert_harmless(text):
    assert [char for char in text if char in EVIL and char not in "[2J]0;mine"] == []


@pytest.fixture
def console():
    return NeutralConsole(file=io.StringIO(), width=120, color_system=None, highlight=False)


def test_a_failed_run(console):
    view = RunView()
    view.apply(hostile())
    inputs = LiteralMap(literals={"label": values.string(EVIL)})
    console.print(failed_run(view, FailureDetails(inputs, [f"log{EVIL}"]), runs.NOW))
    shown = console.file.getvalue()
    assert "log\N{REPLACEMENT CHARACTER}[2J" in shown
    assert_harmless(shown)


def test_lines_and_tree_of_a_run_under_way(console):
    update = runs.waiting(7)
    update.snapshots[1].node.reason.detail = EVIL
    view = RunView()
    follow([update], view, console)
    console.print(live(view, runs.NOW, Spinner("dots")))
    assert "try_penalty" in console.file.getvalue()
    assert_harmless(console.file.getvalue())


def test_styles_of_our_own_stay():
    console = NeutralConsole(file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(Text(EVIL, "bold red"))
    assert console.file.getvalue().startswith("\x1b[1;31m\N{REPLACEMENT CHARACTER}[2J")


def test_tabs_and_lines_stay_and_colours_vanish():
    assert neutralized("a\tb\r\n\x1b[1;31mred\x1b[0m\n") == "a\tb\nred\n"


@pytest.mark.parametrize(
    ("terminal", "shown"), [(False, "\x1b[2J\n"), (True, "\N{REPLACEMENT CHARACTER}[2J\n")]
)
def test_results_are_raw_only_where_no_terminal_reads_them(terminal, shown, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    write_result("\x1b[2J\n")
    assert capsys.readouterr().out == shown


def test_where_no_terminal_is_lines_are_whole_and_end_without_blanks():
    out = io.StringIO()
    table = Table.grid(padding=(0, 2))
    table.add_row("a", "long " * 200 + "end")
    table.add_row("b", "short")
    NeutralConsole.over(out).print(table)
    first, second = out.getvalue().splitlines()
    assert first == f"a  {'long ' * 200}end"
    assert second == "b  short"


def test_values_stand_in_the_order_in_which_they_were_declared():
    literals = LiteralMap(literals={name: values.integer(1) for name in ("a", "x", "z")})
    order = declared(literals, [Variable(name="z"), Variable(name="gone"), Variable(name="a")])
    assert [name for name, _ in order] == ["z", "a", "x"]
