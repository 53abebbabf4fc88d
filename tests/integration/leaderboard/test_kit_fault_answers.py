"""Failures of a kit's own code over HTTP: all of them, for whose kit it is, and for nobody else."""

import hashlib
from collections.abc import Callable
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine, text

from services.ingest.accounts import Account, issue_token, register
from shared.artefacts import Bucket, Store, details_key
from tests.support.histories import CHALLENGE, History

FAULTS = f"/v1/challenges/{CHALLENGE}/faults"
WORDS = b"nll of fold 0, valid: KeyError: 'label-of-row-7'"
DIGEST = hashlib.sha256(WORDS).hexdigest()


@pytest.fixture
def broken(history: History, store_of: Callable[[str], Store]) -> None:
    """A submission whose scores are missing, one that could not be scored, and an ensemble that failed."""
    store_of("scorer").put_bytes(Bucket.PRIVATE, details_key(DIGEST), WORDS)
    for end in (lambda each: history.score(each, None, detail_digest=DIGEST), history.fail_to_score):
        history.submit(history.person())
        history.release(slots=100)
        history.trained(history.submissions[-1])
        end(history.submissions[-1])
    history.fail_to_combine(DIGEST)
    history.catch_up()


@pytest.fixture
def challenges_organiser(engine_of: Callable[[str], Engine]) -> Account:
    return register(engine_of("ingest"), "teacher", "teacher@example.org", "a password").account


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], challenges_organiser: Account) -> History:
    return History(engine_of, store_of("ingest"), organiser_id=challenges_organiser.user_id)


@pytest.fixture(params=["challenge", "problem"])
def organiser(
    request: pytest.FixtureRequest,
    history: History,
    challenges_organiser: Account,
    engine_of: Callable[[str], Engine],
    owner: Engine,
    broken: None,
) -> dict[str, str]:
    """Headers of the one who runs the challenge, to whom the mail goes, or of the one whose kit it is."""
    assert broken is None
    account = challenges_organiser if request.param == "challenge" else history.person()
    history.catch_up()
    whose_kit = account.user_id if request.param == "problem" else uuid4()
    with owner.begin() as connection:
        connection.execute(text("UPDATE leaderboard.problems SET organiser_id = :id"), {"id": whose_kit})
    return {"Authorization": f"Bearer {issue_token(engine_of('ingest'), account.name, 'a password', 1).token}"}


@pytest.mark.usefixtures("broken")
async def test_what_a_kit_said_is_for_nobody_else(client: httpx.AsyncClient) -> None:
    for path in (FAULTS, f"{FAULTS}/1"):
        answer = await client.get(path)
        assert answer.status_code == 403
        assert "label-of-row" not in answer.text


async def test_the_organiser_sees_each_failure_and_what_was_said(
    client: httpx.AsyncClient, history: History, organiser: dict[str, str]
) -> None:
    items = (await client.get(FAULTS, headers=organiser)).json()["items"]
    assert [each["kind"] for each in items] == ["ensemble", "scoring", "metric"]
    assert items[2]["submission_id"] == str(history.submissions[0].submission_id)
    page = (await client.get(FAULTS, params={"limit": 2}, headers=organiser)).json()
    rest = (await client.get(FAULTS, params={"before": page["before"]}, headers=organiser)).json()
    assert [each["position"] for each in page["items"] + rest["items"]] == [each["position"] for each in items]
    assert rest["before"] is None
    for place in (0, 2):
        detail = (await client.get(f"{FAULTS}/{items[place]['position']}", headers=organiser)).json()
        assert detail["detail"] == WORDS.decode()
    assert (await client.get(f"{FAULTS}/1", headers=organiser)).status_code == 404
