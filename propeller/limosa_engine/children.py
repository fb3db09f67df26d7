"""Child runs: asked for, heard of, ended. A child's outputs are its node's; the operator commits them."""

from limosa_engine import items
from limosa_engine.commands import AbortChild, LaunchChild
from limosa_engine.events import ChildRunObserved
from limosa_engine.phases import RUN_TERMINAL, NodePhase, RunPhase
from limosa_engine.state import Ending, ItemRecord
from limosa_engine.turn import Place, Turn
from limosa_engine.values import Inputs
from limosa_idl.core.v1alpha1.failure_pb2 import Failure
from limosa_idl.core.v1alpha1.literal_pb2 import LiteralMap
from limosa_model import failures
from limosa_model.failures import Code
from limosa_model.names import child_run_name, launch_id


def ask(turn: Turn, number: int, inputs: Inputs) -> None:
    """Has the node's child run made; after a restart, found again."""
    record = turn.state.nodes[number]
    record.inputs, record.waiting = inputs, None
    turn.state.values.release(number)
    if not record.items:
        record.items = [ItemRecord()]
    place = turn.place(number, 0)
    if place.item.phase is NodePhase.QUEUED:
        place.item.launches = 1
        items.set_phase(turn, place, NodePhase.RUNNING)
    turn.emit(
        LaunchChild(
            item=place.key,
            child=child_of(turn, place),
            launch_id=_launch_id(turn, place),
            plan=place.plan.node.launch_plan,
            inputs=LiteralMap(literals=inputs),
        )
    )


def observed(turn: Turn, place: Place, event: ChildRunObserved) -> None:
    """How far the child is. Its end is the node's."""
    item = place.item
    if item.phase is not NodePhase.RUNNING:
        return
    if event.phase not in RUN_TERMINAL:
        item.waiting = turn.waiting(item.waiting, event.code, event.detail)
        turn.touch_item(place)
    elif event.phase is RunPhase.SUCCEEDED:
        item.committed_by = 0
        turn.state.values.put((place.plan.number, 0), event.outputs or LiteralMap())
        items.finish(turn, place, NodePhase.SUCCEEDED)
    elif place.record.ending is Ending.ABORT:
        items.finish(turn, place, NodePhase.ABORTED)
    else:
        items.finish(turn, place, NodePhase.FAILED, _failure(place, event))


def end(turn: Turn, place: Place) -> None:
    """Ends the child; the node ends with it."""
    turn.emit(AbortChild(place.key, child_of(turn, place), _launch_id(turn, place)))


def child_of(turn: Turn, place: Place) -> str:
    """Name of the child run."""
    return child_run_name(turn.graph.name, turn.graph.run_uid, place.plan.path)


def _launch_id(turn: Turn, place: Place) -> str:
    """The child stands in a launch's place: its commit and its error record carry this id."""
    return launch_id(turn.graph.run_uid, place.plan.path, None, turn.graph.epoch, 0)


def _failure(place: Place, event: ChildRunObserved) -> Failure:
    failure = Failure()
    failure.CopyFrom(event.failure or failures.user(Code.CHILD_FAILED, "the child run says nothing"))
    failure.origin.CopyFrom(items.origin(place, 0))
    return failure
