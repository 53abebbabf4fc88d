"""Credits on the command line, against a real HTTP server that answers as the API does."""

from __future__ import annotations

import json

import pytest
from answer_server import Answer, AnswerServer
from click.testing import CliRunner, Result

from palio.cli import main

pytestmark = pytest.mark.usefixtures("home")

MINE = "0b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1e"
TREE = "0b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1f"
THEIRS = "5b7f0c9e-6f0e-4a42-9d55-0a1c9a5b8d1e"
CREDITS = f"/v1/submissions/{MINE}/credits"
GIVEN = {"submission": "[b]tree", "submission_id": TREE, "team": "ada\x1b[2J", "percent": 30}
RECEIVED = {"submission": "boost", "submission_id": THEIRS, "team": "eve", "percent": 5}


@pytest.fixture
def told(server: AnswerServer) -> AnswerServer:
    """It knows two submissions of one's team, and takes any credits."""
    item = {"challenge": "iris", "state": "scored", "outcome": "trained", "submitted_at": "2030-01-01T00:00:00Z"}
    items = [{**item, "id": MINE, "name": "forest"}, {**item, "id": TREE, "name": "a = b"}]
    server.answer("GET /v1/submissions", Answer(body={"items": items}))
    server.answer(f"PUT {CREDITS}", Answer(200, {"submission": MINE, "credits": []}, {"Palio-Position": "42"}))
    server.answer(f"GET {CREDITS}", Answer(body={"submission": MINE, "given": [GIVEN], "received": [RECEIVED]}))
    return server


def palio(server: AnswerServer, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["credit", *arguments, "--challenge", "iris", "--server", server.url])


def sent(server: AnswerServer) -> list[object]:
    return [json.loads(request.body) for request in server.seen if request.method == "PUT"]


def test_credit_goes_to_submissions_by_name_or_id_and_what_came_of_it_is_shown(told: AnswerServer) -> None:
    result = palio(told, "forest", "--to", "a = b=30", "--to", f"{THEIRS}= 20 %")
    assert result.exit_code == 0, result.output
    assert sent(told) == [{"credits": [{"submission": TREE, "percent": 30}, {"submission": THEIRS, "percent": 20}]}]
    assert told.seen[-1].headers["Palio-Position"] == "42", "what was written is read"
    assert all(text in result.stdout for text in ("gives to", "30 %", "[b]tree", TREE, "received of", "5 %", "boost", THEIRS))
    assert "\x1b[2J" not in result.stdout
    assert "70 % of forest is its own" in result.stderr


def test_without_anything_to_say_it_only_shows(told: AnswerServer) -> None:
    result = palio(told, MINE, "--json")
    assert json.loads(result.stdout) == {"submission": MINE, "given": [GIVEN], "received": [RECEIVED]}
    told.answer(f"GET {CREDITS}", Answer(body={"submission": MINE, "given": [], "received": []}))
    assert "gives no credit, and has received none" in palio(told, "forest").stderr
    assert sent(told) == []


def test_all_credits_are_taken_back_only_if_that_is_said(told: AnswerServer) -> None:
    assert palio(told, "forest", "--to-none").exit_code == 0
    assert sent(told) == [{"credits": []}]
    assert palio(told, "forest", "--to-none", "--to", "a = b=1").exit_code == 2


@pytest.mark.parametrize(
    "wrong", ["", "tree", "tree=", "=30", " =30", "tree=much", "tree=-1", "tree=1.5", "tree=1000", "tree=0", "tree=101", "tree=٣"]
)
def test_what_is_no_percentage_is_refused_before_anything_is_asked(server: AnswerServer, wrong: str) -> None:
    refused = palio(server, "forest", "--to", wrong)
    assert refused.exit_code == 2
    assert "such as my_forest=30" in refused.stderr
    assert server.seen == []


def test_a_refusal_is_told_as_the_server_says_it(told: AnswerServer) -> None:
    closed = {"type": "urn:palio:problem:code-not-open", "title": "Code not open", "status": 409, "detail": "It opens on Monday."}
    told.answer(f"PUT {CREDITS}", Answer(409, closed))
    refused = palio(told, "forest", "--to", f"{THEIRS}=20")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "It opens on Monday." in refused.stderr
    unknown = palio(told, "forest", "--to", "nobodys=20")
    assert unknown.exit_code == 1
    assert "Your team has no submission nobodys in iris" in unknown.stderr
