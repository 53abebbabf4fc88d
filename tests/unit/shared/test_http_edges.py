"""Requests that break parsers, databases and encoders: each a problem document, never a 500."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI, File, Form, UploadFile
from minio.error import ServerError
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.types import Message, Receive, Scope, Send

from shared.http import Problem, install_problem_handlers
from shared.http.faults import install_away_handlers
from shared.http.limits import MAX_MEMORY_BODY_BYTES, BodyLimit, CleanAddress

MAX_BYTES = 4 * MAX_MEMORY_BODY_BYTES
MULTIPART = {"Content-Type": "multipart/form-data; boundary=B"}
PART = b'--B\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n'


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    away: dict[str, Exception] = {"store": ServerError("503", 503), "pool": PoolTimeoutError()}

    @app.post("/json")
    def take_json(_body: Body) -> None:
        """Take it."""

    @app.post("/form")
    def take_form(file: Annotated[UploadFile, File()], name: Annotated[str, Form()] = "") -> None:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "wrong-files", f"{file.filename} {name}")

    @app.get("/things/{name}")
    def thing(name: str) -> str:
        return name

    @app.get("/away/{server}")
    def is_away(server: str) -> None:
        raise away[server]

    app.add_middleware(BodyLimit, max_bytes=MAX_BYTES)
    app.add_middleware(CleanAddress)
    install_problem_handlers(app)
    install_away_handlers(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://palio") as client:
        yield client


async def in_pieces(start: bytes, size: int) -> AsyncIterator[bytes]:
    """A body whose length nobody states."""
    yield start
    for _ in range(0, size, 2**16):
        yield b"a" * 2**16


async def test_an_answer_that_repeats_half_a_surrogate_pair_can_be_written(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "multipart/form-data; charset=unicode_escape; boundary=B"}
    response = await client.post("/form", content=PART % b"\\ud800" + b"x\r\n--B--\r\n", headers=headers)
    assert (response.status_code, response.json()["detail"]) == (422, "? ")


async def test_an_address_with_a_nul_is_nowhere(client: httpx.AsyncClient) -> None:
    assert (await client.get("/things/a%00b")).status_code == 404
    assert (await client.get("/things/a?b=%00")).status_code == 400
    assert (await client.get("/things/a?b=%2500")).json() == "a"


async def test_a_form_too_large_says_so_though_its_length_was_not_stated(client: httpx.AsyncClient) -> None:
    response = await client.post("/form", content=in_pieces(PART % b"x", MAX_BYTES), headers=MULTIPART)
    assert (response.status_code, response.json()["type"]) == (413, "urn:palio:problem:too-large")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", ""])
async def test_what_is_read_into_memory_has_a_limit_of_its_own(client: httpx.AsyncClient, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    for path in ("/json", "/form"):
        assert (await client.post(path, content=b"[" * (MAX_MEMORY_BODY_BYTES + 1), headers=headers)).status_code == 413
    assert (await client.post("/json", content=in_pieces(b"[", MAX_MEMORY_BODY_BYTES), headers=headers)).status_code == 413


@pytest.mark.parametrize("server", ["store", "pool"])
async def test_a_server_that_fails_is_one_to_try_again(client: httpx.AsyncClient, server: str) -> None:
    response = await client.get(f"/away/{server}")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
    assert "nothing was changed" not in response.json()["detail"]


async def test_a_refused_body_is_read_on_so_that_the_answer_arrives() -> None:
    pieces = [{"type": "http.request", "body": bytes(1000), "more_body": more} for more in (True, True, False)]
    sent: list[Message] = []

    async def receive() -> Message:
        return pieces.pop(0)

    async def send(message: Message) -> None:
        assert not pieces, "it answered before the body had arrived"
        sent.append(message)

    async def nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("a body too large was passed on")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"3000")]}
    await BodyLimit(nothing, max_bytes=2000)(scope, receive, send)
    assert sent[0]["status"] == 413
