"""Items of cached tasks: looked up before their first launch, kept for others when they succeed.

Looking up needs no slot. A reservation is renewed for as long as the item has not ended, and given up when it fails.
Nothing of this is in the encoded state: a question asked twice has the same answer, and keys follow from inputs.
"""

from collections.abc import Mapping

from limosa_engine import resolve
from limosa_engine.commands import Keep, LookupCache, StoreCache
from limosa_engine.graph import CachePlan, NodePlan
from limosa_engine.phases import NODE_TERMINAL, NodePhase
from limosa_engine.state import Asked, Check, ItemRecord, Lookup
from limosa_engine.turn import Place, Turn
from limosa_engine.values import Inputs
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_model.digests import digest_of

LOOKUP = "CacheLookup"
"""Reason of an item whose question is out, or about to be."""


def is_to_be_asked(plan: NodePlan, item: ItemRecord) -> bool:
    """Whether the cache is asked before the item may be launched; the run that this one resumes is asked before it."""
    if (
        plan.cache is None
        or plan.cache.overwrite
        or item.launches
        or (plan.reusable and item.check is Check.NO)
    ):
        return False
    return item.lookup is None or item.lookup.asked is Asked.TAKEN


def offer(turn: Turn, number: int) -> None:
    """A node has items to look up; without its inputs in memory it gets them first."""
    state = turn.state
    if state.nodes[number].inputs is None:
        turn.mark(number)
    elif number not in state.cache.in_waiting:
        state.cache.in_waiting.add(number)
        state.cache.waiting.append(number)


def ask(turn: Turn) -> None:
    """Asks for items, of each node in turn, while not too many questions are out."""
    state = turn.state
    while state.cache.waiting and state.cache.out < turn.settings.cache_questions:
        number = state.cache.waiting.popleft()
        place = _next(turn, number)
        if place is None:
            state.cache.in_waiting.discard(number)
            continue
        state.cache.waiting.append(number)
        cache, item = _plan(place), place.item
        if item.lookup is None:
            item.lookup = Lookup(_key(turn, place), Asked.OUT)
        item.lookup.asked = Asked.OUT
        state.cache.out += 1
        if item.lookup.times:
            state.cache.out_again += 1
        digest = digest_of(resolve.item_inputs(place))
        turn.emit(LookupCache(place.key, place.plan.runs.name, item.lookup.key, digest, cache.serialize))


def reserved(turn: Turn, place: Place, lookup: Lookup) -> None:
    """The item makes what others wait for: they are to know that it lives."""
    lookup.asked = Asked.RESERVED
    lookup.renew_at = turn.now + turn.settings.reservation_renewal
    turn.state.timers.add(lookup.renew_at, place.plan.number, place.position)


def renew(turn: Turn, place: Place) -> None:
    """Renews the item's reservation where that is due."""
    lookup = place.item.lookup
    if lookup is not None and lookup.renew_at is not None and lookup.renew_at <= turn.now:
        _tell(turn, place, lookup.key, Keep.RENEW)
        reserved(turn, place, lookup)


def ended(turn: Turn, place: Place, phase: NodePhase) -> None:
    """An item of a cached task ends: others may have its result, or may make their own."""
    item, lookup = place.item, place.item.lookup
    if phase is NodePhase.SUCCEEDED and item.source is None:
        if lookup is not None:
            _tell(turn, place, lookup.key, Keep.RESULT)
        elif place.record.inputs is not None:
            _tell(turn, place, _key(turn, place), Keep.RESULT)
        else:
            turn.state.cache.keyless.setdefault(place.plan.number, []).append(place.position)
    elif lookup is not None and lookup.asked is Asked.RESERVED:
        _tell(turn, place, lookup.key, Keep.GIVE_UP)
    if lookup is not None and lookup.asked is not Asked.OUT:
        item.lookup = None


def give_up(turn: Turn, place: Place, lookup: Lookup) -> None:
    """An item that ended meanwhile was given a reservation."""
    _tell(turn, place, lookup.key, Keep.GIVE_UP)
    place.item.lookup = None


def restored(turn: Turn, number: int) -> None:
    """After a restart: items that were launched may hold reservations; what becomes of them takes their keys.

    Those of ended items too: the process may have died before admin was told, and others wait for them.
    """
    cache, record = turn.graph.nodes[number].cache, turn.state.nodes[number]
    if cache is None or not cache.serialize:
        return
    ended = [position for position, item in enumerate(record.items) if _has_ended_by_itself(item)]
    if ended or any(_is_under_way(item) for item in record.items):
        turn.state.cache.keyless.setdefault(number, []).extend(ended)
        turn.mark(number)


def find_keys(turn: Turn, number: int) -> None:
    """Gets a node's inputs for what `restored` and `ended` could not do without them."""
    plan, record = turn.graph.nodes[number], turn.state.nodes[number]
    inputs = record.inputs or _inputs(turn, plan)
    if inputs is None:
        return
    ended = turn.state.cache.keyless.pop(number)
    if record.phase in NODE_TERMINAL:
        turn.state.values.release(number)
    if isinstance(inputs, Failure):
        return
    digests = _shared(plan, inputs)
    for position in ended:
        place = turn.place(number, position)
        what = Keep.RESULT if place.item.phase is NodePhase.SUCCEEDED else Keep.GIVE_UP
        _tell(turn, place, _key_of(plan, inputs, digests, position), what)
    for position, item in enumerate(record.items):
        if item.lookup is None and _is_under_way(item):
            place = turn.place(number, position)
            item.lookup = Lookup(_key_of(plan, inputs, digests, position), Asked.MISS)
            if _plan(place).serialize:
                item.lookup.renew_at = turn.now
                renew(turn, place)


def _is_under_way(item: ItemRecord) -> bool:
    return item.launches > 0 and item.phase not in NODE_TERMINAL


def _has_ended_by_itself(item: ItemRecord) -> bool:
    return item.launches > 0 and item.phase in NODE_TERMINAL and item.source is None


def _next(turn: Turn, number: int) -> Place | None:
    record = turn.state.nodes[number]
    while record.unasked and record.inputs is not None:
        place = turn.place(number, record.unasked.popleft())
        item = place.item
        free = item.phase is NodePhase.QUEUED and item.launch is None and item.wake_at is None
        if free and is_to_be_asked(place.plan, item):
            return place
    return None


def _tell(turn: Turn, place: Place, key: str, what: Keep) -> None:
    cache, plan = _plan(place), place.plan
    turn.emit(StoreCache(place.key, plan.runs.name, key, cache.version, what, cache.overwrite))


def _key(turn: Turn, place: Place) -> str:
    record, plan = place.record, place.plan
    inputs = record.inputs or {}
    if record.digests is None:
        record.digests = _shared(plan, inputs)
    return _key_of(plan, inputs, record.digests, place.position)


def _shared(plan: NodePlan, inputs: Inputs) -> Mapping[str, str]:
    """Digests of what is the same for all items: hashed once, also where the map has thousands."""
    same = {name: value for name, value in inputs.items() if name not in plan.mapped}
    return {} if plan.cache is None else plan.cache.keys.digests(same)


def _key_of(plan: NodePlan, inputs: Inputs, shared: Mapping[str, str], position: int) -> str:
    if plan.cache is None:
        raise TypeError(f"{plan.path} is not cached")
    own = {name: inputs[name].collection.literals[position] for name in plan.mapped}
    return plan.cache.keys.key({**shared, **plan.cache.keys.digests(own)})


def _inputs(turn: Turn, plan: NodePlan) -> Inputs | Failure | None:
    found = resolve.node_inputs(turn, plan, plan.number)
    return found if found is None or isinstance(found, Failure) else resolve.mapped(turn, plan, found)


def _plan(place: Place) -> CachePlan:
    if place.plan.cache is None:
        raise TypeError(f"{place.key} is not cached")
    return place.plan.cache
