"""A submission's whole way on a real platform: upload, training, scores, board, mail."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.mailcatcher import caught_mails
from deploy.local.stack import Stack
from palio.client.events import lines_of, parse_events
from tests.e2e.conftest import RampNumbers, assert_same_numbers
from tests.support.people import KITS, Person, starter, submit_and_wait
from tests.support.waiting import wait_until

ChallengeOf = Callable[[str], str]


@pytest.fixture(scope="module")
def scored(ada: Person, challenge_of: ChallengeOf) -> Callable[[str, str], dict[str, Any]]:
    """Ada's submission of a kit's folder, scored; submitted at first use."""
    done: dict[tuple[str, str], dict[str, Any]] = {}

    def scored(kit: str, folder: str = "starting_kit") -> dict[str, Any]:
        if (kit, folder) not in done:
            challenge = challenge_of(kit)
            ada.client.join(challenge)
            done[kit, folder] = submit_and_wait(ada, challenge, folder, starter(kit, folder))
        return done[kit, folder]

    return scored


@pytest.mark.parametrize("kit", sorted(KITS))
def test_a_starter_is_trained_scored_and_on_the_board(
    kit: str, scored: Callable[..., dict[str, Any]], ada: Person, challenge_of: ChallengeOf
) -> None:
    submission = scored(kit)
    assert submission["state"] == "scored", submission
    assert submission["folds_done"] == submission["n_folds"] >= 2
    metrics = [metric["name"] for metric in submission["metrics"]]
    assert list(submission["scores"]["bagged"]) == metrics
    assert all(value["valid"] is not None for value in submission["scores"]["bagged"].values())
    assert submission["train_time_s"] > 0
    assert submission["peak_memory_bytes"] > 0
    (row,) = [row for row in ada.client.board(challenge_of(kit))["rows"] if row["submission_id"] == submission["id"]]
    assert row["team"] == "ada"
    assert row["scores"] == {name: value["valid"] for name, value in submission["scores"]["bagged"].items()}


def test_a_better_submission_stands_above_the_starter(
    scored: Callable[..., dict[str, Any]], ada: Person, challenge_of: ChallengeOf
) -> None:
    (better,) = [
        path.name for path in (KITS["iris"] / "submissions").iterdir() if path.name not in {"starting_kit", "__pycache__"}
    ]
    scored("iris")
    scored("iris", better)
    rows = ada.client.board(challenge_of("iris"))["rows"]
    assert [row["submission"] for row in rows if row["team"] == "ada"] == [better, "starting_kit"]
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))


def test_the_ensemble_has_looked_at_both_and_they_share_what_it_is(
    scored: Callable[..., dict[str, Any]], platform: Stack, organiser: Person, challenge_of: ChallengeOf
) -> None:
    ids = {scored("iris")["id"], scored("iris", "forest")["id"]}
    path = f"/v1/challenges/{challenge_of('iris')}/leaderboards/ensemble"

    def looked_at() -> dict[str, Any] | None:
        page: dict[str, Any] = httpx.get(f"{platform.origin}{path}").json()
        return page if page["n_candidates"] >= len(ids) else None

    page = wait_until(looked_at, "the ensemble of both")
    assert page["members"], "theirs, or others' that stand on this board"
    assert sum(member["share"] for member in page["members"]) == pytest.approx(1)
    assert page["combined"]["acc"] >= page["foldwise_best"]["acc"] - 0.05
    assert "test" not in json.dumps(page)
    token = {"Authorization": f"Bearer {organiser.token}"}
    seen = httpx.get(f"{platform.origin}{path}", headers=token).json()
    assert 0 < seen["combined_test"]["acc"] <= 1


def test_the_participant_gets_a_mail_with_the_scores(scored: Callable[..., dict[str, Any]], platform: Stack, ada: Person) -> None:
    submission = scored("iris")
    mail = wait_until(lambda: find_mail(platform, ada.email, submission["id"]), "the mail about the scores")
    text = mail.get_body(("plain",))
    html = mail.get_body(("html",))
    assert text is not None
    assert html is not None
    for part in (text.get_content(), html.get_content()):
        assert submission["id"] in part
        assert "acc" in part
    assert "nll" in text.get_content()


def find_mail(platform: Stack, address: str, about: str) -> EmailMessage | None:
    """A caught mail to this address whose text names `about`."""
    for mail in caught_mails(platform.mail_folder):
        body = mail.get_body(("plain",))
        if mail["To"] and address in mail["To"] and body is not None and about in body.get_content():
            return mail
    return None


def test_ramp_iris_gets_the_numbers_of_ramp_test_on_every_fold(
    scored: Callable[..., dict[str, Any]], organiser: Person, ramp_numbers: RampNumbers, tmp_path: Path
) -> None:
    submission = scored("ramp_iris")
    kit = shutil.copytree(KITS["ramp_iris"], tmp_path / "kit")
    expected = ramp_numbers(kit, "starting_kit", "ramp_iris")
    assert_same_numbers(dict(organiser.client.submission(submission["id"])["scores"]), expected)


def test_test_scores_are_shown_to_administrators_only(
    scored: Callable[..., dict[str, Any]], ada: Person, organiser: Person, challenge_of: ChallengeOf, platform: Stack
) -> None:
    submission = scored("iris")
    assert all(value["test"] is None for value in submission["scores"]["bagged"].values())
    assert all(split["test"] is None for fold in submission["scores"]["folds"] for split in fold["scores"].values())
    assert submission["test_time_s"] is None
    private = organiser.client.board(challenge_of("iris"), "private")
    assert all(value is not None for row in private["rows"] for value in row["test_scores"].values())
    for headers in ({}, {"Authorization": f"Bearer {ada.token}"}):
        response = httpx.get(f"{platform.origin}/v1/challenges/iris/leaderboards/private", headers=headers)
        assert response.status_code == 403


def test_the_board_is_to_be_had_as_csv(scored: Callable[..., dict[str, Any]], ada: Person) -> None:
    scored("iris")
    header, *lines = ada.client.board_csv("iris").splitlines()
    assert header.startswith("rank,team,submission,acc,")
    assert any(line.partition(",")[2].startswith("ada,starting_kit,") for line in lines)


def test_the_log_and_the_files_details_are_the_teams_own(
    scored: Callable[..., dict[str, Any]], register: Callable[[str], Person], ada: Person, platform: Stack
) -> None:
    submission = scored("iris")
    assert "fold 0" in ada.client.log(submission["id"])
    stranger = register("stranger")
    seen = stranger.client.submission(submission["id"])
    assert seen["owned"] is False
    url = f"{platform.origin}/v1/submissions/{submission['id']}/log"
    assert httpx.get(url, headers={"Authorization": f"Bearer {stranger.token}"}).status_code == 403
    assert httpx.get(url).status_code == 403


def test_the_boards_stream_sends_the_board_at_once(scored: Callable[..., dict[str, Any]], platform: Stack) -> None:
    scored("iris")
    with httpx.stream("GET", f"{platform.origin}/v1/challenges/iris/leaderboards/stream", timeout=20) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        event = next(iter(parse_events(lines_of(response.iter_bytes()))))
    assert event.event == "board"
    assert json.loads(event.data)["challenge"] == "iris"


def test_one_openapi_document_describes_reads_and_writes(platform: Stack) -> None:
    paths = httpx.get(f"{platform.origin}/v1/openapi.json").raise_for_status().json()["paths"]
    assert {"get", "post"} <= set(paths["/v1/challenges"])
    for path in ("/v1/users", "/v1/tokens", "/v1/me", "/v1/problems", "/v1/submissions/{submission_id}/stream"):
        assert path in paths


def test_a_read_that_names_a_position_sees_that_write(platform: Stack, organiser: Person, challenge_of: ChallengeOf) -> None:
    challenge_of("iris")
    created = httpx.post(
        f"{platform.origin}/v1/challenges",
        json={"id": "right-away", "title": "Right away", "problem": "iris"},
        headers={"Authorization": f"Bearer {organiser.token}"},
    ).raise_for_status()
    position = created.headers["Palio-Position"]
    read = httpx.get(f"{platform.origin}/v1/challenges/right-away", headers={"Palio-Position": position})
    assert read.status_code == 200


def test_the_same_post_twice_is_one_submission(ada: Person, challenge_of: ChallengeOf) -> None:
    challenge = challenge_of("iris")
    ada.client.join(challenge)
    first = ada.client.submit(challenge, "only once", starter("iris"), key="the same key")
    again = ada.client.submit(challenge, "only once", starter("iris"), key="the same key")
    assert first["id"] == again["id"]


def test_a_beginners_five_commands_lead_to_a_score(platform: Stack, challenge_of: ChallengeOf, tmp_path: Path) -> None:
    challenge_of("iris")
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PALIO_PASSWORD": "correct horse", "PIP_NO_INPUT": "1"}
    # How the package index is reached here.
    home |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_CERT_"))}
    subprocess.run([sys.executable, "-m", "venv", "own"], cwd=tmp_path, env=home, check=True)

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=home, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    # The first command stands on the challenge's page, with the address to install from.
    page = httpx.get(f"{platform.origin}/challenges/iris").text
    wheel = re.search(r"pip install (\S+palio-\S+\.whl)", page)
    assert wheel is not None
    run("own/bin/pip", "install", "--quiet", wheel.group(1))
    palio = "own/bin/palio"
    run(palio, "register", "--server", platform.origin, "--name", "beginner", "--email", "beginner@example.org")
    run(palio, "start", "iris")
    assert "acc" in run(palio, "test", "iris")
    printed = run(palio, "submit", "iris", "--watch")
    assert "acc" in printed
