"""The client: one method an endpoint.

Writes are sent once, except a submission, whose key makes a repetition harmless. Reads name the position of the last write
of this client, so that they see it. Every method raises ApiError for an answer that is an error, and ServerUnreachableError when
none comes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, cast
from uuid import uuid4

import httpx

if TYPE_CHECKING:
    from typing_extensions import Self

from palio.client.answers import (
    Board,
    Challenge,
    DecidedPool,
    Ensemble,
    Environment,
    Grades,
    History,
    Join,
    KitFault,
    KitFaultDetail,
    LogLines,
    Pool,
    Problem,
    Submission,
    Token,
    UnscoredBoard,
    User,
)
from palio.client.errors import ApiError, unreachable
from palio.client.index import WheelLinks
from palio.client.watching import FINAL_STATES, printed_lines, watched

__all__ = ["FINAL_STATES", "Client"]

#: Called while a body arrives, with the bytes so far and the bytes in all, if known.
Progress = Callable[[int, "int | None"], None]

POSITION = "Palio-Position"
SERVICE_UNAVAILABLE = 503
FIRST_ERROR = 400
#: How often a read is repeated that the server asks to repeat, and the longest wait between, in seconds.
READ_ATTEMPTS = 10
LONGEST_WAIT_S = 5.0
SUBMIT_ATTEMPTS = 3


class Client:
    """The API of one server, as one user or as nobody. Use it as a context manager, or call `close`."""

    def __init__(self, server: str, token: str | None = None, *, timeout_s: float = 30.0) -> None:
        self.server = server.rstrip("/")
        headers = {"Accept": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(base_url=self.server, headers=headers, timeout=timeout_s, follow_redirects=True)
        #: Where the ledger stood after this client's last write.
        self._position: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    # People

    def register(self, name: str, email: str, password: str) -> User:
        """Make an account, with a team of one."""
        return cast("User", self._write("/v1/users", json={"name": name, "email": email, "password": password}).json())

    def login(self, name: str, password: str) -> Token:
        """A token for the account; this client goes on as it was."""
        return cast("Token", self._write("/v1/tokens", json={"name": name, "password": password}).json())

    def me(self) -> User:
        """Whose token this is."""
        return cast("User", self._read("/v1/me").json())

    # Challenges

    def challenges(self) -> list[Challenge]:
        """All that one may see."""
        return cast("list[Challenge]", self._read("/v1/challenges").json()["items"])

    def challenge(self, challenge: str) -> Challenge:
        """One challenge."""
        return cast("Challenge", self._read(f"/v1/challenges/{challenge}").json())

    def join(self, challenge: str) -> Join:
        """Enter one's team."""
        return cast("Join", self._write(f"/v1/challenges/{challenge}/joins").json())

    def environment(self, challenge: str) -> Environment:
        """What its submissions run in."""
        return cast("Environment", self._read(f"/v1/challenges/{challenge}/environment").json())

    def starting_kit(self, challenge: str, into: BinaryIO, progress: Progress | None = None) -> None:
        """Download the starting kit, a zip archive."""
        self.download(f"/v1/challenges/{challenge}/starting-kit", into, progress)

    def board(self, challenge: str, board: str = "public", asked: Mapping[str, str] | None = None) -> Board:
        """A leaderboard: `public`, `private`, `competition` or `private-competition`.

        `asked`: `at` (as it stood at a ledger position, or a time with its zone), `team`, `sort`, `offset`, `limit`.
        """
        return cast("Board", self._read(f"/v1/challenges/{challenge}/leaderboards/{board}", params=dict(asked or {})).json())

    def board_csv(self, challenge: str, board: str = "public", asked: Mapping[str, str] | None = None) -> str:
        """A leaderboard as CSV."""
        path = f"/v1/challenges/{challenge}/leaderboards/{board}"
        return self._read(path, params={**(asked or {}), "format": "csv"}, headers={"Accept": "text/csv"}).text

    def grades(self, challenge: str) -> Grades:
        """Each person's grade, for the challenge's organiser and administrators."""
        return cast("Grades", self._read(f"/v1/challenges/{challenge}/grades").json())

    def grades_csv(self, challenge: str) -> str:
        """The grades as CSV."""
        return self._read(f"/v1/challenges/{challenge}/grades", params={"format": "csv"}, headers={"Accept": "text/csv"}).text

    def code_of_all(self, challenge: str, into: BinaryIO, progress: Progress | None = None) -> None:
        """Download everything that was handed in, a zip archive."""
        self.download(f"/v1/challenges/{challenge}/grades/code", into, progress)

    def unscored_board(self, challenge: str, board: str, asked: Mapping[str, str] | None = None) -> UnscoredBoard:
        """The `new` or the `failed` submissions of a challenge, now or `at` a moment."""
        return cast("UnscoredBoard", self._read(f"/v1/challenges/{challenge}/leaderboards/{board}", params=asked).json())

    def ensemble(self, challenge: str, asked: Mapping[str, str] | None = None) -> Ensemble:
        """The ensemble of a challenge, now or `at` a moment."""
        return cast("Ensemble", self._read(f"/v1/challenges/{challenge}/leaderboards/ensemble", params=dict(asked or {})).json())

    def faults(self, challenge: str) -> list[KitFault]:
        """The newest failures of a challenge's own code, for its organiser."""
        return cast("list[KitFault]", self._read(f"/v1/challenges/{challenge}/faults").json()["items"])

    def fault(self, challenge: str, position: int) -> KitFaultDetail:
        """One of them, with what the code said."""
        return cast("KitFaultDetail", self._read(f"/v1/challenges/{challenge}/faults/{position}").json())

    def create_challenge(self, challenge: str, title: str, problem: str, settings: Mapping[str, Any] | None = None) -> Challenge:
        """Open a challenge on a prepared problem; `settings` are the API's further members, such as `closes_at`."""
        body = {"id": challenge, "title": title, "problem": problem, **(settings or {})}
        return cast("Challenge", self._write("/v1/challenges", json=body).json())

    # Problems

    def publish_problem(
        self, problem: str, kit: Path, private: Path | None, settings: Mapping[str, Any] | None = None
    ) -> Problem:
        """Upload a version of a problem: its two archives, and `settings`, the API's further form fields."""
        with kit.open("rb") as kit_file:
            files = [("kit", (kit.name, kit_file, "application/gzip"))]
            if private is None:
                return self._publish(problem, files, settings)
            with private.open("rb") as private_file:
                return self._publish(problem, [*files, ("private", (private.name, private_file, "application/gzip"))], settings)

    def _publish(self, problem: str, files: Any, settings: Mapping[str, Any] | None) -> Problem:
        # The body may be hundreds of megabytes: only a standstill is a fault, not a long upload.
        return cast("Problem", self._write("/v1/problems", data={"id": problem, **(settings or {})}, files=files).json())

    def problem(self, problem: str) -> Problem:
        """The newest version of a problem, for its organiser."""
        return cast("Problem", self._read(f"/v1/problems/{problem}").json())

    # Submissions

    def submit(self, challenge: str, name: str, files: Mapping[str, bytes], key: str | None = None) -> Submission:
        """Hand in files under a name.

        Sent again when the connection breaks: the server takes what comes with the same `key` as one submission.
        """
        headers = {"Idempotency-Key": key or str(uuid4())}
        parts = [("files", (file, content, "application/octet-stream")) for file, content in files.items()]
        path = f"/v1/challenges/{challenge}/submissions"
        for attempt in range(1, SUBMIT_ATTEMPTS + 1):
            try:
                response = self._send("POST", path, data={"name": name}, files=parts, headers=headers)
                break
            except httpx.HTTPError as error:
                if attempt == SUBMIT_ATTEMPTS:
                    raise unreachable(self.server, error) from error
        return cast("Submission", self._written(response).json())

    def submissions(self, challenge: str) -> list[Submission]:
        """One's team's submissions."""
        return cast("list[Submission]", self._read("/v1/submissions", params={"challenge": challenge}).json()["items"])

    def submission(self, submission: str) -> Submission:
        """One submission with its state, scores and times."""
        return cast("Submission", self._read(f"/v1/submissions/{submission}").json())

    def history(self, submission: str) -> History:
        """Everything that the ledger says about a submission."""
        return cast("History", self._read(f"/v1/submissions/{submission}/history").json())

    def withdraw(self, submission: str) -> None:
        """Take a submission back whose training is not over. Twice is once."""
        self._written(self._reached(lambda: self._send("DELETE", f"/v1/submissions/{submission}")))

    def log(self, submission: str) -> str:
        """What the submission printed."""
        return self._read(f"/v1/submissions/{submission}/log", headers={"Accept": "text/plain"}).text

    def watch(self, submission: str) -> Iterator[Submission]:
        """The submission now and after each change, until a final state. See `palio.client.watching`."""
        return watched(self._http, submission, lambda: self.submission(submission), self._position_header())

    def printed_lines(self, submission: str) -> Iterator[LogLines]:
        """What the submission prints while it runs, as it comes. See `palio.client.watching`."""
        return printed_lines(self._http, submission, self._position_header())

    # Pools of trainers

    def pools(self) -> list[Pool]:
        """Each pool as the orchestrator said last; for administrators."""
        return cast("list[Pool]", self._read("/v1/pools").json()["items"])

    def decide_pool(self, pool: str, decision: str, reason: str = "") -> DecidedPool:
        """`pause`, `drain` or `resume` a pool; twice is once. For administrators."""
        return cast("DecidedPool", self._write(f"/v1/pools/{pool}/{decision}", json={"reason": reason}).json())

    # Packages

    def wheels(self) -> list[str]:
        """The file names of palio's wheels that the server offers under `/packages/`."""
        page = WheelLinks()
        page.feed(self._read("/packages/simple/palio/", headers={"Accept": "text/html"}).text)
        return page.names

    # Transport

    def download(self, path: str, into: BinaryIO, progress: Progress | None = None) -> None:
        """Write what is at this path into a file, piece by piece."""
        try:
            with self._http.stream("GET", path, headers={"Accept": "*/*"}) as response:
                if response.status_code >= FIRST_ERROR:
                    response.read()
                    raise ApiError.from_response(response)
                length = response.headers.get("Content-Length")
                for piece in response.iter_bytes():
                    into.write(piece)
                    if progress is not None:
                        progress(response.num_bytes_downloaded, int(length) if length else None)
        except httpx.HTTPError as error:
            raise unreachable(self.server, error) from error

    def _read(
        self, path: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                response = self._send("GET", path, params=params, headers={**self._position_header(), **(headers or {})})
            except httpx.HTTPError as error:
                raise unreachable(self.server, error) from error
            # What was written is on its way to where it is read; the server says when to look again.
            wait_s = _retry_after_s(response)
            if wait_s is None or attempt == READ_ATTEMPTS:
                break
            time.sleep(wait_s)
        if response.status_code >= FIRST_ERROR:
            raise ApiError.from_response(response)
        return response

    def _write(self, path: str, **content: Any) -> httpx.Response:
        return self._written(self._reached(lambda: self._send("POST", path, **content)))

    def _reached(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        try:
            return send()
        except httpx.HTTPError as error:
            raise unreachable(self.server, error) from error

    def _written(self, response: httpx.Response) -> httpx.Response:
        if response.status_code >= FIRST_ERROR:
            raise ApiError.from_response(response)
        self._position = response.headers.get(POSITION, self._position)
        return response

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        return self._http.request(method, path, **content)

    def _position_header(self) -> dict[str, str]:
        return {} if self._position is None else {POSITION: self._position}


def _retry_after_s(response: httpx.Response) -> float | None:
    """Seconds to wait before asking again, if the server asks for that."""
    asked = response.headers.get("Retry-After", "")
    if response.status_code != SERVICE_UNAVAILABLE or not asked.isdigit():
        return None
    return min(float(asked), LONGEST_WAIT_S)
