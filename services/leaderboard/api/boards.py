"""Routes: boards, as JSON, as CSV, and live."""

import asyncio
import csv
import io
import unicodedata
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import Connection

from services.leaderboard.api.context import Context, event_stream
from services.leaderboard.boards import Board, rank
from services.leaderboard.challenges import find_challenge
from services.leaderboard.moments import Moment, moment_of
from services.leaderboard.submissions import submissions_on_boards
from shared.events import Metric
from shared.final_scores import final_scores
from shared.http import Problem
from shared.visibility import Viewer, sees_private_scores

#: A cell that begins like this is a formula to a spreadsheet.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


AsOf = Annotated[
    str | None,
    Query(
        max_length=40, description="A ledger position, or a time with its zone: the board as it stood then.", examples=["1200"]
    ),
]


class BoardRow(BaseModel):
    """A submission's place. `scores`: validation scores, the official metric first. Times in seconds, summed over folds."""

    rank: int
    team: str
    submission: str
    submission_id: str
    scores: dict[str, float | None]
    train_time_s: float | None
    valid_time_s: float | None
    peak_memory_bytes: int | None
    submitted_at: AwareDatetime


class PrivateBoardRow(BoardRow):
    """What only administrators see before the challenge closes; ranked by `test_scores`."""

    test_scores: dict[str, float | None]
    test_time_s: float | None


class BoardPage(BaseModel):
    """A board as of a ledger position."""

    challenge: str
    board: Board
    position: int
    metrics: list[Metric]
    rows: list[PrivateBoardRow | BoardRow]


def make_router(context: Context) -> APIRouter:
    """The routes of boards."""
    router = APIRouter(tags=["boards"])
    viewers = Annotated[Viewer, Depends(context.viewer)]

    @router.get("/v1/challenges/{challenge_id}/leaderboards/stream", response_class=StreamingResponse)
    async def stream(challenge_id: str) -> StreamingResponse:
        """Server-sent events: the public board now (`event: board`), and again whenever it changes."""
        # Asked first, so that an unknown challenge is a 404 and not a stream that breaks.
        await asyncio.to_thread(read_board, context, challenge_id, Board.PUBLIC)

        async def pages() -> AsyncIterator[tuple[str, str]]:
            sent: list[PrivateBoardRow | BoardRow] | None = None
            async for _ in context.changes.follow():
                page = await asyncio.to_thread(read_board, context, challenge_id, Board.PUBLIC)
                if page.rows != sent:
                    sent = page.rows
                    yield "board", page.model_dump_json()

        return event_stream(pages())

    @router.get(
        "/v1/challenges/{challenge_id}/leaderboards/{board}", responses={HTTPStatus.OK.value: {"content": {"text/csv": {}}}}
    )
    def board(
        challenge_id: str,
        board: Board,
        viewer: viewers,
        response: Response,
        at: AsOf = None,
        format: Literal["json", "csv"] | None = None,  # noqa: A002  (the parameter's name on the wire)
        accept: Annotated[str, Header()] = "",
    ) -> BoardPage:
        """A board: `public` for everybody, `private` for administrators, and for everybody once the challenge is closed.

        With `at`, the board as it stood at that moment, for those who might see it then.
        """
        with context.engine.connect() as connection:
            moment = _moment(connection, challenge_id, at)
            challenge = find_challenge(connection, challenge_id)
        phase = challenge.phase_at(moment.recorded_at) if moment else challenge.phase
        if board is Board.PRIVATE and not sees_private_scores(viewer, phase):
            detail = "The private board is open to administrators, and to everybody once the challenge is closed."
            raise Problem(HTTPStatus.FORBIDDEN, "private-board", detail)
        page = read_board(context, challenge_id, board, moment)
        response.headers["Palio-Position"] = str(page.position)
        if format == "csv" or (format is None and accept.startswith("text/csv")):
            return Response(as_csv(page), media_type="text/csv; charset=utf-8", headers=dict(response.headers))  # type: ignore[return-value]
        return page

    return router


def _moment(connection: Connection, challenge_id: str, at: str | None) -> Moment | None:
    """What `at` means for a challenge; None for now. Raises `Problem` as `moment_of` does, and 404 before the challenge was there."""
    if at is None:
        return None
    moment = moment_of(connection, at)
    if moment.position < find_challenge(connection, challenge_id).created_at_position:
        raise Problem(HTTPStatus.NOT_FOUND, "not-there-then", f"There was no challenge {challenge_id} at that moment.")
    return moment


def read_board(context: Context, challenge_id: str, board: Board, moment: Moment | None = None) -> BoardPage:
    """A board as it stands, or stood. Raises a 404 `Problem` for an unknown challenge."""
    with context.engine.connect() as connection:
        challenge = find_challenge(connection, challenge_id)
        submissions = submissions_on_boards(connection, challenge_id, moment.position if moment else None)
    problem = challenge.problem
    rows: list[PrivateBoardRow | BoardRow] = []
    for row in rank(submissions, problem.metrics, board, problem.score_kind):
        submission = row.submission
        if submission.score is None:
            continue
        shown = BoardRow(
            rank=row.rank,
            team=submission.team,
            submission=submission.name,
            submission_id=str(submission.submission_id),
            scores=final_scores(submission.score, "valid", problem.score_kind),
            train_time_s=submission.train_time_s,
            valid_time_s=submission.valid_time_s,
            peak_memory_bytes=submission.peak_memory_bytes,
            submitted_at=submission.submitted_at,
        )
        if board is Board.PRIVATE:
            test_scores = final_scores(submission.score, "test", problem.score_kind)
            shown = PrivateBoardRow(**shown.model_dump(), test_scores=test_scores, test_time_s=submission.test_time_s)
        rows.append(shown)
    position = moment.position if moment else max((each.changed_at_position for each in submissions), default=0)
    return BoardPage(challenge=challenge_id, board=board, position=position, metrics=list(problem.metrics), rows=rows)


def as_csv(page: BoardPage) -> str:
    """The board as CSV, a column a metric; text that a spreadsheet would take for a formula is quoted."""
    names = [metric.name for metric in page.metrics]
    private = page.board is Board.PRIVATE
    target = io.StringIO()
    writer = csv.writer(target)
    header = ["rank", "team", "submission", *names, *(f"test {name}" for name in names if private)]
    writer.writerow([_harmless(name) for name in (*header, "train_time_s", "valid_time_s", "submitted_at")])
    for row in page.rows:
        test_scores = row.test_scores if isinstance(row, PrivateBoardRow) else {}
        writer.writerow(
            [
                row.rank,
                _harmless(row.team),
                _harmless(row.submission),
                *(row.scores.get(name) for name in names),
                *(test_scores.get(name) for name in names if private),
                row.train_time_s,
                row.valid_time_s,
                row.submitted_at.isoformat(),
            ]
        )
    return target.getvalue()


def _harmless(cell: str) -> str:
    # In its compatible form: to a spreadsheet the wide equals sign of East Asian scripts begins a formula too.
    return f"'{cell}" if unicodedata.normalize("NFKC", cell[:1]).startswith(FORMULA_STARTS) else cell
