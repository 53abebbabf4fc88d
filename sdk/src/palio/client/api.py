"""The client: one method an endpoint.

Writes are sent once, except a submission, whose key makes a repetition harmless. Reads see what this client wrote. Every method
raises ApiError for an answer that is an error, and ServerUnreachableError when none comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import uuid4

import httpx

from palio.client.answers import (
    Board,
    Challenge,
    Credits,
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
from palio.client.errors import unreachable
from palio.client.index import WheelLinks
from palio.client.run_answers import Reproduction, Rescoring, RescoringStep, Retraining, Runs
from palio.client.transport import Progress, Transport
from palio.client.watching import FINAL_STATES, printed_lines, watched

__all__ = ["FINAL_STATES", "Client"]

SUBMIT_ATTEMPTS = 3


class Client(Transport):
    """The API of one server, as one user or as nobody. Use it as a context manager, or call `close`."""

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

    def credit(self, submission: str, sources: Sequence[tuple[str, int]]) -> None:
        """Say what percentage of a submission was taken from each of these earlier ones, in place of what was said before.

        Refused as `code-not-open` for another team's before the challenge's code is open, as `bad-credits` where they can't be. Twice
        is once.
        """
        body = {"credits": [{"submission": source, "percent": percent} for source, percent in sources]}
        self._written(self._reached(lambda: self._send("PUT", f"/v1/submissions/{submission}/credits", json=body)))

    def credits(self, submission: str) -> Credits:
        """What it gives, and what it received."""
        return cast("Credits", self._read(f"/v1/submissions/{submission}/credits").json())

    def log(self, submission: str) -> str:
        """What the submission printed."""
        return self._read(f"/v1/submissions/{submission}/log", headers={"Accept": "text/plain"}).text

    def watch(self, submission: str) -> Iterator[Submission]:
        """The submission now and after each change, until a final state. See `palio.client.watching`."""
        return watched(self._http, submission, lambda: self.submission(submission), self._position_header())

    def printed_lines(self, submission: str) -> Iterator[LogLines]:
        """What the submission prints while it runs, as it comes. See `palio.client.watching`."""
        return printed_lines(self._http, submission, self._position_header())

    # Other runs, and other versions of a problem: for organisers

    def runs(self, submission: str) -> Runs:
        """Every run of a submission, and which of them boards show."""
        return cast("Runs", self._read(f"/v1/submissions/{submission}/runs").json())

    def retrain(
        self,
        challenge: str,
        submissions: Sequence[str] | None = None,
        problem_version: int | None = None,
        *,
        again: bool = False,
        reason: str = "",
    ) -> Retraining:
        """Ask for one more run of these submissions, or of all, on a version of the problem, or on the challenge's.

        Twice is once, unless `again` is said.
        """
        body = {"submissions": submissions, "problem_version": problem_version, "again": again, "reason": reason}
        return cast("Retraining", self._write(f"/v1/challenges/{challenge}/retrainings", json=body).json())

    def reproduce(self, submission: str, run: int | None = None, reason: str = "") -> Reproduction:
        """Ask for a run to be made once more and compared: that with this number, or the newest that is trained."""
        body = {"run": run, "reason": reason}
        return cast("Reproduction", self._write(f"/v1/submissions/{submission}/reproductions", json=body).json())

    def rescore(self, challenge: str, problem_version: int | None = None) -> RescoringStep:
        """Ask for the dry run of a version of the problem, or of the newest that is prepared. Twice is once."""
        body = {"problem_version": problem_version}
        return cast("RescoringStep", self._write(f"/v1/challenges/{challenge}/rescorings", json=body).json())

    def rescoring(self, challenge: str, problem_version: int) -> Rescoring:
        """How that stands, and whose place moves."""
        return cast("Rescoring", self._read(f"/v1/challenges/{challenge}/rescorings/{problem_version}").json())

    def confirm_rescoring(self, challenge: str, problem_version: int, *, without_missing: bool = False) -> RescoringStep:
        """Let the challenge run that version. Twice is once.

        Refused as `rescoring-not-ready` before the dry run is done, and as `scores-missing` where submissions would leave the
        boards, unless `without_missing` is said.
        """
        path = f"/v1/challenges/{challenge}/rescorings/{problem_version}/confirmation"
        return cast("RescoringStep", self._write(path, json={"without_missing": without_missing}).json())

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
