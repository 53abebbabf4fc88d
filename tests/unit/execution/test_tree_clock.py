"""The CPU time of a tree whose processes come and go, as the watcher of `/proc` counts it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.execution.sandbox.usage import TreeClock


def counted(*readings: float) -> float:
    clock = TreeClock()
    return [clock.saw(reading) for reading in readings][-1]


def test_time_that_vanished_and_does_not_come_back_is_kept() -> None:
    assert counted(5, 0.5, 0.6, 3, 0, 0) == 4.4 + 3


def test_a_look_between_the_end_of_a_child_and_its_parents_gain_counts_nothing_twice() -> None:
    assert counted(5, 0.1, 5.2, 5.3) == 5.3


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30))
def test_it_never_goes_back_and_never_counts_less_than_was_seen_at_once(readings: list[float]) -> None:
    clock = TreeClock()
    counts = [clock.saw(reading) for reading in readings]
    assert all(later > earlier - 1e-6 for earlier, later in pairwise(counts))
    assert counts[-1] >= max(readings) - 1e-6
