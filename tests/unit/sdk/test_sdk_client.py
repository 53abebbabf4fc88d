"""The client against a real HTTP server on loopback."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from answer_server import Answer, AnswerServer
from hypothesis import given
from hypothesis import strategies as st

from palio.client import ApiError, Client, ServerUnreachableError
from palio.client.events import ServerEvent, lines_of, parse_events

SUBMISSION = "/v1/submissions/s1"
PROBLEM = {
    "type": "https://palio.example/errors/invalid-code",
    "title": "The code does not parse",
    "status": 422,
    "detail": "Mend the lines below and submit again",
    "errors": [{"file": "classifier.py", "line": 3, "message": "'(' was never closed"}, {"message": "and more"}],
}


@pytest.fixture
def client(server: AnswerServer) -> Iterator[Client]:
    with Client(server.url, "secret") as client:
        yield client


def _state(state: str, **members: Any) -> dict[str, Any]:
    return {"id": "s1", "name": "mine", "state": state, **members}


def _events(*submissions: dict[str, Any]) -> Answer:
    text = ": hello\n\n" + "".join(f"event: submission\ndata: {json.dumps(item)}\n\n" for item in submissions)
    return Answer(body=text.encode(), headers={"Content-Type": "text/event-stream"})


def test_an_error_is_told_in_sentences_with_file_and_line(server: AnswerServer, client: Client) -> None:
    server.answer("POST /v1/challenges/iris/submissions", Answer(422, PROBLEM))
    with pytest.raises(ApiError) as caught:
        client.submit("iris", "mine", {"classifier.py": b"def (:"})
    assert str(caught.value) == (
        "The code does not parse. Mend the lines below and submit again.\n  classifier.py:3: '(' was never closed\n  and more"
    )
    assert (caught.value.status, caught.value.code) == (422, "invalid-code")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("upstream is gone", "The server answered 502 Bad Gateway. upstream is gone."),
        ("<html><h1>Bad gateway</h1></html>", "The server answered 502 Bad Gateway."),
        ("", "The server answered 502 Bad Gateway."),
        ('"text"', "The server answered 502 Bad Gateway. text."),
        ('{"errors": "many", "detail": 3}', "The server answered 502 Bad Gateway. 3."),
    ],
)
def test_an_error_that_is_no_problem_document_is_told_too(server: AnswerServer, client: Client, body: str, said: str) -> None:
    server.answer("GET /v1/me", Answer(502, body))
    with pytest.raises(ApiError) as caught:
        client.me()
    assert str(caught.value) == said


def test_a_server_that_is_not_there_is_told_with_its_address() -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody answers there, and nobody else gets the port meanwhile.
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with (
            Client(address) as client,
            pytest.raises(ServerUnreachableError, match=f"No server answers at {address}.*PALIO_SERVER"),
        ):
            client.challenges()


def test_the_token_goes_along(server: AnswerServer, client: Client) -> None:
    server.answer("GET /v1/me", Answer(body={"name": "ada"}))
    assert client.me()["name"] == "ada"
    assert server.seen[0].headers["Authorization"] == "Bearer secret"


def test_a_read_names_the_position_of_the_write_before_and_waits_for_it(server: AnswerServer, client: Client) -> None:
    server.answer("POST /v1/challenges/iris/joins", Answer(201, {"state": "approved"}, {"Palio-Position": "42"}))
    behind = Answer(503, {"title": "Not there yet"}, {"Retry-After": "0"})
    server.answer("GET /v1/challenges/iris", behind, behind, Answer(body={"id": "iris", "joined": True}))
    client.join("iris")
    assert client.challenge("iris")["joined"]
    reads = [request for request in server.seen if request.method == "GET"]
    assert [read.headers["Palio-Position"] for read in reads] == ["42", "42", "42"]


def test_a_server_that_stays_behind_is_an_error_in_the_end(server: AnswerServer, client: Client) -> None:
    server.answer("GET /v1/challenges", Answer(503, {"title": "Not there yet"}, {"Retry-After": "0"}))
    with pytest.raises(ApiError, match="Not there yet"):
        client.challenges()
    assert len(server.seen) == 10


def test_a_submission_that_the_connection_lost_is_sent_again_under_the_same_key(server: AnswerServer, client: Client) -> None:
    server.answer("POST /v1/challenges/iris/submissions", Answer(cut=True), Answer(201, {"id": "s1", "state": "uploaded"}))
    client.submit("iris", "mine", {"classifier.py": b"x = 1"})
    keys = [request.headers["Idempotency-Key"] for request in server.seen]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert b'name="files"; filename="classifier.py"' in server.seen[1].body
    assert b"x = 1" in server.seen[1].body


def test_other_writes_are_sent_once(server: AnswerServer, client: Client) -> None:
    server.answer("POST /v1/users", Answer(cut=True))
    with pytest.raises(ServerUnreachableError, match="broke"):
        client.register("ada", "ada@example.org", "secret")
    assert len(server.seen) == 1


def test_a_submission_is_followed_by_its_stream_to_the_end(server: AnswerServer, client: Client) -> None:
    states = [_state("queued"), _state("training", folds_done=1), _state("training", folds_done=1), _state("scored")]
    server.answer(f"GET {SUBMISSION}/stream", _events(*states))
    assert [found["state"] for found in client.watch("s1")] == ["queued", "training", "scored"]
    assert len(server.seen) == 1


def test_where_there_is_no_stream_the_state_is_asked_for(
    server: AnswerServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palio.client.watching.POLL_S", 0.0)
    server.answer(f"GET {SUBMISSION}/stream", Answer(500, "no stream today"))
    server.answer(
        f"GET {SUBMISSION}", Answer(body=_state("queued")), Answer(body=_state("queued")), Answer(body=_state("failed"))
    )
    assert [found["state"] for found in client.watch("s1")] == ["queued", "failed"]


def test_a_stream_that_breaks_off_is_taken_up_again(
    server: AnswerServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palio.client.watching.POLL_S", 0.0)
    garbled = Answer(body=b"event: submission\ndata: {nonsense\n\n")
    server.answer(f"GET {SUBMISSION}/stream", _events(_state("queued")), Answer(cut=True), garbled, _events(_state("scored")))
    server.answer(f"GET {SUBMISSION}", Answer(body=_state("training")))
    assert [found["state"] for found in client.watch("s1")] == ["queued", "training", "scored"]


def test_following_ends_when_the_server_says_no_or_nothing(
    server: AnswerServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("palio.client.watching.POLL_S", 0.0)
    with pytest.raises(ApiError, match="Nothing here"):
        list(client.watch("s1"))
    server.answer(f"GET {SUBMISSION}/stream", Answer(cut=True))
    server.answer(f"GET {SUBMISSION}", Answer(cut=True))
    with pytest.raises(ServerUnreachableError):
        list(client.watch("s1"))


def test_a_download_tells_how_far_it_is_and_its_errors_are_told(server: AnswerServer, client: Client) -> None:
    server.answer("GET /v1/challenges/iris/starting-kit", Answer(body=b"zip" * 1000))
    told: list[tuple[int, int | None]] = []
    into = io.BytesIO()
    client.starting_kit("iris", into, lambda done, total: told.append((done, total)))
    assert into.getvalue() == b"zip" * 1000
    assert told[-1] == (3000, 3000)
    with pytest.raises(ApiError, match="Nothing here"):
        client.starting_kit("coins", into)


def test_wheels_are_read_from_the_index_by_their_names_alone(server: AnswerServer, client: Client) -> None:
    page = (
        '<a href="http://elsewhere.example/evil/palio-0.2.0-py3-none-any.whl#sha256=00">x</a><a name="top">y</a>'
        '<a href="../../palio-0.1.0-py3-none-any.whl">x</a><a href="../../palio-0.1.0.tar.gz">z</a>'
    )
    server.answer("GET /packages/simple/palio/", Answer(body=page))
    assert client.wheels() == ["palio-0.2.0-py3-none-any.whl", "palio-0.1.0-py3-none-any.whl"]


@given(st.binary(max_size=80), st.lists(st.integers(0, 80), max_size=6))
def test_lines_do_not_depend_on_how_a_stream_is_cut(content: bytes, cuts: list[int]) -> None:
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    pieces = [content[start:end] for start, end in pairwise(edges)]
    assert list(lines_of(pieces)) == list(lines_of([content]))


def test_events_are_parsed_as_the_standard_says() -> None:
    text = (
        b": a comment\r\nevent: board\r\ndata: one\r\ndata:  two\r\nid: 7\r\n\r\n"
        b"data:no space\n\nevent: empty\n\ndata: \xe2\x80\xa8 within\n\ndata: broken off\n"
    )
    assert list(parse_events(lines_of([text]))) == [
        ServerEvent("one\n two", "board"),
        ServerEvent("no space"),
        ServerEvent("\u2028 within"),
    ]
