"""The table of a soak, in Markdown."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from kills import Kill
from kinds import ABORTED, FAILED, SUCCEEDED, kinds
from load import Outcome
from memory import GROWTH_LIMIT, PARTS, Life, Sampler
from verdict import Verdict

_PHASES = (SUCCEEDED, FAILED, ABORTED)


def lines(
    conditions: str, outcomes: Sequence[Outcome], kills: Sequence[Kill], sampler: Sampler, verdict: Verdict
) -> Iterator[str]:
    """All of it, line by line."""
    yield from ("# Soak", "", conditions, "", "## Promises", "")
    yield from _promises(outcomes, sampler.lives(), verdict)
    yield from ("", "## Runs", "")
    yield from _runs(outcomes)
    yield from ("", "## Kills (SIGKILL) and freezes (SIGSTOP)", "")
    yield from _kills(kills)
    yield from ("", "## Memory, MiB resident", "")
    yield from _memory(sampler)


def _promises(outcomes: Sequence[Outcome], lives: Sequence[Life], verdict: Verdict) -> Iterator[str]:
    accepted = sum(1 for outcome in outcomes if outcome.uid)
    yield from _head("promise", "looked at", "broken")
    yield _row(
        "every accepted run has an end",
        f"{accepted} runs, {verdict.runs - accepted} children",
        len(verdict.lost),
    )
    yield _row("it is the expected one, with the expected outputs", f"{accepted} runs", len(verdict.wrong))
    yield _row(
        "no launch runs after its item's commit, none twice, one commit per item",
        f"{verdict.launches} launches, {verdict.starts} started, {verdict.commits} commits told",
        len(verdict.complaints),
    )
    yield _row("every commit told of is in the store", f"{verdict.commits} commits", len(verdict.missing))
    yield _row("no pod, run object or process is left", "at the end", len(verdict.left))
    yield _row("no exception in the logs of the platform", "all logs", len(verdict.errors))
    grown = sum(life.growth > GROWTH_LIMIT for life in lives)
    yield _row(f"memory is flat (≤ {GROWTH_LIMIT} ×)", f"{len(lives)} lives", grown)


def _runs(outcomes: Iterable[Outcome]) -> Iterator[str]:
    yield from _head("kind", "runs", *(phase.lower() for phase in _PHASES), "seconds, p50", "max")
    by_kind = {kind: [outcome for outcome in outcomes if outcome.order.kind == kind] for kind in kinds()}
    for kind, found in [*by_kind.items(), ("all", [one for some in by_kind.values() for one in some])]:
        phases = Counter(outcome.phase for outcome in found)
        took = [outcome.took_s for outcome in found if outcome.phase]
        yield _row(kind, len(found), *(phases[phase] for phase in _PHASES), *_middle_and_most(took))


def _kills(kills: Sequence[Kill]) -> Iterator[str]:
    yield from _head("victim", "times", "seconds until it answers again, p50", "max")
    for victim in dict.fromkeys(sorted(kill.victim for kill in kills)):
        found = [kill for kill in kills if kill.victim == victim]
        yield _row(victim, len(found), *_middle_and_most([k.back_s for k in found if k.back_s is not None]))
    yield _row("all", len(kills), "", "")


def _memory(sampler: Sampler) -> Iterator[str]:
    yield from _head(
        "process", "looked at", "first third", "last third", "×", "MiB/min", "runs under way then", "highest"
    )
    lives = sampler.lives()
    for part in PARTS:
        found = [life for life in lives if life.part == part]
        for life in found:
            first, last = life.thirds
            live = " → ".join(f"{value:.0f}" for value in life.live)
            yield _row(
                part, f"{life.seconds:.0f} s", f"{first:.1f}", f"{last:.1f}", f"{life.growth:.2f}",
                f"{life.slope:+.2f}", live, f"{sampler.highest(part):.1f}",
            )  # fmt: skip
        if not found:
            yield _row(part, "no life long enough", "", "", "", "", "", f"{sampler.highest(part):.1f}")


def _middle_and_most(seconds: Sequence[float]) -> tuple[str, str]:
    return (f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}") if seconds else ("–", "–")


def _head(*names: str) -> Iterator[str]:
    yield _row(*names)
    yield "|" + "---|" * len(names)


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"
