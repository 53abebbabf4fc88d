"""Submissions that are trained again, or reproduced: what is requested, what boards show, and what stays in the history."""

from collections.abc import Callable
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Engine

from services.ingest.retrainings import Retraining, retrain
from services.ingest.withdrawals import withdraw
from services.leaderboard.projection import READ_MODEL
from shared.events import Outcome, SubmissionWithdrawn, TrainingFinished, TrainingRequested
from shared.http import Problem
from shared.ledger import known_events, read_stream
from shared.runs import run_id_of
from tests.support.histories import ADMINISTRATOR, CHALLENGE, N_FOLDS, ORGANISER, History, Submission


async def board_row(client: httpx.AsyncClient, submission: Submission, **query: int) -> dict[str, object]:
    response = await client.get(f"/v1/challenges/{CHALLENGE}/leaderboards/public", params=query)
    rows = response.raise_for_status().json()["rows"]
    [found] = [row for row in rows if row["submission_id"] == str(submission.submission_id)]
    return {"score": next(iter(found["scores"].values())), "run": found["run"]}


async def runs(client: httpx.AsyncClient, submission: Submission) -> list[dict[str, object]]:
    response = await client.get(f"/v1/submissions/{submission.submission_id}/runs")
    return list(response.raise_for_status().json()["items"])


def head(history: History) -> int:
    with history.orchestrator.connect() as connection:
        return int(connection.exec_driver_sql("SELECT position FROM ledger.head").scalar_one())


async def test_a_new_run_takes_the_place_of_the_old_one_once_it_is_scored(history: History, client: httpx.AsyncClient) -> None:
    submission = history.scored(history.person(), 0.5)
    history.catch_up()
    before = head(history)
    assert history.retrain(submission) == ["requested"]
    assert history.retrain(submission) == ["under-way"], "asked for twice is asked for once"
    history.release()
    history.trained(submission)
    history.catch_up()
    assert await board_row(client, submission) == {"score": 0.5, "run": 1}
    history.score(submission, 0.75)
    history.catch_up()
    assert await board_row(client, submission) == {"score": 0.75, "run": 2}
    assert await board_row(client, submission, at=before) == {"score": 0.5, "run": 1}
    assert history.retrain(submission) == ["already"], "by this version of the problem it was trained again"
    assert [(each["number"], each["purpose"], each["is_shown"]) for each in await runs(client, submission)] == [
        (1, "first", False),
        (2, "retrain", True),
    ]
    assert history.retrain(submission, again=True) == ["requested"]


async def test_a_new_run_that_fails_leaves_what_was_there(history: History, client: httpx.AsyncClient) -> None:
    submission = history.scored(history.person(), 0.5)
    history.retrain(submission)
    history.release()
    history.report(history.started_report(submission, None))
    history.report(history.failed_report(submission))
    history.catch_up()
    assert await board_row(client, submission) == {"score": 0.5, "run": 1}
    detail = (await client.get(f"/v1/submissions/{submission.submission_id}")).json()
    assert (detail["state"], detail["outcome"], detail["run"]) == ("scored", "trained", 1)
    assert (await runs(client, submission))[1]["outcome"] == "train_error"
    # It stands on boards by its first run: its name is not free.
    assert history.retrain() == ["not-trained"], "the same code fails again"
    assert history.retrain(submission) == ["requested"], "but who names it knows why"


async def test_a_run_that_failed_by_our_fault_is_made_again_and_shown_at_once(
    history: History, client: httpx.AsyncClient
) -> None:
    submission = history.submitted(history.person())
    history.release()
    history.trained(submission)
    history.fail_to_score(submission)
    history.catch_up()
    assert history.retrain() == ["requested"]
    history.catch_up()
    detail = (await client.get(f"/v1/submissions/{submission.submission_id}")).json()
    assert (detail["state"], detail["outcome"], detail["run"]) == ("uploaded", None, 2)
    history.release()
    history.trained(submission)
    history.score(submission, 0.25)
    history.catch_up()
    assert await board_row(client, submission) == {"score": 0.25, "run": 2}


async def test_what_its_team_withdrew_is_not_trained_again_and_what_stands_cannot_be_withdrawn(history: History) -> None:
    withdrawn = history.submitted(history.person())
    history.withdraw(withdrawn)
    assert history.retrain() == ["not-trained"]
    assert history.retrain(withdrawn) == ["not-trained"]
    scored = history.scored(history.person())
    history.retrain(scored)
    with pytest.raises(Problem, match="training is over"):
        history.withdraw(scored)
    assert not any(isinstance(each, SubmissionWithdrawn) for each in history.run_events(scored))


def test_a_retraining_that_was_stopped_may_be_asked_for_again(history: History, engine_of: Callable[[str], Engine]) -> None:
    submission = history.scored(history.person())
    assert history.retrain() == ["requested"]
    withdraw(engine_of("ingest"), submission.submission_id, ADMINISTRATOR, ADMINISTRATOR, is_administrator=True)
    assert history.retrain() == ["requested"], "it stands by its first run, and was not withdrawn"
    history.release()
    history.trained(submission)
    history.score(submission)
    assert history.retrain(again=True) == ["requested"]
    withdraw(engine_of("ingest"), submission.submission_id, ADMINISTRATOR, ADMINISTRATOR, is_administrator=True)
    assert history.retrain() == ["already"]


def test_of_many_unknown_submissions_only_some_are_named(engine_of: Callable[[str], Engine], history: History) -> None:
    known = history.submitted(history.person()).submission_id
    unknown = [UUID(int=number) for number in range(1, 1000)]
    with pytest.raises(Problem, match="and 989 more") as refused:
        retrain(engine_of("ingest"), CHALLENGE, Retraining((known, *unknown), None, again=False, reason=""), ORGANISER)
    assert str(unknown[0]) in refused.value.detail
    assert str(known) not in refused.value.detail


def test_what_the_organiser_wants_again_does_not_keep_a_team_waiting(history: History) -> None:
    account = history.person()
    scored = [history.scored(account) for _ in range(3)]
    assert history.retrain() == ["requested"] * 3
    new = history.submitted(account)
    history.release(slots=1)
    assert history.attempt(new) == 1, "it is requested first"
    assert sum(history.attempt(each) for each in scored) == 1


async def test_a_reproduction_is_compared_and_stands_on_no_board(history: History, client: httpx.AsyncClient) -> None:
    submission = history.scored(history.person(), 0.5, folds=(0.4, 0.5, 0.6))
    asked = history.reproduce(submission)
    assert (asked.run, asked.of_run) == (2, 1)
    assert history.reproduce(submission) == asked, "one that is under way is not begun twice"
    history.release()
    history.trained(submission)
    history.reproduced(submission, 0.52)
    history.catch_up()
    assert await board_row(client, submission) == {"score": 0.5, "run": 1}
    _, found = await runs(client, submission)
    comparison = found["comparison"]
    assert isinstance(comparison, dict)
    assert (found["purpose"], found["of_run"], found["is_shown"]) == ("reproduce", 1, False)
    assert (comparison["same_predictions"], comparison["repeats"]) == ([True] * N_FOLDS, True)
    [first, *_] = comparison["scores"]
    assert (first["before"], first["after"], first["within_noise"]) == (0.5, 0.52, True)
    assert first["standard_error"] == pytest.approx(0.1 / 3**0.5)
    # A reproduction can be repeated as well, and is by default not what is repeated.
    assert history.reproduce(submission).of_run == 1


def test_a_reproduction_has_the_data_and_the_environment_of_the_run_before(history: History) -> None:
    submission = history.scored(history.person())
    history.publish_next_version()
    history.reproduce(submission)
    history.release()
    with history.orchestrator.connect() as connection:
        first, second = (
            next(
                event
                for _, event in known_events(read_stream(connection, f"run-{run_id_of(submission.submission_id, number)}"))
                if isinstance(event, TrainingRequested)
            )
            for number in (1, 2)
        )
    given = {"manifest_digest", "environment_digest", "bundle_digest", "n_folds"}
    assert first.model_dump(include=given) == second.model_dump(include=given)
    assert second.live_log_bytes == 0, "nobody waits for what it prints"


def test_nothing_is_reproduced_that_was_not_trained(history: History) -> None:
    submission = history.submitted(history.person())
    with pytest.raises(Problem, match="no such run"):
        history.reproduce(submission)
    history.release()
    history.report(history.started_report(submission, None))
    history.report(history.failed_report(submission))
    [finished] = [each for each in history.run_events(submission) if isinstance(each, TrainingFinished)]
    assert finished.outcome is Outcome.TRAIN_ERROR
    with pytest.raises(Problem, match="no such run"):
        history.reproduce(submission)


def test_what_a_reproduction_prints_costs_its_team_nothing(history: History, engine_of: Callable[[str], Engine]) -> None:
    submission = history.scored(history.person())
    history.catch_up()
    spent = "SELECT sum(shown_bytes) FROM team_logs"
    with engine_of("leaderboard").connect() as connection:
        before = connection.exec_driver_sql(spent).scalar_one()
        history.reproduce(submission)
        history.release()
        history.trained(submission)
        history.projection(READ_MODEL).catch_up()
        assert connection.exec_driver_sql(spent).scalar_one() == before > 0
