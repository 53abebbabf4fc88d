"""The real front door before servers that only say who they are: which request reaches whom, and what it answers itself."""

import http.client
import http.server
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from deploy.local.frontdoor import Upstreams, front_door
from deploy.local.ports import PortBlock

MIB = 2**20


class Echo(http.server.BaseHTTPRequestHandler):
    """Says which upstream it is, and what path it was asked for; `/v1/stream` sends one event, then waits to be let go."""

    protocol_version = "HTTP/1.1"
    server: "EchoServer"

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        while length > 0 and (piece := self.rfile.read(min(length, MIB))):
            length -= len(piece)
        if self.path == "/v1/stream":
            self.stream()
            return
        said = {
            "who": self.server.who,
            "path": self.path,
            "method": self.command,
            "from": self.headers.get("X-Forwarded-For"),
        }
        content = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"event: board\ndata: {}\n\n")
        self.wfile.flush()
        self.server.go_on.wait(30)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing."""


for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
    setattr(Echo, f"do_{method}", Echo.answer)


class EchoServer(http.server.ThreadingHTTPServer):
    """An upstream with a name. Its streams last until `go_on` is set."""

    daemon_threads = True

    def __init__(self, who: str, port: int, go_on: threading.Event) -> None:
        super().__init__(("127.0.0.1", port), Echo)
        self.who = who
        self.go_on = go_on

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: connections that break off are part of these tests."""


@contextmanager
def echo_server(who: str, port: int, go_on: threading.Event) -> Iterator[None]:
    with EchoServer(who, port, go_on) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def running_front_door(folder: Path, port: int, upstreams: Upstreams) -> Iterator[str]:
    program = front_door(folder, port, upstreams)
    environment = {**program.environment, "PALIO_FRONT_MAX_BODY": "2MB", "PALIO_FRONT_LOG_LEVEL": "ERROR"}
    with subprocess.Popen(program.command, cwd=program.directory, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while not program.is_ready():
                assert process.poll() is None
                assert time.monotonic() < deadline
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def go_on() -> threading.Event:
    return threading.Event()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, go_on: threading.Event) -> Iterator[httpx.Client]:
    """A client of a front door with all three upstreams."""
    with ExitStack() as stack:
        ports = stack.enter_context(PortBlock())
        upstreams = Upstreams([ports.take()], [ports.take()], [ports.take()])
        for who in ("ingest", "leaderboard", "portal"):
            stack.enter_context(echo_server(who, getattr(upstreams, who)[0], go_on))
        origin = stack.enter_context(running_front_door(tmp_path_factory.mktemp("door"), ports.take(), upstreams))
        yield stack.enter_context(httpx.Client(base_url=origin, timeout=20))
        go_on.set()


@pytest.mark.parametrize(
    ("method", "path", "who"),
    [
        ("GET", "/", "portal"),
        ("GET", "/challenges/iris", "portal"),
        ("POST", "/login", "portal"),
        ("GET", "/healthz", "portal"),
        ("GET", "/packages/simple/palio/", "portal"),
        ("GET", "/v1/openapi.json", "portal"),
        ("GET", "/v1/me", "ingest"),
        ("GET", "/v1/challenges", "leaderboard"),
        ("GET", "/v1/challenges/iris/leaderboards/public?format=csv", "leaderboard"),
        ("GET", "/v1/submissions/x/log", "leaderboard"),
        ("POST", "/v1/users", "ingest"),
        ("POST", "/v1/challenges/iris/submissions", "ingest"),
        ("PATCH", "/v1/me", "ingest"),
        ("DELETE", "/v1/tokens/1", "ingest"),
    ],
)
def test_reads_go_to_the_leaderboard_writes_to_ingest_and_the_rest_to_the_portal(
    client: httpx.Client, method: str, path: str, who: str
) -> None:
    answer = client.request(method, path).json()
    assert (answer["who"], answer["path"], answer["method"]) == (who, path, method)


def test_asking_for_the_head_only_reaches_the_read_side(client: httpx.Client) -> None:
    answer = client.head("/v1/challenges")
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, "application/json", b"")


@pytest.mark.parametrize(
    "path", ["/metrics", "/readyz", "/v1/metrics", "/v1/readyz", "/v1/healthz", "//metrics", "/%6detrics", "/x/../metrics"]
)
def test_what_operators_ask_of_services_is_not_reachable_from_outside(client: httpx.Client, path: str) -> None:
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=20)
    # Sent as it stands: httpx would tidy the path up first.
    connection.request("GET", path)
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    connection.close()
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert problem["status"] == 404
    assert "nothing at this address" in problem["detail"]


def test_a_path_that_climbs_out_of_the_api_is_passed_on_as_it_stands_and_matches_no_route_there(client: httpx.Client) -> None:
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=20)
    connection.request("GET", "/v1/..%2fmetrics")
    answer = connection.getresponse()
    content = json.loads(answer.read())
    connection.close()
    assert content.get("path") in {None, "/v1/..%2fmetrics"}


def test_too_large_an_upload_is_refused_with_the_limit(client: httpx.Client) -> None:
    answer = client.post("/v1/problems", content=os.urandom(3 * MIB))
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "2MB" in answer.json()["detail"]


def test_an_upload_below_the_limit_arrives(client: httpx.Client) -> None:
    assert client.post("/v1/problems", content=os.urandom(MIB)).json()["who"] == "ingest"


def test_events_arrive_while_the_stream_is_still_open(client: httpx.Client, go_on: threading.Event) -> None:
    with client.stream("GET", "/v1/stream") as answer:
        assert next(answer.iter_lines()) == "event: board"
        go_on.set()


def test_answers_carry_headers_that_keep_browsers_careful(client: httpx.Client) -> None:
    headers = client.get("/").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Server" not in headers


def test_a_client_cannot_claim_another_address(client: httpx.Client) -> None:
    answer = client.get("/v1/challenges", headers={"X-Forwarded-For": "203.0.113.7"})
    assert answer.json()["from"] == "127.0.0.1"


def test_a_service_that_is_away_is_said_to_be_with_the_time_to_try_again(tmp_path: Path) -> None:
    with PortBlock() as ports:
        upstreams = Upstreams([ports.take()], [ports.take()], [ports.take()])
        with running_front_door(tmp_path, ports.take(), upstreams) as origin:
            answer = httpx.get(f"{origin}/v1/challenges", timeout=20)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "application/problem+json")
    assert answer.headers["Retry-After"] == "5"
    assert "Try again" in answer.json()["detail"]


def test_a_request_that_comes_while_a_service_restarts_is_answered_once_it_is_back(tmp_path: Path) -> None:
    go_on = threading.Event()
    with PortBlock() as ports, ExitStack() as stack:
        upstreams = Upstreams([ports.take()], [ports.take()], [ports.take()])
        origin = stack.enter_context(running_front_door(tmp_path, ports.take(), upstreams))
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(httpx.post(f"{origin}/v1/users", json={}, timeout=20)))
        asking.start()
        stack.enter_context(echo_server("ingest", upstreams.ingest[0], go_on))
        asking.join()
    assert answers[0].json()["who"] == "ingest"
