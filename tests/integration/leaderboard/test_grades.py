"""Grades and code for a teacher."""

import csv
import io
import re
import zipfile
from collections.abc import Callable
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import Engine, text

from services.ingest.accounts import Account, appoint_administrator, issue_token, register
from services.leaderboard.code_archive import safe_name
from shared.artefacts import Store
from tests.support.histories import CHALLENGE, History

GRADES = f"/v1/challenges/{CHALLENGE}/grades"
#: A score on the test set, unlike any other number.
CANARY = 0.7654321


@pytest.fixture
def headers_of(engine_of: Callable[[str], Engine]) -> Callable[[Account], dict[str, str]]:
    def headers(account: Account) -> dict[str, str]:
        token = issue_token(engine_of("ingest"), account.name, "a password", valid_days=1).token
        return {"Authorization": f"Bearer {token}"}

    return headers


@pytest.fixture
def organiser(engine_of: Callable[[str], Engine]) -> Account:
    return register(engine_of("ingest"), "teacher", "teacher@example.org", "a password").account


@pytest.fixture
def history(engine_of: Callable[[str], Engine], store_of: Callable[[str], Store], organiser: Account) -> History:
    return History(engine_of, store_of("ingest"), organiser_id=organiser.user_id)


@pytest.fixture
def taught(history: History) -> tuple[Account, Account]:
    """The best one, and one who has handed in something that failed."""
    best, failed = history.person(), history.person()
    history.scored(best, 0.5, CANARY)
    history.scored(best, 0.25, 0.125)
    history.combine([0, 1], [0])
    failing = history.submitted(failed)
    history.release(slots=100)
    history.report(history.failed_report(failing))
    history.catch_up()
    return best, failed


async def test_the_organiser_sees_each_persons_grade_and_no_private_score_before_the_end(
    client: httpx.AsyncClient,
    organiser: Account,
    taught: tuple[Account, Account],
    headers_of: Callable[[Account], dict[str, str]],
    owner: Engine,
) -> None:
    best, failed = taught
    answer = await client.get(GRADES, headers=headers_of(organiser))
    shown = {grade["name"]: grade for grade in answer.json()["grades"]}
    assert shown[best.name] == {
        "name": best.name,
        "team": best.name,
        "rank": 1,
        "public_score": 0.5,
        "private_rank": None,
        "private_score": None,
        "contributivity": 100,
        "historical_contributivity": 100,
        "n_submissions": 2,
    }
    assert (shown[failed.name]["rank"], shown[failed.name]["n_submissions"]) == (None, 1)
    assert answer.json()["grades"][0]["name"] == best.name, "those without a score come last"
    assert str(CANARY) not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    with owner.begin() as connection:
        connection.execute(text("UPDATE leaderboard.challenges SET closes_at = clock_timestamp() - interval '1 second'"))
    text_ = (await client.get(GRADES, params={"format": "csv"}, headers=headers_of(organiser))).text
    first = next(csv.DictReader(io.StringIO(text_)))
    assert (first["name"], first["private_score"], first["private_rank"]) == (best.name, str(CANARY), "1")


async def test_grades_and_code_are_for_the_organiser_and_administrators(
    client: httpx.AsyncClient,
    taught: tuple[Account, Account],
    headers_of: Callable[[Account], dict[str, str]],
    engine_of: Callable[[str], Engine],
) -> None:
    best, _ = taught
    for address in (GRADES, f"{GRADES}/code"):
        assert (await client.get(address)).status_code == 401
        assert (await client.get(address, headers=headers_of(best))).status_code == 403
        assert (await client.get(address.replace(CHALLENGE, "nowhere"), headers=headers_of(best))).status_code == 404
    appoint_administrator(engine_of("ingest"), best.name)
    shown = await client.get(GRADES, headers=headers_of(best))
    assert shown.json()["grades"][0]["private_score"] == CANARY


async def test_the_code_is_a_zip_with_a_folder_for_each_submission_and_an_index(
    client: httpx.AsyncClient,
    history: History,
    organiser: Account,
    taught: tuple[Account, Account],
    headers_of: Callable[[Account], dict[str, str]],
) -> None:
    best, _ = taught
    answer = await client.get(f"{GRADES}/code", headers=headers_of(organiser))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        index = list(csv.DictReader(io.StringIO(archive.read("index.csv").decode())))
        assert {row["submission_id"] for row in index} == {str(each.submission_id) for each in history.submissions}
        for row in index:
            assert archive.read(f"{row['folder']}/classifier.py") == b"x = 1\n"
        folders = {row["folder"].partition("/")[0] for row in index if row["team"] == best.name}
    assert len(folders) == 1


HOSTILE = [
    "CON",
    "..",
    "a/b",
    "a\\b",
    "",
    ".",
    "ä",
    "名前",
    "x" * 300,
    "a:b*?",
    "trailing. ",
    "nul.txt",
    "-rf",
    "\u202egnp.exe",
    "=1+1",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_folder_has_a_name_that_every_file_system_takes(name: str) -> None:
    safe = safe_name(name, UUID(int=7))
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,60}", safe)
    assert safe_name(name.upper(), uuid4()).lower() != safe_name(name.lower(), uuid4()).lower()
