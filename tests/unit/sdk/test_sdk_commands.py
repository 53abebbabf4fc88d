"""The command line against a real HTTP server on loopback that answers as the API does."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from answer_server import Answer, AnswerServer
from click.testing import CliRunner, Result

from palio.cli import COMMANDS, main

METRICS = [{"name": "acc", "precision": 2, "is_lower_the_better": False}]
CHALLENGE = {
    "id": "iris",
    "title": "Iris",
    "phase": "competitive",
    "closes_at": "2030-01-01T00:00:00Z",
    "elements": ["classifier.py"],
}
IDENTIFIER = "0b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1e"
SCORED = {
    "id": IDENTIFIER,
    "name": "mine",
    "team": "ada\x1b[2J",
    "challenge": "iris",
    "state": "scored",
    "outcome": "trained",
    "folds_done": 2,
    "n_folds": 2,
    "metrics": METRICS,
    "scores": {
        "bagged": {"acc": {"valid": 0.75, "test": None}},
        "folds": [{"fold": fold, "scores": {"acc": {"train": 1.0, "valid": 0.75, "test": None}}} for fold in (0, 1)],
    },
    "train_time_s": 1.5,
    "valid_time_s": 0.01,
    "test_time_s": None,
}


def palio(*arguments: object, **options: Any) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)


@pytest.fixture
def kit(home: Path, server: AnswerServer) -> Path:
    """A downloaded kit in the current folder, with a submission."""
    folder = home / "iris"
    (folder / "submissions" / "mine").mkdir(parents=True)
    (folder / "problem.py").touch()
    (folder / "submissions" / "mine" / "classifier.py").write_text("x = 1")
    (folder / ".palio.json").write_text(json.dumps({"server": server.url, "challenge": "iris"}))
    return folder


def _stream(*submissions: dict[str, Any]) -> Answer:
    return Answer(body="".join(f"event: submission\ndata: {json.dumps(item)}\n\n" for item in submissions))


def _accounts(server: AnswerServer) -> None:
    server.answer("POST /v1/users", Answer(201, {"id": "u1", "name": "ada", "team_id": "t1"}))
    server.answer("POST /v1/tokens", Answer(201, {"token": "t-secret", "expires_at": "2030-01-01T00:00:00Z"}))


@pytest.mark.parametrize(
    "command",
    [
        *([name] for name in COMMANDS),
        ["problem", "publish"],
        ["challenge", "create"],
        ["challenge", "rescore"],
        ["challenge", "retrain"],
        ["pool", "drain"],
        ["kit", "check"],
    ],
)
def test_every_command_has_a_help_with_an_example(command: list[str]) -> None:
    result = palio(*command, "--help")
    assert result.exit_code == 0
    if command not in (["problem"], ["challenge"], ["pool"], ["kit"]):
        assert f"palio {' '.join(command)}" in result.output.partition("Example")[2]


def _pool(**changes: Any) -> dict[str, Any]:
    figures = {"waiting": 1, "requested": 0, "under_way": 0, "trainers": 1, "slots": 1, "heard_s_ago": 0.1}
    return {"pool": "gpu", "state": "drained", "reason": "disks", "decided_at_position": 7, **figures, **changes}


@pytest.mark.parametrize(
    ("found", "code", "words"),
    [
        ([_pool()], 0, "Nothing is under way; 1 jobs wait"),
        ([_pool(requested=2, trainers=0)], 0, "No trainer lives; 2 requests"),
        ([_pool(state="open", decided_at_position=8)], 1, "It was decided otherwise meanwhile"),
        ([_pool(under_way=1)], 1, "Not drained within 0 s; it goes on. 1 jobs under way"),
        ([_pool(decided_at_position=6)], 1, "The orchestrator has not heard of it yet"),
        ([_pool(heard_s_ago=60)], 1, "The orchestrator says nothing any more"),
        ([], 1, "The orchestrator has not heard of it yet"),
    ],
)
def test_draining_a_pool_is_waited_for_and_says_how_it_stands(
    home: Path, server: AnswerServer, found: list[dict[str, Any]], code: int, words: str
) -> None:
    server.answer("POST /v1/pools/gpu/drain", Answer(200, {"pool": "gpu", "state": "drained", "reason": "disks", "position": 7}))
    server.answer("GET /v1/pools", Answer(200, {"items": found}))
    result = palio("pool", "drain", "gpu", "--reason", "disks", "--wait-s", "0", "--server", server.url)
    assert result.exit_code == code, result.output
    assert words in result.stderr


def test_registering_logs_in_and_keeps_the_token_where_only_the_user_reads_it(home: Path, server: AnswerServer) -> None:
    _accounts(server)
    options = ("--server", server.url, "--name", "ada", "--email", "ada@example.org", "--password-stdin")
    result = palio("register", *options, input="pass word\n")
    assert result.exit_code == 0, result.output
    assert [json.loads(request.body) for request in server.seen] == [
        {"name": "ada", "email": "ada@example.org", "password": "pass word"},
        {"name": "ada", "password": "pass word"},
    ]
    file = home / ".config" / "palio" / "credentials.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "pass word" not in file.read_text()

    server.answer("GET /v1/challenges", Answer(body={"items": []}))
    assert palio("challenge", "list").exit_code == 0
    assert server.seen[-1].headers["Authorization"] == "Bearer t-secret"

    assert palio("logout").exit_code == 0
    palio("challenge", "list", "--server", server.url)
    assert "Authorization" not in server.seen[-1].headers


@pytest.mark.usefixtures("home")
def test_a_closed_challenge_is_listed_with_the_ledgers_hash(server: AnswerServer) -> None:
    closed = {"position": 4711, "hash": "ab" * 32, "recorded_at": "2030-01-01T00:00:01Z"}
    server.answer("GET /v1/challenges", Answer(body={"items": [CHALLENGE, {**CHALLENGE, "id": "old", "closed": closed}]}))
    result = palio("challenge", "list", "--server", server.url)
    assert result.exit_code == 0, result.output
    assert f"position 4711, hash {'ab' * 32}\n" in result.stdout
    assert result.stdout.count("hash") == 1


@pytest.mark.usefixtures("home")
def test_the_password_may_come_from_the_environment_and_is_no_option(server: AnswerServer) -> None:
    _accounts(server)
    result = palio("login", "--server", server.url, "--name", "ada", "--json", env={"PALIO_PASSWORD": "from env"})
    assert result.exit_code == 0, result.output
    assert json.loads(server.seen[0].body)["password"] == "from env"
    assert json.loads(result.stdout)["expires_at"] == "2030-01-01T00:00:00Z"
    assert palio("login", "--password", "x").exit_code == 2


@pytest.mark.usefixtures("home")
def test_without_a_terminal_the_ways_to_give_a_password_are_told(server: AnswerServer) -> None:
    result = palio("login", "--server", server.url, "--name", "ada")
    assert result.exit_code == 2
    assert "PALIO_PASSWORD" in result.output
    assert palio("login", "--server", server.url, "--name", "ada", "--password-stdin", input="").exit_code == 2
    assert server.seen == []


@pytest.mark.usefixtures("home")
def test_an_error_of_the_server_becomes_sentences_and_exit_code_1(server: AnswerServer) -> None:
    server.answer("POST /v1/challenges/iris/joins", Answer(401, {"title": "You are not logged in", "status": 401}))
    result = palio("join", "iris", "--server", server.url)
    assert result.exit_code == 1
    assert "Error: You are not logged in." in result.output
    assert "palio login" in result.output


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "127.0.0.1:1"])
def test_a_server_that_does_not_answer_is_told_with_what_to_do(address: str) -> None:
    result = palio("board", "iris", env={"PALIO_SERVER": address})
    assert result.exit_code == 1
    assert "No server answers at http://127.0.0.1:1" in result.output


def test_starting_joins_downloads_the_kit_and_remembers_where_from(home: Path, server: AnswerServer) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("problem.py", "")
        opened.writestr("submissions/starting_kit/classifier.py", "x = 1")
    server.answer(
        "GET /v1/challenges/iris", Answer(body={**CHALLENGE, "joined": False}), Answer(body={**CHALLENGE, "joined": True})
    )
    server.answer("POST /v1/challenges/iris/joins", Answer(201, {"challenge": "iris", "team_id": "t", "state": "approved"}))
    server.answer("GET /v1/challenges/iris/starting-kit", Answer(body=archive.getvalue()))

    result = palio("start", "iris", "--server", server.url, "--no-environment")
    assert result.exit_code == 0, result.output
    assert json.loads((home / "iris" / ".palio.json").read_text()) == {"server": server.url, "challenge": "iris"}
    assert "palio test iris" in result.output

    (home / "iris" / "problem.py").write_text("# mine now")
    assert palio("start", "iris", "--no-environment").exit_code == 0
    assert (home / "iris" / "problem.py").read_text() == "# mine now"
    assert [request.method for request in server.seen].count("POST") == 1


def test_starting_over_something_else_is_refused(home: Path, server: AnswerServer) -> None:
    (home / "iris").mkdir()
    (home / "iris" / "thesis.tex").touch()
    server.answer("GET /v1/challenges/iris", Answer(body={**CHALLENGE, "joined": True}))
    result = palio("start", "iris", "--server", server.url)
    assert result.exit_code == 1
    assert "--folder" in result.output
    assert [path.name for path in (home / "iris").iterdir()] == ["thesis.tex"]


@pytest.mark.usefixtures("kit")
def test_submitting_and_watching_ends_in_the_tables(server: AnswerServer) -> None:
    server.answer("GET /v1/challenges/iris", Answer(body=CHALLENGE))
    server.answer("POST /v1/challenges/iris/submissions", Answer(201, {"id": IDENTIFIER, "name": "a name", "state": "uploaded"}))
    server.answer(f"GET /v1/submissions/{IDENTIFIER}/stream", _stream({**SCORED, "state": "training", "folds_done": 1}, SCORED))
    result = palio("submit", "iris", "--name", "a name", "--watch")
    assert result.exit_code == 0, result.output
    for text in ("training: 1 of 2 folds", "Fold 1", "Mean of 2 folds", "Bagged", "train 1.5 s"):
        assert text in result.output
    assert "\x1b[2J" not in result.output
    assert "test " not in result.stdout.partition("Time:")[0]


@pytest.mark.usefixtures("kit")
def test_a_watched_submission_that_fails_shows_why_and_ends_with_exit_code_1(server: AnswerServer) -> None:
    failed = {**SCORED, "state": "failed", "outcome": "train_error", "reason": "fit raised ValueError", "scores": None}
    failed["traceback"] = 'Traceback (most recent call last):\n  File "classifier.py", line 4\nValueError: [bold]'
    server.answer("GET /v1/challenges/iris", Answer(body=CHALLENGE))
    server.answer("POST /v1/challenges/iris/submissions", Answer(201, {"id": IDENTIFIER, "name": "mine", "state": "uploaded"}))
    server.answer(f"GET /v1/submissions/{IDENTIFIER}/stream", _stream(failed))
    result = palio("submit", "iris", "--watch", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["outcome"] == "train_error"
    assert "train_error: fit raised ValueError" in result.stderr
    assert "ValueError: [bold]" in result.stderr


def test_a_submission_without_its_file_is_not_sent(kit: Path, server: AnswerServer) -> None:
    (kit / "submissions" / "mine" / "classifier.py").unlink()
    server.answer("GET /v1/challenges/iris", Answer(body=CHALLENGE))
    result = palio("submit", "iris")
    assert result.exit_code == 1
    assert "has no classifier.py" in result.output
    assert [request.method for request in server.seen] == ["GET"]


def test_status_and_logs_find_a_submission_by_name_or_take_the_newest(
    kit: Path, server: AnswerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kit)
    item = {"challenge": "iris", "state": "scored", "outcome": "trained"}
    older = {**item, "id": "older", "name": "mine", "submitted_at": "2030-01-01T00:00:00Z"}
    newer = {**item, "id": "newer", "name": "mine", "submitted_at": "2030-01-02T00:00:00Z"}
    last = {**item, "id": "last", "name": "other", "submitted_at": "2030-01-03T00:00:00Z"}
    server.answer("GET /v1/submissions", Answer(body={"items": [last, older, newer]}))
    server.answer("GET /v1/submissions/newer", Answer(body={**SCORED, "id": "newer"}))
    server.answer("GET /v1/submissions/last/log", Answer(body="hello\x1b[31m [red]\n"))
    assert "2030-01-03 00:00:00" in palio("status").output
    assert json.loads(palio("status", "mine", "--json").stdout)["id"] == "newer"
    assert palio("logs").stdout == "hello[31m [red]\n"
    missing = palio("status", "theirs")
    assert missing.exit_code == 1
    assert "no submission theirs in iris" in missing.output


@pytest.mark.usefixtures("home")
def test_a_board_comes_as_a_table_as_json_and_as_csv(server: AnswerServer) -> None:
    row = {"rank": 1, "team": "ada", "submission": "[b]mine", "scores": {"acc": 0.756}, "test_scores": {"acc": 0.5}}
    row |= {"train_time_s": 1.5, "valid_time_s": None, "submitted_at": "2030-01-01T12:00:00Z"}
    board = {"challenge": "iris", "board": "public", "position": 7, "metrics": METRICS, "rows": [row]}
    server.answer("GET /v1/challenges/iris/leaderboards/public", Answer(body=board))
    server.answer("GET /v1/challenges/iris/leaderboards/private", Answer(body={**board, "board": "private"}))
    shown = palio("board", "iris", "--server", server.url).stdout
    assert all(text in shown for text in ("0.76", "[b]mine", "2030-01-01 12:00:00", "1.5 s"))
    assert "acc (test)" in palio("board", "iris", "--private", "--server", server.url).stdout
    assert json.loads(palio("board", "iris", "--json", "--server", server.url).stdout) == board
    server.answer("GET /v1/challenges/iris/leaderboards/public", Answer(body="rank,team\r\n1,ada\r\n"))
    assert palio("board", "iris", "--csv", "--server", server.url).stdout_bytes == b"rank,team\r\n1,ada\r\n"
    assert server.seen[-1].path.endswith("?format=csv")


@pytest.mark.usefixtures("kit")
def test_a_name_that_is_taken_is_told_with_the_way_out(server: AnswerServer) -> None:
    server.answer("GET /v1/challenges/iris", Answer(body={"elements": ["classifier.py"]}))
    taken = {"type": "urn:palio:problem:name-taken", "title": "Name taken", "status": 409, "detail": "Choose another name."}
    server.answer("POST /v1/challenges/iris/submissions", Answer(409, taken))
    refused = palio("submit", "iris")
    assert refused.exit_code == 1
    assert "Choose another name. For example: palio submit --name 'mine, again'." in refused.stderr


@pytest.mark.usefixtures("home")
def test_a_competition_shows_moves_and_marks_what_is_within_noise(server: AnswerServer) -> None:
    row = {
        "rank": 1,
        "team": "ada",
        "submission": "mine",
        "scores": {"acc": 0.9},
        "test_scores": {"acc": 0.5},
        "within_noise": True,
    }
    row |= {"public_rank": 3, "move": 2, "submitted_at": "2030-01-01T12:00:00Z"}
    board = {"challenge": "iris", "board": "private-competition", "position": 7, "metrics": METRICS, "rows": [row]}
    server.answer("GET /v1/challenges/iris/leaderboards/private-competition", Answer(body=board))
    shown = palio("board", "iris", "--private", "--competition", "--team", "ada", "--limit", "5", "--server", server.url).output
    assert all(text in shown for text in ("+2", "0.50 ≈", "no more than folds do"))
    assert server.seen[-1].path.endswith("?team=ada&limit=5")


@pytest.mark.usefixtures("home")
def test_an_ensemble_shows_its_members_and_what_they_score_together(server: AnswerServer) -> None:
    member = {"rank": 1, "team": "ada", "submission": "mine", "submission_id": "x", "contributivity": 63, "share": 0.625}
    page = {"challenge": "iris", "position": 9, "up_to_position": 8, "n_candidates": 2, "metrics": METRICS, "members": [member]}
    page |= {"combined": {"acc": 0.95}, "foldwise_best": {"acc": 0.91}, "combined_test": {"acc": 0.81}}
    page["curve"] = [{"n_members": 1, "score": 0.91}, {"n_members": 3, "score": 0.95}]
    server.answer("GET /v1/challenges/iris/leaderboards/ensemble", Answer(body=page))
    shown = palio("board", "iris", "--ensemble", "--at", "9", "--server", server.url)
    assert all(text in shown.output for text in ("63 %", "0.95", "0.91", "combined (test)", "0.81", "1: 0.91, 3: 0.95"))
    assert "foldwise best (test)" not in shown.output
    assert server.seen[-1].path.endswith("?at=9")
    server.answer("GET /v1/challenges/iris/leaderboards/ensemble", Answer(body={**page, "members": []}))
    assert "no ensemble yet" in palio("board", "iris", "--ensemble", "--server", server.url).stderr
    assert palio("board", "iris", "--ensemble", "--team", "ada", "--server", server.url).exit_code == 2


@pytest.mark.usefixtures("home")
def test_what_waits_and_what_failed_have_boards_of_their_own(server: AnswerServer) -> None:
    row = {"team": "ada", "submission": "mine", "submission_id": "some id", "state": "queued", "outcome": None, "folds_done": 0}
    row |= {"n_folds": 2, "queue": {"position": 4}, "submitted_at": "2030-01-01T12:00:00Z", "finished_at": None}
    server.answer("GET /v1/challenges/iris/leaderboards/new", Answer(body={"challenge": "iris", "rows": [row]}))
    shown = palio("board", "iris", "--new", "--server", server.url).stdout
    assert all(text in shown for text in ("iris, new submissions", "queued", "0 of 2", "4", "some id"))
    failed = {**row, "state": "failed", "outcome": "train_error", "queue": None}
    server.answer("GET /v1/challenges/iris/leaderboards/failed", Answer(body={"challenge": "iris", "rows": [failed]}))
    assert "train_error" in palio("board", "iris", "--failed", "--server", server.url).stdout
    server.answer("GET /v1/challenges/iris/leaderboards/failed", Answer(body={"challenge": "iris", "rows": []}))
    assert "No submission has failed." in palio("board", "iris", "--failed", "--server", server.url).stderr
    refused = palio("board", "iris", "--failed", "--csv", "--server", server.url)
    assert refused.exit_code == 2
    assert "--failed goes with" in refused.stderr


@pytest.mark.usefixtures("home")
def test_an_organiser_reads_where_the_code_of_a_challenge_failed_and_what_it_said(server: AnswerServer) -> None:
    fault = {
        "position": 12,
        "recorded_at": "2030-01-01T12:00:00Z",
        "kind": "metric",
        "submission_id": None,
        "reason": "no number",
    }
    server.answer("GET /v1/challenges/iris/faults", Answer(body={"items": [fault], "before": None}))
    listed = palio("challenge", "faults", "iris", "--server", server.url)
    assert all(text in listed.output for text in ("12", "metric", "no number", "palio challenge faults iris 12"))
    server.answer("GET /v1/challenges/iris/faults/12", Answer(body={**fault, "detail": "nll: KeyError: [x]"}))
    assert "nll: KeyError: [x]" in palio("challenge", "faults", "iris", "12", "--server", server.url).stdout
    server.answer("GET /v1/challenges/iris/faults", Answer(body={"items": [], "before": None}))
    assert "has not failed" in palio("challenge", "faults", "iris", "--server", server.url).stderr


@pytest.mark.usefixtures("home")
def test_grades_and_code_are_shown_or_written_whole_or_not_at_all(server: AnswerServer, tmp_path: Path) -> None:
    grade = {"name": "Ada", "team": "lovelace", "rank": 1, "public_score": 0.5, "private_rank": None, "private_score": None}
    body = {
        "challenge": "iris",
        "metric": METRICS[0],
        "grades": [{**grade, "contributivity": 12, "historical_contributivity": 17, "n_submissions": 3}],
    }
    server.answer("GET /v1/challenges/iris/grades", Answer(body=body))
    shown = palio("grades", "iris", "--server", server.url).stdout
    assert all(text in shown for text in ("Ada", "lovelace", "0.50", "12 %", "17 %", "3"))
    server.answer("GET /v1/challenges/iris/grades", Answer(body=b"name\nAda\n"))
    server.answer("GET /v1/challenges/iris/grades/code", Answer(body=b"a zip"))
    files = tmp_path / "grades.csv", tmp_path / "code.zip"
    written = palio("grades", "iris", "--csv", str(files[0]), "--code", str(files[1]), "--server", server.url)
    assert written.exit_code == 0, written.output
    assert [file.read_bytes() for file in files] == [b"name\nAda\n", b"a zip"]
    server.answer("GET /v1/challenges/iris/grades/code", Answer(status=403, body={"title": "no", "detail": "Ask its organiser."}))
    refused = palio("grades", "iris", "--code", str(files[1]), "--server", server.url)
    assert refused.exit_code == 1
    assert "Ask its organiser." in refused.stderr
    assert files[1].read_bytes() == b"a zip"
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} == set()
    nowhere = palio("grades", "iris", "--code", str(tmp_path / "nowhere" / "code.zip"), "--server", server.url)
    assert nowhere.exit_code == 1
    assert "cannot be written" in nowhere.stderr


def test_a_problem_is_published_in_two_archives_and_its_failure_shown(home: Path, server: AnswerServer) -> None:
    kit = home / "Coins"
    for name in ("problem.py", "data/train.csv", "data/public/train.csv"):
        (kit / name).parent.mkdir(parents=True, exist_ok=True)
        (kit / name).touch()
    failed = {
        "id": "coins",
        "version": 2,
        "state": "failed",
        "outcome": "kit_error",
        "reason": "get_cv failed",
        "detail": "Traceback …",
    }
    stale = {"id": "coins", "version": 1, "state": "prepared"}
    server.answer("POST /v1/problems", Answer(201, {"id": "coins", "version": 2}))
    server.answer(
        "GET /v1/problems/coins", Answer(body=stale), Answer(body={**failed, "state": "preparing"}), Answer(body=failed)
    )
    options = ("--as-of", "2025-06-01", "--label-free-folder", "images", "--label-free-folder", "masks")
    result = palio("problem", "publish", kit, "--server", server.url, "--wait", *options)
    assert result.exit_code == 1
    assert "kit_error: get_cv failed" in result.output
    assert "Traceback …" in result.output
    body = server.seen[0].body
    for part in (
        b'name="id"\r\n\r\ncoins',
        b'name="kit"; filename="kit.tar.gz"',
        b'name="private"',
        b'name="as_of"\r\n\r\n2025-06-01',
    ):
        assert part in body
    assert body.count(b'name="label_free_folders"') == 2
    assert b"python_version" not in body


@pytest.mark.usefixtures("home")
def test_a_challenge_is_created_with_what_was_said_and_nothing_else(server: AnswerServer) -> None:
    server.answer("POST /v1/challenges", Answer(201, {"id": "coins"}))
    options = (
        "--problem",
        "coins",
        "--title",
        "Coins",
        "--closes",
        "2030-01-31T12:00:00",
        "--time-limit",
        "60",
        "--memory-limit",
        "500",
    )
    result = palio("challenge", "create", "coins", "--server", server.url, *options)
    assert result.exit_code == 0, result.output
    assert json.loads(server.seen[0].body) == {
        "id": "coins",
        "title": "Coins",
        "problem": "coins",
        "closes_at": "2030-01-31T12:00:00Z",
        "limits": {"time_limit_s": 60.0, "memory_limit_bytes": 500_000_000},
    }
