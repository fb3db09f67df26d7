import itertools
from email.utils import formatdate

import pytest

from limosa_propeller.clock import AHEAD_SECONDS, SLEW, Clock

NOON = 1_700_000_000.0


class Machine:
    """A machine's own clock and its boot time, and the Date of an API server's answers."""

    def __init__(self) -> None:
        self.wall, self.up, self.server = NOON, 10.0, NOON
        self.clock = Clock(lambda: self.wall, lambda: self.up)

    def passes(self, seconds: float) -> None:
        self.wall, self.up, self.server = self.wall + seconds, self.up + seconds, self.server + seconds

    def hear(self) -> None:
        self.clock.heard(formatdate(self.server, usegmt=True))


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_the_time_is_the_api_server_s_whatever_the_machine_s_clock_says(machine: Machine) -> None:
    machine.wall = 5.0
    machine.hear()
    machine.passes(7)
    machine.wall = 4e9
    assert machine.clock.now() == NOON + 7


@pytest.mark.parametrize("jump", [86_400.0, -86_400.0, 4e9])
def test_a_jump_of_the_machine_s_clock_changes_nothing(machine: Machine, jump: float) -> None:
    machine.hear()
    machine.wall += jump
    machine.passes(60)
    assert machine.clock.now() == NOON + 60


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_jump_of_the_server_s_clock_is_followed_slowly_and_never_backwards(
    machine: Machine, jump: float
) -> None:
    machine.hear()
    machine.server += jump
    told = [machine.clock.now()]
    for _ in range(10):
        machine.passes(10)
        machine.hear()
        told.append(machine.clock.now())
    steps = [after - before for before, after in itertools.pairwise(told)]
    assert all(10 * (1 - SLEW) - 1e-6 <= step <= 10 * (1 + SLEW) + 1e-6 for step in steps)
    assert abs(told[-1] - NOON - 100) > 5
    # The jump ends: so does the difference.
    machine.server -= jump
    for _ in range(40):
        machine.passes(10)
        machine.hear()
    assert machine.clock.now() == pytest.approx(NOON + 500, abs=2)


def test_an_answer_that_was_on_its_way_moves_nothing(machine: Machine) -> None:
    machine.hear()
    machine.passes(20)
    machine.server -= 1.5
    machine.hear()
    machine.passes(10)
    assert machine.clock.now() == NOON + 30


def test_a_guess_made_before_the_first_answer_is_not_taken_back(machine: Machine) -> None:
    machine.wall += 100
    first = machine.clock.now()
    machine.hear()
    machine.passes(1)
    assert first < machine.clock.now() < first + 1


@pytest.mark.parametrize("date", ["", "tomorrow", "Fri, 31 Dec 99999 23:59:59 GMT"])
def test_what_is_no_date_tells_nothing(machine: Machine, date: str) -> None:
    machine.clock.heard(date)
    machine.hear()
    assert machine.clock.now() == NOON


def test_a_run_goes_on_from_when_its_status_was_written_and_moves_nobody_else(machine: Machine) -> None:
    machine.hear()
    ahead = machine.clock.since(NOON + 3600)
    behind = machine.clock.since(NOON - 3600)
    machine.passes(1)
    assert (ahead.now(), behind.now(), machine.clock.now()) == (NOON + 3601, NOON + 1, NOON + 1)


@pytest.mark.parametrize("written", [NOON + AHEAD_SECONDS + 1, 4e9, 253_402_300_799.0])
def test_a_status_from_the_far_future_is_not_believed(machine: Machine, written: float) -> None:
    machine.hear()
    time = machine.clock.since(written)
    assert time.is_absurd
    assert time.now() == NOON
