"""The run's slots: how many items hold one, and which nodes want one."""

from limosa_engine.turn import Place, Turn


def offer(turn: Turn, number: int) -> None:
    """A node has items to launch; without its inputs in memory it gets them first."""
    state = turn.state
    if state.nodes[number].inputs is None:
        turn.mark(number)
    else:
        state.ring.add(number, turn.graph.nodes[number].priority)


def take(turn: Turn, place: Place) -> None:
    """An item takes a slot."""
    place.record.live += 1
    turn.state.live += 1


def free(turn: Turn, place: Place) -> None:
    """An item gives its slot back."""
    place.record.live -= 1
    turn.state.live -= 1
    if place.record.ready:
        offer(turn, place.plan.number)
