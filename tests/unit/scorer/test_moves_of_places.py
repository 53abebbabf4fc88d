"""Whose place moves when other scores count."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.scorer.moves import Entry, moves_between, places
from shared.events import Metric

ACC = Metric(name="acc", precision=2, is_lower_the_better=False, minimum=0, maximum=1)
ERRORS = Metric(name="errors", precision=2, is_lower_the_better=True, minimum=0, maximum=None)
FIRST = datetime(2026, 11, 28, tzinfo=UTC)
TEAMS = st.integers(1, 8).map(lambda number: UUID(int=number))
PLACES = st.permutations(range(1, 9)).flatmap(
    lambda order: st.sets(st.integers(1, 8)).map(lambda there: {UUID(int=team): order[team - 1] for team in there})
)


def entry(number: int, team: int, score: float | None) -> Entry:
    """The so manieth submission, of this team."""
    return Entry(UUID(int=number), UUID(int=team), FIRST + timedelta(minutes=number), score)


def test_a_team_has_the_place_of_its_best_submission() -> None:
    entries = [entry(1, 1, 0.2), entry(2, 2, 0.5), entry(3, 1, 0.9), entry(4, 3, None)]
    assert places(entries, ACC) == {UUID(int=1): 1, UUID(int=2): 2, UUID(int=3): 3}
    assert places(entries, ERRORS) == {UUID(int=1): 1, UUID(int=2): 2, UUID(int=3): 3}
    assert places(entries[1:], ERRORS) == {UUID(int=2): 1, UUID(int=1): 2, UUID(int=3): 3}


def test_of_two_that_are_equal_the_earlier_goes_first() -> None:
    assert places([entry(2, 2, 0.5), entry(1, 1, 0.5)], ACC) == {UUID(int=1): 1, UUID(int=2): 2}


@given(PLACES, PLACES)
def test_moves_lead_from_the_places_before_to_those_after_and_name_nobody_else(
    before: dict[UUID, int], after: dict[UUID, int]
) -> None:
    moves = moves_between(before, after)
    moved = {move.team_id: move for move in moves}
    assert len(moved) == len(moves)
    assert all(move.before != move.after for move in moves)
    for team in {*before, *after}:
        there = moved.get(team)
        assert (there.before if there else after.get(team)) == before.get(team)
        assert (there.after if there else before.get(team)) == after.get(team)


@given(st.lists(st.tuples(TEAMS, st.sampled_from([None, 0.1, 0.2, float("nan")])), max_size=12))
def test_places_are_dense_whatever_the_scores(scores: list[tuple[UUID, float | None]]) -> None:
    entries = [Entry(UUID(int=number), team, FIRST, score) for number, (team, score) in enumerate(scores, start=1)]
    assert sorted(places(entries, ACC).values()) == list(range(1, len({team for team, _ in scores}) + 1))
