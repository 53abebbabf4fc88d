"""Other versions of a problem and other runs, on the command line, against a real HTTP server that answers as the API does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from answer_server import Answer, AnswerServer
from click.testing import CliRunner, Result

from palio.cli import main

pytestmark = pytest.mark.usefixtures("home", "hurried")

SUBMISSION = "0b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1e"
RESCORINGS = "/v1/challenges/iris/rescorings"
RUNS = f"GET /v1/submissions/{SUBMISSION}/runs"
MOVES = [
    {"team": "ada [b]", "before": 2, "after": 1, "score_before": 0.9, "score_after": 0.875},
    {"team": "eve", "before": 1, "after": None, "score_before": 0.95, "score_after": None},
]
MISSING = {"team": "eve", "submission": "guess", "submission_id": SUBMISSION, "why": "other folds"}
SCORES_MISSING = {
    "type": "urn:palio:problem:scores-missing",
    "title": "Scores are missing",
    "status": 409,
    "detail": "1 submission would leave the boards. Or confirm without it: --without-missing",
}
#: `python -m palio`, which hears Ctrl-C although whoever runs this in the background has it ignored, and so have its children.
LISTENING = "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); runpy.run_module('palio', run_name='__main__')"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two questions."""
    monkeypatch.setattr("palio.client.watching.POLL_S", 0.0)


def palio(server: AnswerServer, *arguments: object) -> Result:
    return CliRunner().invoke(main, [*(str(argument) for argument in arguments), "--server", server.url])


def _rescoring(state: str, **changes: Any) -> dict[str, Any]:
    found = {"challenge": "iris", "problem_version": 2, "from_version": 1, "state": state, "n_scored": 3, "n_submissions": 4}
    more = {
        "n_failed": 0,
        "n_to_retrain": 1,
        "adopted_at_position": None,
        "metric": "acc",
        "metric_before": "err",
        "moves": MOVES,
        "missing": [MISSING],
    }
    return {**found, **more, **changes}


def _step(state: str) -> Answer:
    return Answer(200, {"challenge": "iris", "problem_version": 2, "state": state}, {"Palio-Position": "42"})


def _run(number: int, state: str, **changes: Any) -> dict[str, Any]:
    run = {"number": number, "run_id": f"r{number}", "purpose": "reproduce", "of_run": 1, "problem_version": 1, "state": state}
    run |= {"outcome": None, "is_shown": False, "requested_at": "2030-01-01T12:00:00Z", "finished_at": None, "folds_done": 1}
    run |= {"n_folds": 2, "reason": None, "environment_digest": "6" * 64, "conditions": None, "scores": None, "comparison": None}
    return {**run, **changes}


def _runs(*runs: dict[str, Any]) -> Answer:
    return Answer(body={"submission": SUBMISSION, "items": list(runs)})


def _compared(*, repeats: bool, within_noise: bool | None) -> dict[str, Any]:
    score = {"metric": "acc", "before": 0.9, "after": 0.9 - 1e-12, "difference": -1e-12, "standard_error": 0.01}
    scores = [{**score, "within_noise": within_noise}]
    return {"same_predictions": [True, repeats], "scores": scores, "repeats": repeats, "within_noise": within_noise}


def test_a_dry_run_is_waited_for_and_shows_whose_place_would_move_and_how_to_go_on(server: AnswerServer) -> None:
    server.answer(f"POST {RESCORINGS}", _step("requested"))
    waits = _rescoring("requested", n_scored=1, moves=[], missing=[])
    server.answer(f"GET {RESCORINGS}/2", Answer(body=waits), Answer(cut=True), Answer(body=_rescoring("computed")))
    result = palio(server, "challenge", "rescore", "iris")
    assert result.exit_code == 0, result.output
    assert json.loads(server.seen[0].body) == {"problem_version": None}
    assert server.seen[1].headers["Palio-Position"] == "42"
    assert all(text in result.stdout for text in ("ada [b]", "0.875", "from version 1 to 2", "guess", "other folds", SUBMISSION))
    assert "Scoring: 1 of 4 submissions" in result.stderr
    assert "3 of 4 submissions have a score by version 2; boards stay" in result.stderr
    assert "palio challenge retrain iris --version 2" in result.stderr
    assert "palio challenge rescore iris --version 2 --confirm --without-missing\n" in result.stderr
    assert not any(request.path.endswith("confirmation") for request in server.seen)


def test_a_dry_run_that_moves_nobody_says_so(server: AnswerServer) -> None:
    server.answer(f"POST {RESCORINGS}", _step("requested"))
    server.answer(f"GET {RESCORINGS}/2", Answer(body=_rescoring("computed", moves=[], missing=[])))
    result = palio(server, "challenge", "rescore", "iris", "--version", "2")
    assert result.stdout == ""
    assert "No team would have another place." in result.stderr
    assert "palio challenge rescore iris --version 2 --confirm\n" in result.stderr
    assert json.loads(server.seen[0].body) == {"problem_version": 2}


def test_a_version_whose_metric_gives_no_number_is_marked(server: AnswerServer) -> None:
    server.answer(f"POST {RESCORINGS}", _step("requested"))
    server.answer(f"GET {RESCORINGS}/2", Answer(body=_rescoring("computed", missing=[])))
    assert "gave no number" not in palio(server, "challenge", "rescore", "iris").stderr, (
        "who leaves the board has no score either"
    )
    moves = [{**MOVES[0], "score_after": None}]
    server.answer(f"GET {RESCORINGS}/2", Answer(body=_rescoring("computed", moves=moves, missing=[])))
    assert "acc gave no number for some of them" in palio(server, "challenge", "rescore", "iris").stderr


def test_a_version_is_confirmed_after_its_dry_run_and_waited_for_until_it_is_adopted(server: AnswerServer) -> None:
    server.answer(f"POST {RESCORINGS}", _step("requested"))
    server.answer(f"POST {RESCORINGS}/2/confirmation", _step("confirmed"))
    adopted = _rescoring("adopted", adopted_at_position=50)
    answers = [_rescoring("requested"), _rescoring("computed"), _rescoring("confirmed"), adopted]
    server.answer(f"GET {RESCORINGS}/2", *(Answer(body=each) for each in answers))
    result = palio(server, "challenge", "rescore", "iris", "--version", "2", "--confirm", "--without-missing", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == adopted
    confirmation = next(request for request in server.seen if request.path.endswith("confirmation"))
    assert json.loads(confirmation.body) == {"without_missing": True}
    assert "Scoring what came meanwhile: 3 of 4 submissions" in result.stderr


def test_what_is_adopted_is_not_confirmed_again_and_its_moves_are_told(server: AnswerServer) -> None:
    server.answer(f"POST {RESCORINGS}", _step("requested"))
    server.answer(f"GET {RESCORINGS}/2", Answer(body=_rescoring("adopted", missing=[])))
    result = palio(server, "challenge", "rescore", "iris", "--confirm")
    assert result.exit_code == 0, result.output
    assert "iris runs version 2 of its problem now" in result.stderr
    assert "2 teams have another place than before; their members hear of it by mail" in result.stderr
    assert "whose place moved" in result.stdout
    assert [request.method for request in server.seen] == ["POST", "GET"]


def test_a_confirmation_that_would_take_submissions_off_the_boards_says_which_and_what_to_do(server: AnswerServer) -> None:
    server.answer(f"POST {RESCORINGS}", _step("requested"))
    server.answer(f"GET {RESCORINGS}/2", Answer(body=_rescoring("computed")))
    server.answer(f"POST {RESCORINGS}/2/confirmation", Answer(409, SCORES_MISSING))
    result = palio(server, "challenge", "rescore", "iris", "--confirm", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "1 submission would leave the boards" in result.stderr
    assert "other folds" in result.stderr
    assert "--without-missing" in result.stderr


def test_what_is_confirmed_already_is_waited_for_and_not_confirmed_again(server: AnswerServer) -> None:
    server.answer(f"POST {RESCORINGS}", _step("requested"))
    confirmed = Answer(body=_rescoring("confirmed"))
    server.answer(f"GET {RESCORINGS}/2", confirmed, confirmed, confirmed, Answer(body=_rescoring("adopted")))
    looked = palio(server, "challenge", "rescore", "iris")
    assert looked.exit_code == 0, looked.output
    assert "confirmed already" in looked.stderr
    assert palio(server, "challenge", "rescore", "iris", "--confirm").exit_code == 0
    assert not any(request.path.endswith("confirmation") for request in server.seen)


def test_a_challenge_without_another_version_says_to_publish_one(server: AnswerServer) -> None:
    server.answer(f"POST {RESCORINGS}", _step("adopted"))
    unknown = {"type": "urn:palio:problem:unknown-rescoring", "title": "Unknown", "status": 404, "detail": "Ask for it"}
    server.answer(f"GET {RESCORINGS}/2", Answer(404, unknown))
    result = palio(server, "challenge", "rescore", "iris", "--confirm")
    assert result.exit_code == 1
    assert "iris runs version 2 of its problem, since it began" in result.stderr
    assert "palio problem publish PATH --wait" in result.stderr
    server.answer(f"POST {RESCORINGS}", _step("requested"))
    assert "Ask for it" in palio(server, "challenge", "rescore", "iris").stderr


def test_other_refusals_are_told_as_the_server_says_them(server: AnswerServer) -> None:
    refused = {"type": "urn:palio:problem:forbidden", "title": "Not yours", "status": 403, "detail": "Ask its organiser"}
    server.answer(f"POST {RESCORINGS}", Answer(403, refused))
    result = palio(server, "challenge", "rescore", "iris")
    assert result.exit_code == 1
    assert "Error: Not yours. Ask its organiser." in result.stderr
    assert palio(server, "challenge", "rescore", "iris", "--without-missing").exit_code == 2
    assert palio(server, "challenge", "rescore", "iris", "--version", "0").exit_code == 2


def test_ctrl_c_ends_the_waiting_alone_and_says_how_to_look_again(server: AnswerServer) -> None:
    server.answer(f"POST {RESCORINGS}", _step("requested"))
    server.answer(f"GET {RESCORINGS}/2", Answer(body=_rescoring("requested")))
    command = [sys.executable, "-c", LISTENING, "challenge", "rescore", "iris", "--server", server.url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "Scoring: 3 of 4 submissions\n", "it waits now"
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    assert "it goes on without you" in said
    assert "palio challenge rescore iris --version 2\n" in said
    assert "Traceback" not in said


def test_retraining_says_what_was_asked_for_and_what_there_was_already(server: AnswerServer) -> None:
    states = ("requested", "already", "under-way", "not-trained")
    items = [
        {"submission": f"{SUBMISSION[:-1]}{n}", "name": f"s{n}", "run": n + 2, "state": each} for n, each in enumerate(states)
    ]
    answer = {"challenge": "iris", "problem_version": 2, "items": items}
    server.answer("POST /v1/challenges/iris/retrainings", Answer(body=answer))
    result = palio(server, "challenge", "retrain", "iris", "--version", 2, "--reason", "hot GPUs", "--submission", SUBMISSION)
    assert result.exit_code == 0, result.output
    assert json.loads(server.seen[0].body) == {
        "submissions": [SUBMISSION],
        "problem_version": 2,
        "again": False,
        "reason": "hot GPUs",
    }
    assert all(
        text in result.stdout
        for text in ("s0", "trained again on this version already", "under way already", "its own code failed")
    )
    assert "Requested: 1 of 4, on version 2" in result.stderr
    assert "--again" in result.stderr
    assert f"palio runs {items[0]['submission']}" in result.stderr
    assert json.loads(palio(server, "challenge", "retrain", "iris", "--json").stdout) == answer
    assert json.loads(server.seen[-1].body)["submissions"] is None
    server.answer("POST /v1/challenges/iris/retrainings", Answer(body={**answer, "items": []}))
    assert "Nothing was handed in to iris" in palio(server, "challenge", "retrain", "iris").stderr
    assert palio(server, "challenge", "retrain", "iris", "--submission", "my_forest").exit_code == 2


def test_retraining_that_is_waited_for_ends_with_the_reason_of_each_that_failed(server: AnswerServer) -> None:
    item = {"submission": SUBMISSION, "name": "mine", "run": 2, "state": "requested"}
    other = {"submission": "other", "name": "theirs", "run": 3, "state": "under-way"}
    done = {"submission": "done", "name": "done", "run": 2, "state": "already"}
    answer = {"challenge": "iris", "problem_version": 1, "items": [item, other, done]}
    server.answer("POST /v1/challenges/iris/retrainings", Answer(body=answer))
    server.answer(RUNS, _runs(), _runs(_run(2, "training")), _runs(_run(2, "scored")))
    failed = _run(3, "failed", outcome="time_limit", reason="300 s were not enough")
    server.answer("GET /v1/submissions/other/runs", _runs(failed))
    result = palio(server, "challenge", "retrain", "iris", "--wait", "--json")
    assert result.exit_code == 1
    assert [(run["submission"], run["state"]) for run in json.loads(result.stdout)["runs"]] == [
        (SUBMISSION, "scored"),
        ("other", "failed"),
    ]
    assert "theirs, run 3: time_limit: 300 s were not enough" in result.stderr
    server.answer("GET /v1/submissions/other/runs", _runs(_run(3, "scored")))
    well = palio(server, "challenge", "retrain", "iris", "--wait")
    assert well.exit_code == 0, well.output
    assert "Scored: all 2." in well.stderr


@pytest.mark.parametrize(
    ("repeats", "within_noise", "code", "words"),
    [
        (True, True, 0, "It repeats"),
        (True, None, 0, "It repeats"),
        (False, True, 0, "reproduces within noise"),
        (False, False, 1, "It does not reproduce"),
        (False, None, 1, "nobody can tell"),
    ],
)
def test_a_reproduction_says_for_each_fold_and_metric_whether_it_repeats(
    server: AnswerServer, *, repeats: bool, within_noise: bool | None, code: int, words: str
) -> None:
    asked = {"submission": SUBMISSION, "run": 2, "of_run": 1}
    server.answer(f"POST /v1/submissions/{SUBMISSION}/reproductions", Answer(201, asked))
    first = _run(1, "scored", purpose="first", of_run=None)
    ended = _run(2, "scored", outcome="trained", comparison=_compared(repeats=repeats, within_noise=within_noise))
    server.answer(
        RUNS, _runs(first), _runs(first, _run(2, "queued", n_folds=None)), _runs(first, _run(2, "training")), _runs(first, ended)
    )
    result = palio(server, "reproduce", SUBMISSION, "--run", 1, "--reason", "the paper")
    assert result.exit_code == code, result.output
    assert json.loads(server.seen[0].body) == {"run": 1, "reason": "the paper"}
    assert "Fold 1: predictions repeat bit for bit" in result.stdout
    assert f"Fold 2: predictions {'repeat bit for bit' if repeats else 'differ'}" in result.stdout
    assert all(text in result.stdout for text in ("acc", "-1e-12", "0.01"))
    assert words in result.stderr
    assert "queued\ntraining: 1 of 2 folds" in result.stderr
    assert json.loads(palio(server, "reproduce", SUBMISSION, "--json").stdout) == ended


def test_a_reproduction_that_fails_or_has_nothing_to_compare_with_ends_with_exit_code_1(server: AnswerServer) -> None:
    server.answer(
        f"POST /v1/submissions/{SUBMISSION}/reproductions", Answer(201, {"submission": SUBMISSION, "run": 2, "of_run": 1})
    )
    server.answer(RUNS, _runs(_run(2, "failed", outcome="environment_error", reason="the index is away")))
    failed = palio(server, "reproduce", SUBMISSION)
    assert failed.exit_code == 1
    assert "environment_error: the index is away" in failed.stderr
    server.answer(RUNS, _runs(_run(2, "scored")))
    alone = palio(server, "reproduce", SUBMISSION)
    assert alone.exit_code == 1
    assert "nothing to compare with" in alone.stderr


def test_runs_are_listed_with_the_one_that_boards_show(server: AnswerServer) -> None:
    first = _run(1, "scored", purpose="first", of_run=None, scores={"acc": 0.9, "nll": None}, is_shown=True)
    again = _run(3, "failed", purpose="retrain", of_run=None, outcome="time_limit", reason="[b]hot GPUs", environment_digest=None)
    answer = _runs(first, _run(2, "queued", n_folds=None), again)
    server.answer(RUNS, answer)
    result = palio(server, "runs", SUBMISSION)
    assert result.exit_code == 0, result.output
    for text in (
        "1 *",
        "upload",
        "0.9",
        "reproduction of 1",
        "queued",
        "retraining",
        "time_limit",
        "[b]hot GPUs",
        "666666666666 ",
    ):
        assert text in result.stdout
    assert "*: the run that boards show." in result.stderr
    assert json.loads(palio(server, "runs", SUBMISSION, "--json").stdout) == answer.body
