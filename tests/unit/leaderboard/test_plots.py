"""The points of plots."""

import dataclasses
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from services.leaderboard.plots import Scored, a_day, bagging_curve, over_time, over_training_time, progress, scored_by
from shared.events import Metric
from tests.unit.leaderboard.test_boards import ACC, NLL, score, submission

SCORES = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([0.1, 0.2, 0.3])), max_size=12)


def timed(points: list[tuple[int, float]]) -> list[Scored]:
    """Each with its seconds of training and its score."""
    return [
        Scored(dataclasses.replace(submission(number, score(value)), train_time_s=float(seconds)), value)
        for number, (seconds, value) in enumerate(points)
    ]


@given(SCORES, st.sampled_from([ACC, NLL]))
def test_what_is_not_on_the_front_has_an_equal_or_better_one_that_is_as_fast(
    points: list[tuple[int, float]], metric: Metric
) -> None:
    placed = over_training_time(timed(points), metric)
    assert len(placed) == len(points)
    sign = 1 if metric.is_lower_the_better else -1
    for each in placed:
        others = [other for other in placed if other is not each and other.x <= each.x]
        if each.on_front:
            assert not [other for other in others if sign * other.score < sign * each.score]
        else:
            assert [other for other in others if sign * other.score <= sign * each.score]
    front = [sign * each.score for each in placed if each.on_front]
    assert front == sorted(set(front), reverse=True), "it only ever gets better"


def test_the_front_of_time_is_what_was_the_best_when_it_was_handed_in() -> None:
    placed = over_time(timed([(0, 0.2), (0, 0.1), (0, 0.3), (0, 0.3)]), ACC)
    assert [each.on_front for each in placed] == [True, False, True, False]


def test_each_teams_progress_is_its_own() -> None:
    one, other = submission(1, score(0.5)).team_id, submission(2, score(0.5)).team_id
    steps = [(one, 0.2), (other, 0.9), (one, 0.1), (one, 0.4), (other, 0.9)]
    scored = [
        Scored(dataclasses.replace(submission(number, score(value)), team_id=team), value)
        for number, (team, value) in enumerate(steps)
    ]
    assert [(each.submission.team_id, each.score) for each in progress(scored, ACC)] == [(one, 0.2), (other, 0.9), (one, 0.4)]


def test_what_has_no_score_or_none_that_is_a_number_is_on_no_plot() -> None:
    scored = [submission(1, score(None)), submission(2, score(float("nan"))), submission(3, score(0.5))]
    assert [each.submission for each in scored_by(scored, ACC, "valid", "bag")] == scored[2:]
    assert scored_by(scored, ACC, "test", "bag") == []
    assert scored_by(scored, NLL, "valid", "bag") == []


def test_the_bagging_curve_counts_folds_from_one() -> None:
    assert list(bagging_curve(submission(1, score(0.5)), ACC, "valid")) == [(1, 0.0), (2, 0.5)]
    assert list(bagging_curve(submission(1, score(None)), ACC, "valid")) == [(1, 0.0)]


def test_days_without_a_submission_are_counted_too() -> None:
    moments = [datetime(2026, 11, 1, 23, 59, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC), datetime(2026, 11, 3, 1, tzinfo=UTC)]
    assert a_day(moments) == [(date(2026, 11, 1), 1), (date(2026, 11, 2), 0), (date(2026, 11, 3), 2)]
    assert a_day([]) == []
