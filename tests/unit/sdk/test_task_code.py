"""Where a pod finds a task's code, and when that code is another."""

import pytest

from limosa.compiler import compile_entity, load_module
from limosa.errors import LimosaError


def test_a_task_inside_a_function_cannot_be_found_by_a_pod(author):
    source = """
        from limosa import task
        def make():
            @task
            def inner() -> int: return 1
            return inner
        t = make()
    """
    assert author.error(source, "t") == (
        "flow.py:3: task inner is defined inside a function, where a pod cannot find it; "
        "move it to the top level of its module"
    )


def test_a_task_that_no_variable_holds_cannot_be_found_by_a_pod(author):
    source = """
        from limosa import ShellTask
        SCRIPTS = [ShellTask("f", "true")]
    """
    with pytest.raises(LimosaError) as refused:
        compile_entity(author.load(source, "flow.py").module.SCRIPTS[0])
    assert str(refused.value).endswith(
        "flow.py:2: task f is in no variable of its module, where a pod looks for it; assign it at the top level: f = …"
    )


def test_a_pod_finds_a_task_by_the_variable_that_holds_it(author):
    source = """
        from limosa import ShellTask, task
        def f() -> int: return 1
        t = task(f)
        count = ShellTask("lines", "echo 1 > {{ .outputs.n }}", outputs={"n": int})
    """
    entities = author.load(source, "flow.py").entities
    made = [compile_entity(entities[name]).closure.tasks[0] for name in ("t", "count")]
    assert [(one.name, one.python.loader) for one in made] == [
        ("flow.f", "flow:t"),
        ("flow.lines", "flow:count"),
    ]


REFERRING = {
    "flow.py": """
import math
from limosa import task
from lib import rates as tables, scaled
from lib.rates import RATE
LIMIT = 3
BOUNDS = [1]
BOUNDS.append(2)
OTHER = 1
class Row:
    width = LIMIT
@task
def called() -> int:
    return OTHER
def helper(x: int) -> int:
    return x + tables.BASE
@task
def t(x: int) -> float:
    called
    row = Row()
    from lib.late import LATE
    return math.floor(helper(x)) * RATE + scaled(x) + len(BOUNDS) + row.width + LATE
""",
    "lib/late.py": "from . import rates\nLATE = rates.LAST\n",
    "lib/__init__.py": "from lib.rates import scaled\n",
    "lib/rates.py": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from lib import scaled
BASE = 1
RATE = 0.5
UNUSED = 1
FACTOR = 2
LAST = 9
def scaled(x):
    return x * FACTOR
""",
}


@pytest.mark.parametrize(
    ("file", "before", "after", "counts"),
    [
        ("flow.py", "LIMIT = 3", "LIMIT = 4", True),
        ("flow.py", "BOUNDS.append(2)", "BOUNDS.append(3)", True),
        ("flow.py", "return x +", "return x -", True),
        ("lib/rates.py", "BASE = 1", "BASE = 2", True),
        ("lib/rates.py", "RATE = 0.5", "RATE = 0.6", True),
        ("lib/rates.py", "FACTOR = 2", "FACTOR = 3", True),
        ("lib/rates.py", "LAST = 9", "LAST = 8", True),
        ("lib/rates.py", "UNUSED = 1", "UNUSED = 2", False),
        ("flow.py", "OTHER = 1", "OTHER = 2", False),
        ("flow.py", "import math", "import math\n\n# moved", False),
    ],
)
def test_a_task_s_code_is_another_where_what_it_refers_to_changed(author, file, before, after, counts):
    digests = []
    for text in (REFERRING[file], REFERRING[file].replace(before, after)):
        for name, source in {**REFERRING, file: text}.items():
            author.write(source, name)
        loaded = load_module(str(author.root / "flow.py"))
        digests.append(compile_entity(loaded.entities["t"]).closure.tasks[0].python.function_digest)
        author.forget()
    assert (digests[0] != digests[1]) is counts
