"""Runs that nobody's upload asked for, and scores by another version of a problem: who hears of what."""

from uuid import UUID

import pytest
from sqlalchemy import Engine

from services.mailer.reactions import READ_MODEL
from shared.events import Event, Outcome, ProblemVersionAdopted, RankMove
from shared.ledger.rebuild import compare
from shared.runs import run_id_of
from tests.integration.mailer.mail_server import MailServer, plain_text
from tests.integration.mailer.parts import Mailer
from tests.integration.mailer.world import World
from tests.support.goldens import golden


@pytest.fixture
def wines(world: World) -> str:
    return world.challenge("wines", "Wines", organiser_id=world.person("olga", "olga@example.org"))


@pytest.fixture
def submission(world: World, wines: str, ada: UUID) -> UUID:
    return world.submission(wines, world.team("ada", ada), ada, "mine")


def about(submission_id: UUID, number: int, name: str, **changes: object) -> Event:
    """The golden event of this name, about a run of this submission."""
    ids = {"run_id": run_id_of(submission_id, number), "submission_id": submission_id, "challenge_id": "wines"}
    return golden(name).model_copy(update={**ids, **changes})


async def test_a_team_hears_of_its_submissions_first_score_and_of_no_later_one(
    world: World, mailer: Mailer, wines: str, submission: UUID
) -> None:
    world.scored(submission, wines, acc=0.5)
    for number in (2, 3):
        world.scored(submission, wines, number=number, acc=0.6)
    await mailer.take_in()
    assert mailer.states() == [("scored", "pending", 0)]


async def test_a_retraining_that_brings_the_first_score_is_told(
    world: World, mailer: Mailer, server: MailServer, wines: str, submission: UUID
) -> None:
    world.finished(submission, Outcome.SYSTEM_ERROR)
    world.scored(submission, wines, number=2, acc=0.9512)
    await mailer.work()
    assert [mail["subject"] for mail in server.mails] == ['Wines: "mine" failed', 'Wines: "mine" is scored']
    assert "0.95" in plain_text(server.mails[1])


async def test_a_run_that_a_team_did_not_ask_for_fails_without_a_mail_to_it(
    world: World, mailer: Mailer, wines: str, submission: UUID
) -> None:
    world.scored(submission, wines, acc=0.5)
    world.finished(submission, Outcome.TRAIN_ERROR, number=2)
    world.finished(submission, Outcome.TRAINED, number=3)
    world.scoring_failed(submission, wines, "its code failed", number=3)
    await mailer.take_in()
    assert mailer.states() == [("scored", "pending", 0), ("kit_fault", "pending", 0)]


@pytest.mark.parametrize("name", ["RunRescored", "RunReproduced"])
async def test_what_is_scored_again_is_told_to_nobody_unless_a_metric_gave_no_number(
    world: World, mailer: Mailer, server: MailServer, submission: UUID, name: str
) -> None:
    world.as_scorer(about(submission, 1, name, detail_digest=None))
    await mailer.take_in()
    assert mailer.states() == []
    world.as_scorer(about(submission, 2, name))
    await mailer.work()
    [told] = server.mails
    assert told["to"].addresses[0].username == "olga"
    assert "that score is missing" in plain_text(told)


async def test_a_version_whose_code_fails_is_told_to_its_organiser_and_a_fault_of_ours_is_not(
    world: World, mailer: Mailer, server: MailServer, submission: UUID
) -> None:
    world.as_scorer(about(submission, 1, "RescoringFailed", outcome="system_error"))
    await mailer.take_in()
    assert mailer.states() == []
    world.as_scorer(about(submission, 2, "RescoringFailed", outcome="kit_error"))
    await mailer.work()
    [told] = server.mails
    assert told["to"].addresses[0].username == "olga"
    assert "its score of before stands" in plain_text(told)


async def test_only_members_of_teams_whose_place_another_version_changed_are_written_to_and_each_once(
    world: World, mailer: Mailer, server: MailServer, wines: str, ada: UUID
) -> None:
    grace, eve = (world.person(name, f"{name}@example.org") for name in ("grace", "eve"))
    alone, both, still = world.team("Ada", ada), world.team("both", ada, grace), world.team("still", eve)
    for team in (alone, both, still):
        world.join(wines, team)
    moves = (RankMove(team_id=alone, before=2, after=1), RankMove(team_id=both, before=1, after=None))
    world.as_scorer(ProblemVersionAdopted(challenge_id=wines, problem_id=wines, problem_version=2, moves=moves))
    await mailer.work()
    await mailer.work()
    told = {mail["to"].addresses[0].username: plain_text(mail) for mail in server.mails}
    assert sorted(told) == ["ada", "grace"]
    assert len(server.mails) == 2
    assert "Ada: number 1 now, 2 before" in told["ada"]
    assert "both: number 1 before; now on the board no more" in told["ada"]
    assert "Ada: number" not in told["grace"]
    assert {sent.kind for sent in mailer.mails_in_ledger()} == {"rank_changed"}


async def test_a_version_that_changes_no_place_is_told_to_nobody(
    world: World, mailer: Mailer, wines: str, submission: UUID
) -> None:
    world.scored(submission, wines, acc=0.5)
    world.as_scorer(ProblemVersionAdopted(challenge_id=wines, problem_id=wines, problem_version=2, moves=()))
    await mailer.take_in()
    assert mailer.states() == [("scored", "pending", 0)]


async def test_tables_made_anew_after_other_runs_and_another_version_are_those_in_use(
    world: World, mailer: Mailer, owner: Engine, wines: str, submission: UUID
) -> None:
    world.finished(submission, Outcome.TRAIN_ERROR)
    for number in (2, 3):
        world.scored(submission, wines, number=number, acc=0.5)
    world.finished(submission, Outcome.TRAIN_ERROR, number=4)
    for number, name in enumerate(("RunRescored", "RunReproduced", "RescoringFailed"), start=2):
        world.as_scorer(about(submission, number, name))
    eve = world.person("eve", "eve@example.org")
    team = world.team("eve", eve)
    world.submission(wines, team, eve, "unscored")
    moves = (RankMove(team_id=team, before=None, after=1),)
    world.as_scorer(ProblemVersionAdopted(challenge_id=wines, problem_id=wines, problem_version=2, moves=moves))
    await mailer.take_in()
    assert [kind for kind, *_ in mailer.states()] == ["failed", "scored", "kit_fault", "rank_changed"]
    assert compare(owner, READ_MODEL, lambda *_: None).differences == []
