"""What the cache's answer means for an item."""

from limosa_engine import caching, items
from limosa_engine.events import CacheAnswered, CacheOutcome
from limosa_engine.phases import NODE_TERMINAL, NodePhase
from limosa_engine.state import Asked
from limosa_engine.turn import Place, Turn

RESERVATION = "WaitingForReservation"
UNREACHABLE = "AdminUnreachable"


def answered(turn: Turn, place: Place, event: CacheAnswered) -> None:
    """Takes the result, has the item launched, or has it wait for another's."""
    item, lookup = place.item, place.item.lookup
    if lookup is None or lookup.asked is not Asked.OUT:
        return
    turn.state.cache.out -= 1
    if lookup.times:
        turn.state.cache.out_again -= 1
    lookup.asked = Asked.MISS
    turn.tell(place.plan.number, place.index, f"cache: {event.outcome.name}")
    if item.phase in NODE_TERMINAL:
        if event.outcome is CacheOutcome.RESERVED:
            caching.give_up(turn, place, lookup)
        return
    if event.outcome is CacheOutcome.RESERVED:
        caching.reserved(turn, place, lookup)
    if item.launch is not None:
        return
    if event.commit is not None:
        items.accept(turn, place, event.commit)
    elif event.outcome is CacheOutcome.TAKEN:
        _wait(turn, place, RESERVATION, event.detail)
    elif event.outcome is CacheOutcome.UNREACHABLE and place.plan.cache and place.plan.cache.serialize:
        _wait(turn, place, UNREACHABLE, event.detail)
    else:
        items.queue(turn, place)


def _wait(turn: Turn, place: Place, reason: str, detail: str) -> None:
    lookup, settings = place.item.lookup, turn.settings
    assert lookup is not None
    delay = min(settings.cache_backoff * 2 ** min(lookup.times, 30), settings.cache_backoff_limit)
    lookup.asked = Asked.TAKEN
    lookup.times += 1
    items.wait(turn, place, NodePhase.QUEUED, reason, detail, delay, poll=True)
