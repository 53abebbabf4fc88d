"""Credits: who may give them to what and when, and what they move on boards and among grades."""

import csv
import functools
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import Engine

from services.ingest import api as ingest_api
from services.ingest.accounts import Account, issue_token
from services.ingest.challenges import NewChallenge, create_challenge, join_challenge
from services.ingest.submissions import NewSubmission, SubmissionDesk
from services.leaderboard.api import Context
from services.leaderboard.challenges import find_challenge
from services.leaderboard.grades import grades_of
from shared.artefacts import Store
from shared.http import Problem
from shared.ledger import head_position
from shared.settings import IngestSettings
from shared.telemetry import Readiness
from tests.support.histories import ADMINISTRATOR, CHALLENGE, POOL, History, Submission
from tests.support.waiting import wait_until

BOARD = f"/v1/challenges/{CHALLENGE}/leaderboards/public"


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> History:
    """A challenge whose code has been open for a second."""
    return History(engine_of, store_of("ingest"), code_opens_at=datetime.now(UTC) - timedelta(seconds=1))


@pytest.fixture
def competitive(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> History:
    """A challenge whose code is not open yet."""
    return History(engine_of, store_of("ingest"))


@pytest.fixture
def three(history: History) -> list[Submission]:
    """Three scored submissions of three teams; the ensemble is the last one, and a quarter of it the second."""
    found = [history.scored(history.person(), value) for value in (0.5, 0.6, 0.7)]
    history.combine([2, 2, 2, 1], [2, 2, 2, 1])
    history.catch_up()
    return found


@pytest.fixture
def head(owner: Engine) -> Callable[[], int]:
    def where() -> int:
        with owner.connect() as connection:
            return head_position(connection)

    return where


async def shares(client: httpx.AsyncClient, of: list[Submission], at: int | None = None) -> list[tuple[int, int]]:
    """Contributivity, and the historical one, of each."""
    params = {} if at is None else {"at": at}
    page = (await client.get(BOARD, params=params)).raise_for_status().json()
    rows = {row["submission_id"]: row for row in page["rows"]}
    found = [rows[str(each.submission_id)] for each in of]
    return [(row["contributivity"], row["historical_contributivity"]) for row in found]


async def test_credit_moves_contributivity_to_what_was_there_before_and_on_from_there(
    client: httpx.AsyncClient, history: History, three: list[Submission], head: Callable[[], int]
) -> None:
    first, second, third = three
    assert await shares(client, three) == [(0, 0), (25, 25), (75, 75)]
    etag = (await client.get(BOARD)).headers["etag"]
    moments = [head()]
    for given in (
        lambda: history.credit(third, (second, 20)),
        lambda: history.credit(second, (first, 50)),
        lambda: history.credit(third, (first, 40), (second, 20)),
        lambda: history.credit(third),
    ):
        given()
        history.catch_up()
        moments.append(head())
    expected = [
        [(0, 0), (25, 25), (75, 75)],
        [(0, 0), (25, 40), (75, 60)],
        [(0, 20), (25, 20), (75, 60)],
        [(0, 50), (25, 20), (75, 30)],
        [(0, 12), (25, 12), (75, 75)],
    ]
    assert [await shares(client, three, at) for at in moments] == expected
    assert await shares(client, three) == expected[-1]
    now = await client.get(BOARD, headers={"If-None-Match": etag})
    assert (now.status_code, now.json()["position"]) == (200, moments[-1])


async def test_boards_are_sorted_by_it_and_have_it_in_their_csv(
    client: httpx.AsyncClient, history: History, three: list[Submission]
) -> None:
    history.credit(three[2], (three[0], 100))
    history.catch_up()
    asked = {"sort": "-historical_contributivity", "format": "csv"}
    lines = list(csv.DictReader(io.StringIO((await client.get(BOARD, params=asked)).text)))
    assert [line["historical_contributivity"] for line in lines] == ["75", "25", "0"]
    assert [line["contributivity"] for line in lines] == ["0", "25", "75"]


async def test_before_the_first_ensemble_there_is_none(client: httpx.AsyncClient, history: History) -> None:
    person = history.person()
    first, second = history.scored(person), history.scored(person)
    history.credit(second, (first, 50))
    history.catch_up()
    rows = (await client.get(BOARD)).json()["rows"]
    assert [row["historical_contributivity"] for row in rows] == [None, None]


def test_a_team_has_in_its_grade_what_its_submissions_were_given(
    context: Context, history: History, three: list[Submission]
) -> None:
    history.credit(three[2], (three[0], 40))
    history.catch_up()
    with context.engine.connect() as connection:
        grades = {each.team: each for each in grades_of(connection, find_challenge(connection, CHALLENGE))}
    found = [grades[each.account.name] for each in three]
    assert [(each.contributivity, each.historical_contributivity) for each in found] == [(0, 30), (25, 25), (75, 45)]


async def test_everybody_reads_what_a_submission_gave_and_received(
    client: httpx.AsyncClient, history: History, three: list[Submission]
) -> None:
    first, second, third = three
    history.credit(third, (first, 10), (second, 30))
    history.credit(second, (first, 50))
    history.catch_up()

    async def read(submission: Submission) -> dict[str, list[tuple[str, str, int]]]:
        page = (await client.get(f"/v1/submissions/{submission.submission_id}/credits")).raise_for_status().json()
        assert page["submission"] == str(submission.submission_id)
        return {
            name: [(each["submission_id"], each["team"], each["percent"]) for each in page[name]]
            for name in ("given", "received")
        }

    def who(submission: Submission, percent: int) -> tuple[str, str, int]:
        return str(submission.submission_id), submission.account.name, percent

    assert await read(first) == {"given": [], "received": [who(second, 50), who(third, 10)]}
    assert await read(second) == {"given": [who(first, 50)], "received": [who(third, 30)]}
    assert await read(third) == {"given": [who(second, 30), who(first, 10)], "received": []}
    assert (await client.get(f"/v1/submissions/{uuid4()}/credits")).status_code == 404
    story = (await client.get(f"/v1/submissions/{third.submission_id}/history")).json()["entries"]
    given = f"its team gave credit: 30 % to {second.submission_id}, 10 % to {first.submission_id}"
    assert [each["words"] for each in story if each["type"] == "CreditsGiven"] == [given]


def test_the_same_said_again_is_recorded_once(history: History, three: list[Submission], head: Callable[[], int]) -> None:
    first, second, third = three
    assert history.credit(third).position is None, "nothing given, and nothing to take back"
    said = history.credit(third, (first, 10), (second, 30))
    assert said.position == head()
    assert history.credit(third, (second, 30), (first, 10)) == said
    assert head() == said.position
    assert history.credit(third).position == head() == said.position + 1
    assert history.credit(third, (first, 10), (second, 30)).position == head(), "taken back, it is news again"


def test_when_the_challenge_has_closed_what_was_credited_stands(
    engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]
) -> None:
    closes_at = datetime.now(UTC) + timedelta(seconds=5)
    history = History(engine_of, store_of("ingest"), closes_at=closes_at)
    account = history.person()
    first, second = history.submitted(account), history.submitted(account)
    given = history.credit(second, (first, 10))
    wait_until(lambda: datetime.now(UTC) > closes_at, "the end")
    with pytest.raises(Problem) as refused:
        history.credit(second, (first, 20))
    assert (refused.value.status, refused.value.code) == (409, "challenge-closed")
    assert history.credit(second, (first, 10)) == given, "the same said again is no change"


def test_before_the_code_is_open_credit_goes_to_ones_own_team_alone(competitive: History, head: Callable[[], int]) -> None:
    one, other = competitive.person(), competitive.person()
    first, theirs, second = (competitive.submitted(each) for each in (one, other, one))
    before = head()
    with pytest.raises(Problem, match="Until then credit goes to your own team") as refused:
        competitive.credit(second, (first, 10), (theirs, 10))
    assert (refused.value.status, refused.value.code) == (409, "code-not-open")
    assert head() == before
    assert competitive.credit(second, (first, 10)).position == before + 1


@pytest.fixture
def elsewhere(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], history: History) -> Submission:
    """A submission to another challenge."""
    account, ingest = history.person(), engine_of("ingest")
    create_challenge(ingest, NewChallenge(id="elsewhere", title="Elsewhere", problem=CHALLENGE), ADMINISTRATOR, [POOL])
    join_challenge(ingest, "elsewhere", account.team_id, account.user_id)
    new = NewSubmission("elsewhere", "elsewhere", {"classifier.py": b"x = 1\n"}, idempotency_key=None)
    accepted = SubmissionDesk(ingest, store_of("ingest"), 1000).submit(new, account.user_id, account.team_id)
    return Submission(accepted.submission_id, account)


def test_credits_that_can_not_be_are_refused_with_the_reason(
    history: History, elsewhere: Submission, head: Callable[[], int]
) -> None:
    one, other = history.person(), history.person()
    first, second, third = (history.submitted(each) for each in (one, other, one))
    unknown = Submission(uuid4(), one)
    before = head()
    refusals: list[tuple[int, str, Callable[[], object]]] = [
        (422, "no credit to itself", lambda: history.credit(second, (second, 10))),
        (422, "credited once", lambda: history.credit(third, (first, 10), (first, 20))),
        (422, "add up to 101 percent", lambda: history.credit(third, (first, 51), (second, 50))),
        (422, "was handed in after", lambda: history.credit(second, (third, 10))),
        (422, "was handed in to another one", lambda: history.credit(third, (elsewhere, 10))),
        (404, f"no submission {unknown.submission_id}", lambda: history.credit(third, (unknown, 10))),
        (404, f"no submission {unknown.submission_id}", lambda: history.credit(unknown)),
        (403, "Only the submission's team", lambda: history.credit(third, (first, 10), by=other)),
    ]
    for status, words, refused in refusals:
        with pytest.raises(Problem, match=words) as found:
            refused()
        assert found.value.status == status
    assert head() == before


@pytest.fixture
def put(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store]) -> Callable[..., Any]:
    """PUT at the write API, as somebody."""
    settings = IngestSettings.model_construct(max_source_bytes=100_000, max_upload_bytes=2**20)
    app = ingest_api.make_app(settings, engine_of("ingest"), store_of("ingest"), Readiness())

    @functools.cache
    def token_of(account: Account) -> str:
        return issue_token(engine_of("ingest"), account.name, "a password", valid_days=1).token

    async def put(submission_id: UUID, body: object, account: Account | None) -> httpx.Response:
        headers = {} if account is None else {"Authorization": f"Bearer {token_of(account)}"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ingest") as client:
            return await client.put(f"/v1/submissions/{submission_id}/credits", json=body, headers=headers)

    return put


async def test_over_http_they_are_answered_with_their_position(
    put: Callable[..., Any], history: History, three: list[Submission], head: Callable[[], int]
) -> None:
    first, _, third = three
    body = {"credits": [{"submission": str(first.submission_id), "percent": 30}]}
    answers = [await put(third.submission_id, body, third.account) for _ in range(2)]
    for answer in answers:
        assert (answer.status_code, answer.headers["Palio-Position"]) == (200, str(head()))
        assert answer.json() == {"submission": str(third.submission_id), **body}
    assert (await put(third.submission_id, body, None)).status_code == 401
    assert (await put(third.submission_id, body, first.account)).status_code == 403


def _nonsense() -> Iterator[object]:
    source = str(uuid4())
    for percent in (0, -1, 101, 1.5, None, "much", 10**30):
        yield {"credits": [{"submission": source, "percent": percent}]}
    yield from ({}, [], {"credits": None}, {"credits": [{"submission": "x", "percent": 1}]})
    yield {"credits": [{"submission": str(uuid4()), "percent": 1} for _ in range(101)]}


async def test_what_makes_no_sense_is_refused_before_anything_is_looked_up(put: Callable[..., Any], history: History) -> None:
    account = history.person()
    for body in _nonsense():
        answer = await put(uuid4(), body, account)
        assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json"), body
