"""Boards as they stood at a moment, for those who might see them then."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from services.leaderboard.moments import Moment, moment_of
from services.leaderboard.submissions import submissions_on_boards
from shared.http import Problem
from tests.support.histories import CHALLENGE, History, Submission


@pytest.fixture
def leaderboard(engine_of: Callable[[str], Engine]) -> Engine:
    return engine_of("leaderboard")


def scored(history: History) -> Submission:
    history.submit(history.person())
    submission = history.submissions[-1]
    history.release()
    history.trained(submission)
    history.score(submission)
    history.catch_up()
    return submission


def head(engine: Engine) -> Moment:
    with engine.connect() as connection:
        position = connection.exec_driver_sql("SELECT position FROM ledger.head").scalar_one()
        return moment_of(connection, str(position))


def test_a_submission_stands_there_from_its_score_on(history: History, leaderboard: Engine) -> None:
    before = head(leaderboard) if history.person() and not history.catch_up() else None
    first = scored(history)
    between = head(leaderboard)
    second = scored(history)
    assert before is not None
    with leaderboard.connect() as connection:
        standing = {
            moment.position: {each.submission_id for each in submissions_on_boards(connection, CHALLENGE, moment.position)}
            for moment in (before, between, head(leaderboard))
        }
    assert list(standing.values()) == [set(), {first.submission_id}, {first.submission_id, second.submission_id}]


def test_a_time_means_the_last_position_recorded_by_then(history: History, leaderboard: Engine) -> None:
    scored(history)
    last = head(leaderboard)
    with leaderboard.connect() as connection:
        for position in range(1, last.position + 1):
            moment = moment_of(connection, str(position))
            found = moment_of(connection, moment.recorded_at.isoformat())
            # Events of one transaction share their time: the last of them is meant.
            assert found.recorded_at == moment.recorded_at
            assert found.position >= position
        assert moment_of(connection, (last.recorded_at + timedelta(microseconds=1)).isoformat().replace("+00:00", "Z")) == last


@pytest.mark.parametrize(
    ("at", "status", "code"),
    [
        ("", 422, "bad-moment"),
        ("yesterday", 422, "bad-moment"),
        ("-1", 422, "bad-moment"),
        ("1.5", 422, "bad-moment"),
        ("٣", 422, "bad-moment"),
        ("9" * 40, 422, "future-moment"),
        ("2026-05-01T12:00:00", 422, "bad-moment"),
        ("9999-12-31T23:59:59+00:00", 422, "future-moment"),
        ("0001-01-01T00:00:00+14:00", 404, "not-there-then"),
        ("0", 404, "not-there-then"),
        ("1990-01-01T00:00:00Z", 404, "not-there-then"),
    ],
)
def test_other_moments_are_refused_with_the_reason(
    history: History, leaderboard: Engine, at: str, status: int, code: str
) -> None:
    with leaderboard.connect() as connection, pytest.raises(Problem) as refused:
        moment_of(connection, at)
    assert (refused.value.status, refused.value.code) == (status, code)


def test_a_position_that_the_boards_have_not_taken_in_yet_is_to_be_asked_for_again(history: History, leaderboard: Engine) -> None:
    history.catch_up()
    history.person()
    with leaderboard.connect() as connection, pytest.raises(Problem) as refused:
        moment_of(connection, datetime.now(UTC).isoformat())
    assert refused.value.code == "not-there-yet"


@pytest.mark.parametrize("board", ["new", "failed"])
async def test_boards_of_what_has_no_score_begin_with_the_challenge_too(
    client: httpx.AsyncClient, history: History, board: str
) -> None:
    history.catch_up()
    answers = [await client.get(f"/v1/challenges/{CHALLENGE}/leaderboards/{board}", params={"at": at}) for at in ("1", "never")]
    assert [answer.status_code for answer in answers] == [404, 422]


async def test_what_has_no_score_is_shown_as_it_stood(client: httpx.AsyncClient, history: History) -> None:
    moments: dict[str, int] = {}

    def now(name: str) -> None:
        history.catch_up()
        with history.orchestrator.connect() as connection:
            moments[name] = connection.exec_driver_sql("SELECT position FROM ledger.head").scalar_one()

    person = history.person()
    good, bad = history.submitted(person), history.submitted(person)
    now("handed in")
    history.release(slots=100)
    now("requested")
    history.report(history.started_report(good, None))
    history.report(history.fold_report(good, 0))
    history.report(history.failed_report(bad))
    now("one fold")
    history.report(history.fold_report(good, 1))
    history.report(history.fold_report(good, 2))
    history.score(good)
    now("scored")

    async def rows(board: str, when: str) -> list[tuple[Any, ...]]:
        answer = await client.get(f"/v1/challenges/{CHALLENGE}/leaderboards/{board}", params={"at": moments[when]})
        names = {str(good.submission_id): "good", str(bad.submission_id): "bad"}
        shown = ("state", "outcome", "folds_done", "n_folds", "queue")
        return [(names[row["submission_id"]], *(row[name] for name in shown)) for row in answer.json()["rows"]]

    assert await rows("new", "handed in") == [("good", "uploaded", None, 0, None, None), ("bad", "uploaded", None, 0, None, None)]
    assert await rows("new", "requested") == [("good", "queued", None, 0, 3, None), ("bad", "queued", None, 0, 3, None)]
    assert await rows("new", "one fold") == [("good", "training", None, 1, 3, None)]
    assert await rows("new", "scored") == []
    assert await rows("failed", "requested") == []
    assert await rows("failed", "one fold") == await rows("failed", "scored") == [("bad", "failed", "train_error", 0, 3, None)]
