"""The order of a board."""

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
