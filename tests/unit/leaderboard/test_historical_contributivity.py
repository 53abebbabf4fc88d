"""Contributivity that is passed on to what submissions were taken from."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.leaderboard.credits import Given, historical

A, B, C = (UUID(int=number) for number in range(3))


@st.composite
def credits_of(draw: st.DrawFn, n_submissions: int) -> list[Given]:
    """Some submissions give credit to some older ones; a submission's number says how old it is, 0 is the oldest."""
    found = []
    for number in reversed(range(1, n_submissions)):
        sources = draw(st.lists(st.integers(0, number - 1), unique=True, max_size=4))
        percents = draw(st.lists(st.integers(1, 25), min_size=len(sources), max_size=len(sources)))
        # Now and then all of it.
        factor = 100 // sum(percents) if percents and draw(st.booleans()) else 1
        found.append(gives(number, *((source, percent * factor) for source, percent in zip(sources, percents, strict=True))))
    return found


def gives(number: int, *percents: tuple[int, int]) -> Given:
    return Given(UUID(int=number), {UUID(int=source): percent for source, percent in percents}, from_position=1)


def of_each(shares: Sequence[float]) -> dict[UUID, float]:
    return {UUID(int=number): share for number, share in enumerate(shares)}


@given(
    shares=st.lists(st.floats(0, 1), min_size=8, max_size=8),
    given_credits=credits_of(8),
)
def test_nothing_is_lost_or_made_and_nobody_has_less_than_nothing(shares: list[float], given_credits: list[Given]) -> None:
    found = historical(of_each(shares), given_credits)
    assert sum(found.values()) == pytest.approx(sum(shares))
    assert all(share >= 0 for share in found.values())


@given(shares=st.lists(st.floats(0, 1), min_size=8, max_size=8), given_credits=credits_of(8))
def test_who_is_given_nothing_has_no_more_than_before(shares: list[float], given_credits: list[Given]) -> None:
    before = of_each(shares)
    found = historical(before, given_credits)
    credited = {source for each in given_credits for source in each.percents}
    assert all(found[key] <= before[key] for key in before if key not in credited)
    givers = {each.submission_id for each in given_credits if each.percents}
    assert all(found[key] >= before[key] for key in before if key not in givers)


def test_without_credits_nothing_moves() -> None:
    shares = {A: 0.75, B: 0.25}
    assert historical(shares, []) == historical(shares, [gives(1)]) == shares


def test_what_was_passed_on_to_a_submission_is_passed_on_by_it() -> None:
    chain = [gives(2, (1, 50)), gives(1, (0, 20))]
    assert historical({C: 1.0}, chain) == pytest.approx({C: 0.5, B: 0.4, A: 0.1})


def test_who_gives_all_keeps_nothing_at_all() -> None:
    assert historical({C: 0.1}, [gives(2, (0, 33), (1, 67))])[C] == 0


def test_what_is_in_no_ensemble_passes_nothing_on_but_may_receive() -> None:
    assert historical({B: 1.0}, [gives(2, (1, 100)), gives(1, (0, 30))]) == pytest.approx({A: 0.3, B: 0.7})
