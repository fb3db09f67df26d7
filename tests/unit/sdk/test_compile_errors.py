"""What an author gets wrong in a workflow, and what they read: place, what is wrong, what to do."""

import pytest

TASKS = """
    from dataclasses import dataclass
    from enum import Enum
    from typing import NamedTuple
    from limosa import *

    class Color(Enum):
        RED = "red"
        BLUE = "blue"

    class Pair(NamedTuple):
        low: int
        high: float

    @dataclass
    class Config:
        rate: float
        steps: int = 3

    @task
    def number(x: int) -> int: return x

    @task
    def text(s: str) -> str: return s

    @task
    def half(x: float) -> float: return x / 2

    @task
    def pair() -> Pair: return Pair(1, 2.0)

    @task
    def nothing() -> None: ...

    @task
    def configure(c: Config) -> Config: return c

    @task
    def total(xs: list[int]) -> int: return sum(xs)

    @task
    def paint(c: Color) -> Color: return c

    @task
    def wait(f: File) -> int: return 1

    @task
    def flag(b: bool) -> bool: return b

"""
LINES = TASKS.lstrip("\n").count("\n") + 1

TIGHTER = (
    "flow.py:{body}: & and | bind tighter than a comparison, so they join what stands beside them and not the comparisons; "
    "put every comparison that & or | joins into parentheses: (a > 0) & (b == None)"
)

CASES = {
    "wrong type of a promise": (
        "return number(x=text(s='a'))",
        "-> int",
        "flow.py:{body}: number(): input 'x': expected int, got str; the value is the result of text(); correct one of the two annotations, or convert it in a task",
    ),
    "wrong type of a value": (
        "return number(x='a')",
        "-> int",
        "flow.py:{body}: number(): input 'x': expected int, got str 'a'"
        "; pass a value of that type, or correct the annotation",
    ),
    "bool is no int": (
        "return number(x=True)",
        "-> int",
        "flow.py:{body}: number(): input 'x': expected int, got bool True; write int(…)",
    ),
    "beyond 64 bits": (
        "return number(x=2**63)",
        "-> int",
        "flow.py:{body}: number(): input 'x': 9223372036854775808 does not fit a signed 64-bit integer; pass it as str",
    ),
    "unknown argument": (
        "return number(y=1)",
        "-> int",
        "flow.py:{body}: number() has no input 'y'; it has x",
    ),
    "misspelt argument": (
        "return configure(cc=1)",
        "-> Config",
        "flow.py:{body}: configure() has no input 'cc'; did you mean 'c'?",
    ),
    "missing argument": (
        "return number()",
        "-> int",
        "flow.py:{body}: number() misses its input 'x' (int); pass x=…",
    ),
    "too many arguments": (
        "return number(1, 2)",
        "-> int",
        "flow.py:{body}: number() takes 1 input, 2 were given",
    ),
    "given twice": ("return number(1, x=2)", "-> int", "flow.py:{body}: number() got input 'x' twice"),
    "truth of a promise": (
        "return number(x=1) if number(x=2) else number(x=3)",
        "-> int",
        "flow.py:{body}: flow.wf asked for its truth, but the result of number() is a promise: its value exists only in the run; "
        'branch with conditional("name").if_(…).then(…).else_().then(…)',
    ),
    "unpacking one value": (
        "a, b = number(x=1)",
        "-> int",
        "flow.py:{body}: the result of number() is one value (int): it cannot be unpacked or looped over; "
        "assign it to one name; a task gives several values when its return type is a NamedTuple",
    ),
    "loop over a promise": (
        "return [number(x=x) for x in xs]",
        "-> list[int]",
        "flow.py:{body}: flow.wf asked for its items, but the workflow's input 'xs' is a promise: its value exists only in the run; "
        "run a task for each of them with map_task, or loop inside a task",
    ),
    "arithmetic": (
        "return number(x=1) + 1",
        "-> int",
        "flow.py:{body}: flow.wf asked for the result of +, but the result of number() is a promise: its value exists only in the run; "
        "compute inside a task",
    ),
    "text of a promise": (
        "return text(s=f'{number(x=1)}')",
        "-> str",
        "flow.py:{body}: flow.wf asked for its text, but the result of number() is a promise: its value exists only in the run; "
        "format it inside a task",
    ),
    "and": (
        "return conditional('c').if_((number(x=1) > 0) and (number(x=2) > 0)).then(number(x=1)).else_().fail('no')",
        "-> int",
        'flow.py:{body}: the truth of a condition is known only in the run; branch with conditional("name").if_(…).then(…).else_().then(…), '
        "and join conditions with & and | in parentheses, "
        "not with 'and', 'or' or a chain such as a < b < c",
    ),
    "unknown field": (
        "return half(x=configure(c=Config(1.0)).rat)",
        "-> float",
        "flow.py:{body}: Config has no field 'rat'; did you mean 'rate'?",
    ),
    "attribute of a number": (
        "return half(x=number(x=1).real)",
        "-> float",
        "flow.py:{body}: '.real' on the promise of int: the value exists only when the workflow runs; "
        "use it inside a task",
    ),
    "wrong type of a field": (
        "return text(s=configure(c=Config(1.0)).rate)",
        "-> str",
        "flow.py:{body}: text(): input 's': expected str, got float; the value is .rate of the result of configure(); correct one of the two annotations, or convert it in a task",
    ),
    "record of promises": (
        "return configure(c=Config(half(x=1.0)))",
        "-> Config",
        "flow.py:{body}: configure(): input 'c': a Config that holds promises cannot be made before the run; "
        "pass the parts as inputs and make it inside a task",
    ),
    "list of wrong promises": (
        "return total(xs=[1, text(s='a')])",
        "-> int",
        "flow.py:{body}: total(): input 'xs'[1]: expected int, got str; the value is the result of text(); correct one of the two annotations, or convert it in a task",
    ),
    "several outputs for one": (
        "return number(x=pair())",
        "-> int",
        "flow.py:{body}: number(): input 'x': the call before it gives several outputs (low, high); pass one of its outputs",
    ),
    "nothing for a value": (
        "return number(x=nothing())",
        "-> int",
        "flow.py:{body}: number(): input 'x': the call before it gives nothing; pass one of its outputs",
    ),
    "condition as a value": (
        "return flag(b=number(x=1) > 0)",
        "-> bool",
        "flow.py:{body}: flag(): input 'b': a comparison of promises is a condition, not a value; "
        "compare inside a task, or branch with conditional",
    ),
    "file in the workflow's body": (
        "return wait(f=File('flow.py'))",
        "-> int",
        "flow.py:{body}: wait(): input 'f' is or holds a file, which a spec cannot; make it an input of the workflow",
    ),
    "unknown enum value": (
        "return paint(c='green')",
        "-> Color",
        "flow.py:{body}: paint(): input 'c': expected Color (red, blue), got str 'green'"
        "; pass a value of that type, or correct the annotation",
    ),
    "output of wrong type": (
        "return text(s='a')",
        "-> int",
        "flow.py:{wf}: workflow wf: the result: expected int, got str; the value is the result of text(); correct one of the two annotations, or convert it in a task",
    ),
    "nothing returned": (
        "number(x=1)",
        "-> int",
        "flow.py:{wf}: workflow wf is annotated to return a value and returns nothing; return one",
    ),
    "something returned": (
        "return number(x=1)",
        "-> None",
        "flow.py:{wf}: workflow wf is annotated to return nothing but returns something; annotate what it returns",
    ),
    "conditional without end": (
        "conditional('c').if_(number(x=1) > 0).then(number(x=1))",
        "-> None",
        "flow.py:{body}: conditional 'c' does not say what happens when no case holds; "
        "end it with .else_().then(…) or .else_().fail('…')",
    ),
    "case is no call": (
        "return conditional('c').if_(number(x=1) > 0).then(3).else_().fail('no')",
        "-> int",
        "flow.py:{body}: a case of conditional 'c' is no call of a task or workflow; write .then(some_task(x=…))",
    ),
    "call inside a case's call": (
        "return conditional('c').if_(number(x=1) > 0).then(number(x=number(x=2))).else_().fail('no')",
        "-> int",
        "flow.py:{body}: a case of conditional 'c' makes 2 calls; only one would wait for the condition; "
        "put them into a @workflow and call that",
    ),
    "cases of different types": (
        "return conditional('c').if_(number(x=1) > 0).then(number(x=1)).else_().then(text(s='a'))",
        "-> int",
        "flow.py:{body}: the cases of conditional 'c' differ: the first gives int, this one str; let every case give the same",
    ),
    "condition on a plain value": (
        "return conditional('c').if_(1 > 0).then(number(x=1)).else_().fail('no')",
        "-> int",
        "flow.py:{body}: True is known while the workflow is compiled, so there is nothing to decide in the run; "
        "compare a promise, or use Python's own if",
    ),
    "a literal before &": (
        "return conditional('c').if_(number(x=1) == None & number(x=2) > 1).then(number(x=1)).else_().fail('no')",
        "-> int",
        TIGHTER,
    ),
    "a number before |": (
        "return conditional('c').if_(number(x=1) > 0 | number(x=2) > 1).then(number(x=1)).else_().fail('no')",
        "-> int",
        TIGHTER,
    ),
    "a promise before &": (
        "return conditional('c').if_(number(x=1) > number(x=2) & number(x=3) > 1).then(number(x=1)).else_().fail('no')",
        "-> int",
        "flow.py:{body}: n1 is int, not bool; put every comparison that & or | joins into parentheses: (a > 0) & (b == None)",
    ),
    "a flag before &": (
        "return conditional('c').if_(number(x=1) == flag(b=True) & flag(b=True)).then(number(x=1)).else_().fail('no')",
        "-> int",
        TIGHTER,
    ),
    "a comparison of a joined pair": (
        "return conditional('c').if_((flag(b=True) & flag(b=True)) > 1).then(number(x=1)).else_().fail('no')",
        "-> int",
        TIGHTER,
    ),
    "condition on a number": (
        "return conditional('c').if_(number(x=1)).then(number(x=1)).else_().fail('no')",
        "-> int",
        "flow.py:{body}: n0 is int, not bool; compare it: if_(value > 0)",
    ),
    "incomparable": (
        "return conditional('c').if_(number(x=1) == 'a').then(number(x=1)).else_().fail('no')",
        "-> int",
        "flow.py:{body}: a condition cannot decide int or float == enum | str; compare values of one type",
    ),
    "order of colors": (
        "return conditional('c').if_(paint(c=Color.RED) < Color.BLUE).then(number(x=1)).else_().fail('no')",
        "-> int",
        "flow.py:{body}: a condition cannot decide enum < enum; only numbers, texts and times have an order",
    ),
    "map without list": (
        "return map_task(number)(x=1)",
        "-> list[int]",
        "flow.py:{body}: map_task(number) got no list to map over; pass a list: x=[…]",
    ),
    "map with two demands": (
        "return map_task(number, min_successes=1, min_success_ratio=0.5)(x=[1])",
        "-> list[int]",
        "flow.py:{body}: map_task got both min_successes and min_success_ratio; give one of them",
    ),
    "map with a share above one": (
        "return map_task(number, min_success_ratio=90)(x=[1])",
        "-> list[int]",
        "flow.py:{body}: min_success_ratio=90; give a share above 0 and at most 1, such as 0.9",
    ),
    "map that needs no success": (
        "return map_task(number, min_successes=0)(x=[1])",
        "-> list[int]",
        "flow.py:{body}: min_successes=0; give a number of items, 1 or more",
    ),
    "map that needs no share of successes": (
        "return map_task(number, min_success_ratio=0.0)(x=[1])",
        "-> list[int]",
        "flow.py:{body}: min_success_ratio=0.0; give a share above 0 and at most 1, such as 0.9",
    ),
    "map that bears failures into a plain list": (
        "return map_task(number, min_successes=1)(x=[1])",
        "-> list[int]",
        "flow.py:{wf}: workflow wf: the result: expected list[int], got list[int | None]; the value is the result of map_task(number); "
        "annotate it as list[int | None], and leave None out in a task",
    ),
    "map over wrong elements": (
        "return map_task(number)(x=ss)",
        "-> list[int]",
        "flow.py:{body}: number(): input 'x': expected list[int], got list[str]; the value is the workflow's input 'ss'; annotate it as list[int] there, or as list[str] here",
    ),
    "unknown override": (
        "return number.with_overrides(retrys=1)(x=1)",
        "-> int",
        "flow.py:{body}: with_overrides has no option 'retrys'; did you mean 'retries'?",
    ),
    "cycle": (
        "a = number(x=1); b = number(x=a); b >> a; return b",
        "-> int",
        "flow.py:{wf}: the nodes of wf wait for each other: n0 (number) → n1 (number) → n0 (number); "
        "remove one of the orderings (>> or chain)",
    ),
    "check without words": (
        "a = number(x=1); check(a > 1, ''); return a",
        "-> int",
        "flow.py:{body}: check() got the message ''; say in words what is wrong",
    ),
    "check of a value": (
        "a = number(x=1); check(a, 'no'); return a",
        "-> int",
        "flow.py:{body}: n0 is int, not bool; compare it: if_(value > 0)",
    ),
    "cache without version": (
        "return number.with_overrides(cache=True)(x=1)",
        "-> int",
        'flow.py:{body}: with_overrides(cache=True) would leave the cache without a version; give one: cache="v1"',
    ),
    "override of a sub-workflow": (
        "conditional('c').if_(number(x=1) > 0).then(number(x=1)).else_().fail('no').with_overrides(retries=1)",
        "-> None",
        "flow.py:{body}: node c is a branch, which has no pod of its own; override the tasks inside it",
    ),
    "order of values": (
        "number(x=1) >> 3; return number(x=1)",
        "-> int",
        "flow.py:{body}: 3 is no call of this workflow and has no place in its order; "
        "write chain(a(), b()), or a() >> b()",
    ),
    "contains itself": (
        "return wf(xs=xs, ss=ss)",
        "-> int",
        "flow.py:{body}: workflow flow.wf contains itself; end the recursion with a branch inside one task",
    ),
    "launch plan without an input": (
        "return LaunchPlan(wf, name='plan')(xs=xs)",
        "-> int",
        "flow.py:{body}: launch plan plan misses its input 'ss'; pass ss=…",
    ),
    "launch plan's unknown input": (
        "return LaunchPlan(wf, name='plan')(xs=xs, ss=ss, s=ss)",
        "-> int",
        "flow.py:{body}: launch plan plan has no input 's'; did you mean 'xs'?",
    ),
    "launch plan's fixed input": (
        "return LaunchPlan(wf, name='plan', fixed_inputs={'xs': [1]})(xs=xs, ss=ss)",
        "-> int",
        "flow.py:{body}: launch plan plan fixes input 'xs'; leave it out",
    ),
    "launch plan's input of another type": (
        "return LaunchPlan(wf, name='plan')(xs=ss, ss=ss)",
        "-> int",
        "flow.py:{body}: plan(): input 'xs': expected list[int], got list[str]; the value is the workflow's input 'ss'; annotate it as list[int] there, or as list[str] here",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_says_what_is_wrong(author, case):
    body, returns, expected = CASES[case]
    source = f"{TASKS}    @workflow\n    def wf(xs: list[int], ss: list[str]) {returns}:\n        {body}\n"
    # A function begins at its decorator; the body stands two lines below.
    assert author.error(source) == expected.format(wf=LINES, body=LINES + 2)


SIGNATURES = {
    "(x) -> int": "task t (flow.py:2): argument 'x' has no type; write its type, such as x: int",
    "(x: int)": "task t (flow.py:2): the return type is missing; write -> and the type; -> None where it returns nothing",
    "(*xs: int) -> int": "task t (flow.py:2): *args and **kwargs have no types; "
    "name every input; for a varying number take a list or a dict",
    "(x: tuple[int, str]) -> int": "task t (flow.py:2): argument 'x': the type tuple[int, str] is not supported; "
    "use list[T], or a NamedTuple for several outputs, or Pickle[tuple[int, str]] to have it pickled",
    "(x: int) -> tuple[int, ...]": "task t (flow.py:2): the return type: the type tuple[int, ...] is not supported; "
    "use list[T], or a NamedTuple for several outputs, or Pickle[tuple[int, ...]] to have it pickled",
    "(x: set[int]) -> int": "task t (flow.py:2): argument 'x': the type set[int] is not supported; "
    "use list[T], or Pickle[set[int]] to have it pickled",
    "(x: object) -> int": "task t (flow.py:2): argument 'x': the type object is not supported; "
    "name the concrete type, or Pickle[object] to have it pickled",
    "(x: dict[int, str]) -> int": "task t (flow.py:2): argument 'x': dict[int, str] has int keys; use str keys",
    "(x: bytearray) -> int": "task t (flow.py:2): argument 'x': the type bytearray is not supported; "
    "use bytes, or Pickle[bytearray] to have it pickled",
    "(x: Plain) -> int": "task t (flow.py:2): argument 'x': the type Plain is not supported; "
    "use a dataclass with typed fields, a File that it is saved to (such as a fitted model), or Pickle[Plain] to have it pickled",
    "(x: int = 'a') -> int": "task t (flow.py:2): the default of argument 'x': expected int, got str 'a'",
    "(x: 'Missing') -> int": "task t (flow.py:2): an annotation refers to 'Missing', which is not there when the module "
    "runs; import or define Missing at the top of the module, outside `if TYPE_CHECKING`",
}


@pytest.mark.parametrize("signature", SIGNATURES)
def test_says_what_a_signature_lacks(author, signature):
    source = (
        f"from limosa import *; Plain = type('Plain', (), {{}})\n@task\ndef t{signature}:\n    return 1\n"
    )
    assert author.error(source, "t") == SIGNATURES[signature]


OPTIONS = {
    "resources=Resources(mem=1024)": "flow.py:2: mem=1024 has no unit; 1024 bytes? write '1Gi'",
    "resources=Resources(memory='1Gi')": "flow.py:2: Resources has no 'memory'; did you mean 'mem'?",
    "resources=Resources(ram='1Gi')": "flow.py:2: Resources has no 'ram'; did you mean 'mem'?",
    "resources=Resources(cpus=2)": "flow.py:2: Resources has no 'cpus'; did you mean 'cpu'?",
    "resources=Resources(gpus=1)": "flow.py:2: Resources has no 'gpus'; did you mean 'gpu'?",
    "resources=Resources(storage='1Gi')": "flow.py:2: Resources has no 'storage'; did you mean 'disk'?",
    "resources=Resources(ephemeral_storage='1Gi')": "flow.py:2: Resources has no 'ephemeral_storage'; did you mean 'disk'?",
    "resources=Resources(bandwidth=1)": "flow.py:2: Resources has no 'bandwidth'; it has cpu, mem, gpu, disk",
    "resources=Resources(mem='512')": "flow.py:2: mem='512' has no unit; 512 bytes? write '512Mi'",
    "resources=Resources(mem='1GiB')": "flow.py:2: mem='1GiB': '1GiB' is not a quantity: write a number with an optional "
    "unit, such as '500m', '2' or '1Gi'; write memory with its unit, such as mem='512Mi' or mem='2Gi'",
    "resources=Resources(cpu=0)": "flow.py:2: cpu=0 is no number of cores; write cores, such as cpu=0.5, cpu=2 or cpu='500m'",
    "resources=Resources(cpu=(2, 1))": "flow.py:2: cpu: the request 2 is above the limit 1; a pair is (request, limit)",
    "resources=Resources(cpu=0.0001)": "flow.py:2: cpu=0.0001 is no number of cores; "
    "write cores, such as cpu=0.5, cpu=2 or cpu='500m'",
    "resources=Resources(cpu='1Gi')": "flow.py:2: cpu='1Gi': '1Gi' is not an amount of cores: write cores, such as '2', "
    "'0.5' or '500m'; write cores, such as cpu=0.5, cpu=2 or cpu='500m'",
    "resources=Resources(mem='100m')": "flow.py:2: mem='100m': '100m' is a fraction of a byte: write a unit such as Mi or "
    "Gi; '100Mi' is mebibytes; write memory with its unit, such as mem='512Mi' or mem='2Gi'",
    "resources=Resources(mem='99999999999999999999Gi')": "flow.py:2: mem='99999999999999999999Gi': '99999999999999999999Gi' "
    "is more bytes than Kubernetes can count: at most 9223372036854775807; "
    "write memory with its unit, such as mem='512Mi' or mem='2Gi'",
    "resources=Resources(disk='5u')": "flow.py:2: disk='5u': '5u' is a fraction of a byte: write a unit such as Mi or Gi; "
    "write disk with its unit, such as disk='10Gi'",
    "resources=Resources(gpu=0.5)": "flow.py:2: gpu=0.5 is no number of devices; write a whole number, such as gpu=1",
    "resources='1Gi'": 'flow.py:2: resources=\'1Gi\' is not Resources; write resources=Resources(cpu="500m", mem="1Gi")',
    "resources=Resources(cpu=1), limits=Resources(cpu=2)": "flow.py:2: @task got resources and requests or limits; "
    "use resources=, or requests= and limits=",
    "retries=-1": "flow.py:2: retries=-1 is neither a number from 0 to 1000 nor a Retry; "
    'retries=3 means at most four attempts; retries=Retry(3, backoff="5s") waits in between',
    "retries=Retry(-1)": "flow.py:2: Retry(-1) is not a number from 0 to 1000; Retry(3) means at most four attempts",
    "retries=Retry(1, backoff='x')": "flow.py:2: Retry(backoff)='x' is no length of time; "
    'write Retry(backoff)="10m", seconds, or a timedelta',
    "retries=Retry(1, factor=2)": "flow.py:2: Retry has factor, limit or jitter, but no backoff that they could change; "
    'give backoff="5s"',
    "retries=Retry(1, '5s', jitter=2)": "flow.py:2: Retry(jitter) is 2; it must be a number from 0 to 1; "
    "jitter=0.2 shortens a wait by up to a fifth",
    "retries=Retry(1, '5s', limit='1s')": "flow.py:2: Retry(limit='1s') is below the first wait, '5s'; raise the limit",
    "retries=Retry(1, memory='2Gi')": "flow.py:2: Retry(memory='2Gi') is neither Grow(…) nor a list; "
    'memory=["4Gi", "8Gi"]',
    "retries=Retry(1, memory=['2'])": "flow.py:2: Retry(memory): mem='2' has no unit; 2 bytes? write '2Mi'",
    "retries=Retry(1, memory=Grow(1))": "flow.py:2: Grow(factor=1) does not grow; factor=2 doubles the memory",
    "retries=Retry(1, memory=Grow(limit=3))": "flow.py:2: Grow(limit): mem=3 has no unit; 3 bytes? write '3Mi'",
    "priority='high'": "flow.py:2: priority='high' is not a whole number from -1000000 to 1000000; "
    "0 is usual; where slots are short, greater ones start first",
    "shared_memory=3": 'flow.py:2: shared_memory: mem=3 has no unit; write shared_memory="1Gi"',
    "pod_template_name=''": "flow.py:2: pod_template_name='' is not a str; write pod_template_name=\"gpu-large\"",
    "secrets=[Secret('a', 'b', file='x')]": "flow.py:2: Secret(name='a', key='b', env='', file='x'): file is no absolute path "
    'of a file; write file="/etc/secrets/token"',
    "secrets=[Secret('a', 'b', env='E', file='/x')]": "flow.py:2: Secret(name='a', key='b', env='E', file='/x') has env and "
    "file; a secret is a variable or a file",
    "timeout='soon'": "flow.py:2: timeout='soon' is no length of time; write timeout=\"10m\", seconds, or a timedelta",
    "timeout='99999999999d'": "flow.py:2: timeout='99999999999d' is no length of time; "
    'write timeout="10m", seconds, or a timedelta',
    "timeout=0.3": 'flow.py:2: timeout=0.3 is below one second, the least that is kept; write timeout="1s" or more',
    "deadline=timedelta(milliseconds=999)": "flow.py:2: deadline=datetime.timedelta(microseconds=999000) is below one second, "
    'the least that is kept; write deadline="1s" or more',
    "labels={'a b': 'c'}": "flow.py:2: labels: 'a b' is no label key; write a name of at most 63 letters, digits, '-', '_' "
    "and '.', after a domain and '/' where it has one",
    "labels={'team': 'a team'}": "flow.py:2: labels: 'a team', the value of label 'team', is no label value; "
    "write at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends",
    "labels={'limosa.dev/run': 'r'}": "flow.py:2: labels: label 'limosa.dev/run' is the platform's: names below limosa.dev/ "
    "are reserved; use a domain of your own",
    "annotations={'Limosa.dev/run': 'r'}": "flow.py:2: annotations: annotation 'Limosa.dev/run' is the platform's: names "
    "below limosa.dev/ are reserved; use a domain of your own",
    "annotations={'a/b/c': 'r'}": "flow.py:2: annotations: 'a/b/c' is no annotation key; write a name of at most 63 letters, "
    "digits, '-', '_' and '.', after a domain and '/' where it has one",
    "environment={'A=B': 'c'}": "flow.py:2: environment: 'A=B' is no name of a variable; "
    "use letters, digits and '_', a letter first",
    "environment={'LIMOSA_POD_TASK': 'c'}": "flow.py:2: environment: variable 'LIMOSA_POD_TASK' is the platform's: names with "
    "LIMOSA_POD_ are reserved; rename it",
    "container_image='team/image :1'": "flow.py:2: container_image: 'team/image :1' is no name of an image; "
    "write registry/name:tag, such as ghcr.io/team/image:1.0, the name in small letters",
    "timeout=0": "flow.py:2: timeout=0 is not above zero; leave it out for no limit",
    "cache=3": "flow.py:2: cache=3 is neither a bool, a version nor a Cache; "
    'write cache=True, cache="v1" or cache=Cache("v1", serialize=True)',
    "cache=Cache(ignored_inputs='x')": "flow.py:2: Cache(version='', serialize=False, ignored_inputs='x') does not fit; "
    'write Cache(version="v1", ignored_inputs=("threads",), serialize=True)',
    "environment={'A': 1}": 'flow.py:2: environment={\'A\': 1} is not a dict of str to str; write environment={"NAME": "value"}',
    "secrets=['token']": 'flow.py:2: secrets has \'token\', which is no Secret; write secrets=[Secret("name", "key")]',
    "pod_template='{'": "flow.py:2: pod_template is not JSON: Expecting property name enclosed in double quotes: "
    'line 1 column 2 (char 1); write a dict such as {"spec": {"priorityClassName": "x"}}',
    "interruptible='yes'": "flow.py:2: interruptible='yes' is not a bool; write interruptible=True",
    "container_image=3": 'flow.py:2: container_image=3 is not a str; write container_image="team/image:1.0"',
    "retry=3": "flow.py:2: @task has no option 'retry'; did you mean 'retries'?",
}


@pytest.mark.parametrize("options", OPTIONS)
def test_says_what_an_option_lacks(author, options):
    source = f"from datetime import timedelta; from limosa import *\n@task({options})\ndef t() -> None: ...\n"
    assert author.error(source, "t") == OPTIONS[options]


def test_a_cache_that_ignores_an_input_which_is_not_there(author):
    source = """
        from limosa import Cache, task
        @task(cache=Cache(ignored_inputs=["thread"]))
        def t(threads: int) -> int: return 1
    """
    assert author.error(source, "t") == (
        "flow.py:2: task flow.t: its cache ignores input 'thread', which it does not have; did you mean 'threads'?"
    )


def test_two_functions_of_one_name(author):
    source = """
        from limosa import task, workflow
        @task
        def f() -> int: return 1
        g = f
        @task
        def f() -> int: return 2
        @workflow
        def wf() -> int:
            g()
            return f()
    """
    assert author.error(source) == (
        "flow.py:10: two different functions are called flow.f; rename one of them"
    )


def test_a_decorated_class_is_no_task(author):
    assert author.error("from limosa import task\n@task\nclass T: ...\n", "T") == (
        "flow.py:2: @task decorates a function, not type; write it directly above a def"
    )


RAISES = """
    from limosa import task, workflow
    SETTINGS = {}
    @task
    def double(x: int) -> int: return 2 * x
    def configured(): return SETTINGS["rate"]
    def leave(): raise SystemExit(3)
    @workflow
    def wf(x: int) -> int:
        return %s
"""
BODY_ERRORS = {
    "duoble(x=x)": "flow.py:9: the body of workflow wf raised NameError: name 'duoble' is not defined; did you mean 'double'?",
    "double(x=configured())": "flow.py:5: the body of workflow wf raised KeyError: 'rate'",
    "double(x=int('a'))": (
        "flow.py:9: the body of workflow wf raised ValueError: invalid literal for int() with base 10: 'a'"
    ),
    "double(x=''.lenght)": (
        "flow.py:9: the body of workflow wf raised AttributeError: 'str' object has no attribute 'lenght'"
    ),
    "leave()": "flow.py:6: the body of workflow wf raised SystemExit: 3",
}


@pytest.mark.parametrize("body", BODY_ERRORS)
def test_an_exception_in_a_workflows_body_is_the_authors(author, body):
    assert author.error(RAISES % body) == BODY_ERRORS[body]


def test_an_exception_in_an_inner_workflow_names_the_inner_one(author):
    source = """
        from limosa import workflow
        @workflow
        def inner() -> int: return nothing_of_that_name
        @workflow
        def wf() -> int:
            return inner()
    """
    message = (
        "flow.py:3: the body of workflow inner raised NameError: name 'nothing_of_that_name' is not defined"
    )
    assert author.error(source) == message


def test_a_misspelt_name_at_import(author):
    source = "from limosa import task\nnumber = 1\nprint(numbr)\n"
    assert author.error(source).endswith(
        "flow.py failed: NameError: name 'numbr' is not defined; did you mean 'number'?"
    )
