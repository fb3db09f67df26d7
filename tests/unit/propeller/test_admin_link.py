from limosa_idl.admin.v1alpha1.admin_pb2 import DESIRED_ABORT, DESIRED_FORGET, DESIRED_RUN, DesiredRun
from limosa_idl.run.v1alpha1.run_pb2 import (
    RUN_PHASE_RUNNING,
    RUN_PHASE_SUCCEEDED,
    Epoch,
    NodeState,
    RunSpec,
    RunState,
    Snapshot,
    SnapshotKey,
)
from limosa_propeller.admin_link.outbox import Outbox
from limosa_propeller.admin_link.plan import Abort, Create, Forget, Held, changes


def wish(desired: int, epoch: tuple[int, int] = (1, 1), spec: bool = True) -> DesiredRun:
    message = DesiredRun(run_uid="r", epoch=Epoch(generation=epoch[0], number=epoch[1]), desired=desired)
    if spec:
        message.spec.CopyFrom(RunSpec(run_uid="r", name="n"))
    return message


def held(epoch: tuple[int, int] = (1, 1), desired: str = "RUN") -> dict[str, Held]:
    return {"r": Held("u", "ns", "n", epoch, desired)}


class TestPlan:
    def test_a_run_that_is_not_here_is_made(self) -> None:
        (change,) = changes([wish(DESIRED_RUN)], {})
        assert isinstance(change, Create)
        assert not change.abort

    def test_a_run_to_be_aborted_before_it_came_is_made_so(self) -> None:
        (change,) = changes([wish(DESIRED_ABORT)], {})
        assert isinstance(change, Create)
        assert change.abort

    def test_without_a_spec_there_is_nothing_to_make(self) -> None:
        assert changes([wish(DESIRED_RUN, spec=False)], {}) == []

    def test_what_is_as_it_should_be_is_left_alone(self) -> None:
        assert changes([wish(DESIRED_RUN)], held()) == []
        assert changes([wish(DESIRED_ABORT)], held(desired="ABORT")) == []
        assert changes([], held()) == []

    def test_abort(self) -> None:
        assert isinstance(changes([wish(DESIRED_ABORT)], held())[0], Abort)

    def test_forget(self) -> None:
        assert isinstance(changes([wish(DESIRED_FORGET)], held())[0], Forget)
        assert changes([wish(DESIRED_FORGET)], {}) == []

    def test_a_newer_claim_replaces_the_object_and_an_older_answer_does_nothing(self) -> None:
        assert isinstance(changes([wish(DESIRED_RUN, (1, 2))], held())[0], Forget)
        assert changes([wish(DESIRED_RUN, (1, 1))], held((2, 1))) == []
        assert changes([wish(DESIRED_FORGET, (1, 1))], held((2, 1))) == []
        assert changes([wish(DESIRED_ABORT, (1, 1))], held((2, 1))) == []


def node(path: str, run: str = "r") -> Snapshot:
    return Snapshot(key=SnapshotKey(run_uid=run, node_path=path), node=NodeState(kind="task"))


def run_state(phase: int, run: str = "r") -> Snapshot:
    return Snapshot(key=SnapshotKey(run_uid=run), run=RunState(phase=phase))


def outbox() -> Outbox:
    """One that admin has told the numbers of three new runs."""
    made = Outbox()
    for run_uid in ("r", "other", "third"):
        made.go_on_from(run_uid, 0)
    return made


class TestOutbox:
    def test_of_a_key_only_the_latest_is_sent(self) -> None:
        box = outbox()
        box.put(node("n0"))
        box.put(node("n0"))
        (sent,) = box.batch(10)
        assert sent.seq == 2
        box.sent([sent])
        assert not box.filled.is_set()
        assert len(box) == 0

    def test_what_was_replaced_while_it_was_sent_stays(self) -> None:
        box = outbox()
        box.put(node("n0"))
        under_way = box.batch(10)
        box.put(node("n0"))
        box.sent(under_way)
        assert len(box) == 1
        assert box.filled.is_set()

    def test_a_runs_end_goes_last(self) -> None:
        box = outbox()
        box.put(run_state(RUN_PHASE_SUCCEEDED))
        box.put(node("n0"))
        box.put(node("n1"))
        assert [s.WhichOneof("state") for s in box.batch(1)] == ["node"]
        assert [s.WhichOneof("state") for s in box.batch(10)] == ["node", "node", "run"]

    def test_a_runs_end_waits_only_for_its_own_nodes(self) -> None:
        box = outbox()
        box.put(node("n0", "other"))
        box.put(run_state(RUN_PHASE_SUCCEEDED))
        box.put(run_state(RUN_PHASE_RUNNING, "third"))
        assert len(box.batch(10)) == 3

    def test_a_run_with_more_to_tell_than_can_be_sent_keeps_no_other_back_nor_its_own_node(self) -> None:
        box = outbox()
        box.put(run_state(RUN_PHASE_SUCCEEDED))
        box.put(node("map", "other"))
        items = [Snapshot(key=SnapshotKey(run_uid="other", node_path="map", index=n)) for n in range(40)]
        told = []
        for _ in range(5):
            for item in items:
                box.put(item)
            box.put(node("map", "other"))
            batch = box.batch(10)
            box.sent(batch)
            told += batch
        assert any(snapshot.key.run_uid == "r" for snapshot in told)
        assert sum(not snapshot.key.HasField("index") for snapshot in told) >= 2
        assert len({snapshot.key.index for snapshot in told}) == 40

    def test_numbers_go_on_from_the_greatest_that_admin_knows(self) -> None:
        box = outbox()
        box.go_on_from("r", 7_000)
        first, second, other = node("n0"), node("n0"), node("n0", "other")
        for snapshot in (first, second, other):
            box.put(snapshot)
        assert (first.seq, second.seq, other.seq) == (7_001, 7_002, 1)

    def test_nothing_of_a_run_is_sent_before_admin_has_told_its_number(self) -> None:
        box = Outbox()
        box.put(node("n0"))
        box.put(node("n1"))
        assert box.batch(10) == []
        assert not box.filled.is_set()
        box.go_on_from("r", 5)
        assert box.filled.is_set()
        assert [(s.key.node_path, s.seq) for s in box.batch(10)] == [("n0", 6), ("n1", 7)]

    def test_what_waits_for_its_number_holds_nothing_else_up(self) -> None:
        box = outbox()
        box.put(node("n0", "unnumbered"))
        box.put(node("n0"))
        sent = box.batch(10)
        assert [s.key.run_uid for s in sent] == ["r"]
        box.sent(sent)
        assert not box.filled.is_set()
        assert box.waits_for("unnumbered")

    def test_numbers_of_runs_that_are_gone_are_dropped_unless_something_is_unsent(self) -> None:
        box = outbox()
        box.put(node("n0", "other"))
        box.keep_numbers(set())
        assert (box.knows("r"), box.knows("other")) == (False, True)

    def test_a_forgotten_run_is_not_sent(self) -> None:
        box = outbox()
        box.put(node("n0"))
        box.put(node("n0", "other"))
        box.forget_run("r")
        assert not box.waits_for("r")
        assert [s.key.run_uid for s in box.batch(10)] == ["other"]
