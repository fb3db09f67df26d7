"""What the soak promised, looked at when all is over."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from load import Outcome
from platform_rig.sandbox import DOMAIN, PODS, PROJECT, RUNS, Sandbox
from platform_rig.waiting import wait_for
from referee import COMMITTED, STARTED, Event, Referee, judge

from limosa.remote import Client
from limosa_idl.admin.v1alpha1 import admin_pb2
from limosa_idl.run.v1alpha1 import run_pb2
from limosa_model.layout import run_prefix

_ERROR = re.compile(r'"level": "(?i:error)"| ERROR |^Traceback')
_TERMINAL = {run_pb2.RUN_PHASE_SUCCEEDED, run_pb2.RUN_PHASE_FAILED, run_pb2.RUN_PHASE_ABORTED}


@dataclass
class Verdict:
    """What was found.

    Attributes:
        launches: Launches that reached their check.
        starts: Of them, those that ran the author's function.
        commits: Commits that launches told of.
        lost: Accepted runs, child runs included, that have no end.
        wrong: Runs that ended in another way than they may.
        complaints: The referee's.
        missing: Commits that were told of and are not in the store.
        left: What is left behind.
        errors: What the platform's own logs call an error: exceptions are bugs, also where the runs did not suffer.
    """

    launches: int = 0
    starts: int = 0
    commits: int = 0
    runs: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def broken(self) -> list[str]:
        """Every promise that was not kept."""
        return [*self.lost, *self.wrong, *self.complaints, *self.missing, *self.left, *self.errors]


def reach(sandbox: Sandbox, outcomes: Iterable[Outcome], referee: Referee) -> Verdict:
    """Judges everything that happened on a platform that is at rest again."""
    verdict = Verdict()
    for outcome in outcomes:
        if outcome.uid and not outcome.phase:
            verdict.lost.append(f"{outcome.name} ({outcome.order.kind}) has no end: {outcome.wrong}")
        elif outcome.wrong:
            verdict.wrong.append(f"{outcome.name} ({outcome.order.kind}): {outcome.wrong}")
    _look_for_rest(sandbox, verdict)
    with sandbox.client() as client:
        everyone = {run.uid: run for run in client.list_runs()}
        _look_for_children(client, everyone, verdict)
    verdict.runs = len(everyone)
    verdict.errors = list(_errors(sandbox))
    for uid, events in referee.all_events().items():
        name = everyone[uid].name if uid in everyone else f"unknown run {uid}"
        verdict.launches += len({event.launch_id for event in events})
        verdict.starts += sum(event.what == STARTED for event in events)
        verdict.commits += sum(event.what == COMMITTED for event in events)
        verdict.complaints += [f"{name}: {complaint}" for complaint in judge(events)]
        verdict.missing += _missing(sandbox, name, uid, events)
    return verdict


def _look_for_rest(sandbox: Sandbox, verdict: Verdict) -> None:
    """Objects of the cluster go when admin has acknowledged the last snapshot: what stays holds unsent ones."""
    for what, path in (("pod", PODS), ("run object", RUNS)):
        try:
            wait_for(lambda path=path: not sandbox.objects(path))
        except AssertionError:
            verdict.left += [f"{what} {one['metadata']['name']} is left" for one in sandbox.objects(path)]


def _look_for_children(client: Client, everyone: dict[str, admin_pb2.Run], verdict: Verdict) -> None:
    for run in everyone.values():
        if run.HasField("parent") and run.state.phase not in _TERMINAL:
            verdict.lost.append(f"{run.name}, a child of {run.parent.run_name}, has no end")


def _missing(sandbox: Sandbox, name: str, uid: str, events: list[Event]) -> list[str]:
    told = {event.item for event in events if event.what == COMMITTED}
    prefix = f"{run_prefix(PROJECT, DOMAIN, name, uid)}/commits/"
    found = (
        {_item_of(info.key.removeprefix(prefix)) for info in sandbox.store().list(prefix)} if told else set()
    )
    return [f"{name}: the commit of {item} is not in the store" for item in sorted(told - found)]


def _errors(sandbox: Sandbox) -> Iterator[str]:
    for log in sorted((sandbox.home / "logs").glob("*.log")):
        for line in log.read_text(errors="replace").splitlines():
            if log.name != "postgres.log" and _ERROR.search(line):
                yield f"{log.name}: {line[:2000]}"


def _item_of(key: str) -> str:
    item = key.removesuffix(".pb")
    path, _, last = item.rpartition("/")
    return f"{path}[{last}]" if last.isdigit() else item
