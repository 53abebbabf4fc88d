"""The order of a board."""

import dataclasses
import itertools
import math
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.leaderboard.boards import Board, rank
from services.leaderboard.submissions import Submission
from shared.events import BaggedScore, FoldScore, Metric, ScoreComputed
from shared.final_scores import final_scores

START = datetime(2026, 11, 1, tzinfo=UTC)
ACC = Metric(name="acc", precision=2, is_lower_the_better=False, minimum=0, maximum=1)
NLL = Metric(name="nll", precision=2, is_lower_the_better=True, minimum=0, maximum=None)


def score(valid: float | None, test: float | None = None, metric: str = "acc") -> ScoreComputed:
    return ScoreComputed(
        run_id=UUID(int=1),
        submission_id=UUID(int=1),
        challenge_id="iris",
        problem_version=1,
        folds=(
            FoldScore(metric=metric, fold=0, train=1, valid=0.2, test=None),
            FoldScore(metric=metric, fold=1, train=1, valid=0.4, test=0.5),
        ),
        bagged=(BaggedScore(metric=metric, valid=(0.0, valid), test=(0.0, test)),),
    )


def submission(number: int, scored: ScoreComputed) -> Submission:
    return Submission(
        submission_id=UUID(int=number),
        challenge_id="iris",
        team_id=UUID(int=number),
        team=f"team {number}",
        name=f"submission {number}",
        files=("classifier.py",),
        submitted_at=START + timedelta(seconds=number),
        state="scored",
        run_id=UUID(int=number),
        run_number=1,
        pool="default",
        n_folds=2,
        folds_done=2,
        outcome="trained",
        reason=None,
        failed_fold=None,
        traceback_digest=None,
        finished_at=START,
        score=scored,
        train_time_s=1,
        valid_time_s=1,
        test_time_s=1,
        peak_memory_bytes=1,
        changed_at_position=number,
    )


@given(st.lists(st.none() | st.floats(allow_nan=True), max_size=20), st.sampled_from([ACC, NLL]))
def test_the_better_stands_before_the_worse_the_missing_last_and_the_earlier_first_among_equals(
    values: list[float | None], metric: Metric
) -> None:
    submissions = [submission(number, score(value, metric=metric.name)) for number, value in enumerate(values)]
    rows = rank(submissions, [metric], Board.PUBLIC, "bag")
    assert [row.rank for row in rows] == list(range(1, len(values) + 1))
    for above, below in itertools.pairwise(rows):
        first, second = above.scores[metric.name], below.scores[metric.name]
        if second is None or math.isnan(second):
            continue
        assert first is not None
        assert first <= second if metric.is_lower_the_better else first >= second
        if first == second:
            assert above.submission.submitted_at < below.submission.submitted_at


def test_the_private_board_ranks_by_the_test_set() -> None:
    rows = rank([submission(1, score(0.9, 0.1)), submission(2, score(0.1, 0.9))], [ACC], Board.PRIVATE, "bag")
    assert [row.submission.name for row in rows] == ["submission 2", "submission 1"]


def test_a_kit_may_ask_for_the_mean_of_the_folds_instead_of_bagging() -> None:
    assert math.isclose(final_scores(score(0.9), "valid", "mean")["acc"] or 0, 0.3)
    assert final_scores(score(0.9), "test", "mean") == {"acc": None}, "a mean over some folds only would flatter"


def of_team(number: int, team: int, valid: float, test: float) -> Submission:
    return dataclasses.replace(submission(number, score(valid, test)), team_id=UUID(int=team), team=f"team {team}")


def test_a_team_has_one_place_in_the_competition_its_best_by_the_public_score_and_of_equals_the_earlier() -> None:
    submissions = [of_team(1, 1, 0.5, 0.9), of_team(2, 1, 0.7, 0.1), of_team(3, 2, 0.6, 0.8), of_team(4, 1, 0.7, 1.0)]
    public = rank(submissions, [ACC], Board.COMPETITION, "bag")
    assert [(row.rank, row.submission.name, row.public_rank) for row in public] == [
        (1, "submission 2", None),
        (2, "submission 3", None),
    ]
    private = rank(submissions, [ACC], Board.PRIVATE_COMPETITION, "bag")
    assert [(row.rank, row.submission.name, row.public_rank) for row in private] == [
        (1, "submission 3", 2),
        (2, "submission 2", 1),
    ]


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0, 1), st.floats(0, 1)), max_size=20))
def test_the_private_competition_holds_the_same_submissions_as_the_public_one(entries: list[tuple[int, float, float]]) -> None:
    submissions = [of_team(number, *entry) for number, entry in enumerate(entries)]
    public, private = (rank(submissions, [ACC], board, "bag") for board in (Board.COMPETITION, Board.PRIVATE_COMPETITION))
    assert {row.submission.submission_id: row.rank for row in public} == {
        row.submission.submission_id: row.public_rank for row in private
    }
    assert len({row.submission.team_id for row in public}) == len(public)


def test_neighbours_that_differ_less_than_folds_do_are_marked() -> None:
    def folds(number: int, *values: float) -> Submission:
        scored = score(sum(values) / len(values))
        of_folds = tuple(FoldScore(metric="acc", fold=fold, train=1, valid=value, test=None) for fold, value in enumerate(values))
        return submission(number, scored.model_copy(update={"folds": of_folds}))

    submissions = [folds(1, 0.9, 0.7, 0.8), folds(2, 0.8, 0.8, 0.79), folds(3, 0.5, 0.3, 0.4)]
    rows = rank(submissions, [ACC], Board.PUBLIC, "bag")
    assert [row.within_noise for row in rows] == [True, False, None]
