"""What a real platform says of how things came about, and of how they stood."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from deploy.local.stack import Stack
from palio.cli import main
from palio.client import Client
from palio.client.errors import ApiError
from shared.ledger.read_model import read_models
from tests.support.people import Person, starter, submit_and_wait


@pytest.fixture(scope="module")
def clio(register: Callable[[str], Person]) -> Person:
    """A participant whose submissions no other test counts."""
    return register("clio")


@pytest.fixture(scope="module")
def submission(clio: Person, challenge_of: Callable[[str], str]) -> dict[str, Any]:
    """A scored one."""
    challenge = challenge_of("iris")
    clio.client.join(challenge)
    return submit_and_wait(clio, challenge, "seen later", starter("iris", "starting_kit"))


def test_the_history_leads_from_the_problem_to_the_score_with_every_digest(clio: Person, submission: dict[str, Any]) -> None:
    entries = clio.client.history(submission["id"])["entries"]
    positions = {entry["position"] for entry in entries}
    assert [entry["position"] for entry in entries] == sorted(positions)
    assert entries[0]["type"] == "ProblemPublished"
    assert entries[-1]["type"] == "ScoreComputed"
    by_type = {entry["type"]: entry for entry in entries}
    assert by_type["ScoreComputed"]["caused_by"] == by_type["TrainingFinished"]["position"]
    assert by_type["TrainingFinished"]["caused_by"] == by_type["FoldTrained"]["position"], "the last fold ended it"
    assert by_type["TrainingRequested"]["caused_by"] == by_type["SubmissionUploaded"]["position"]
    digests = {name for entry in entries for name in entry["digests"]}
    assert {"code", "kit", "private data", "data and folds", "labels", "environment", "lock", "predictions"} <= digests


def test_everybody_may_see_how_a_submission_came_to_its_place(platform: Stack, submission: dict[str, Any]) -> None:
    with Client(platform.origin) as nobody:
        assert nobody.history(submission["id"])["submission"]["name"] == "seen later"
        with pytest.raises(ApiError) as unknown:
            nobody.history("00000000-0000-0000-0000-000000000000")
    assert unknown.value.status == 404


def test_a_board_is_shown_as_it_stood(platform: Stack, clio: Person, submission: dict[str, Any]) -> None:
    scored_at = clio.client.history(submission["id"])["entries"][-1]
    shown = {at: rows(clio, at) for at in (str(scored_at["position"] - 1), str(scored_at["position"]), scored_at["recorded_at"])}
    assert [submission["id"] in found for found in shown.values()] == [False, True, True]
    assert "seen later" in clio.client.board_csv("iris", asked={"at": str(scored_at["position"])})
    answers = {
        at: httpx.get(f"{platform.origin}/v1/challenges/iris/leaderboards/public", params={"at": at}) for at in ("1", "never")
    }
    assert [answer.status_code for answer in answers.values()] == [404, 422]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers.values())


def rows(person: Person, at: str) -> set[str]:
    return {row["submission_id"] for row in person.client.board("iris", asked={"at": at} if at else {})["rows"]}


def test_the_private_board_of_then_is_for_those_who_might_see_it_then(clio: Person, submission: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        clio.client.board("iris", "private", {"at": str(clio.client.history(submission["id"])["entries"][-1]["position"])})
    assert refused.value.status == 403


def test_a_rank_is_explained_in_words(platform: Stack, submission: dict[str, Any]) -> None:
    told = CliRunner().invoke(main, ["why", "iris", "clio", "--server", platform.origin], env={"PALIO_TOKEN": None})
    assert told.exit_code == 0, told.output
    assert "clio is number" in told.stdout
    assert "handed in" in told.stdout
    nobody = CliRunner().invoke(main, ["why", "iris", "nobody at all", "--server", platform.origin])
    assert nobody.exit_code == 1
    assert "not on the public board of iris; there are:" in nobody.output


@pytest.mark.parametrize("name", ["ingest", "leaderboard", "mailer", "orchestrator", "scorer"])
def test_every_read_model_in_use_is_what_the_ledger_says(name: str, platform: Stack, submission: dict[str, Any]) -> None:
    assert name in read_models()
    environment = {"PALIO_OWNER_DATABASE_URL": platform.postgres.owner_url()}
    checked = CliRunner().invoke(main, ["projection", "check", name], env=environment)
    assert checked.exit_code == 0, checked.output
