"""Routes: boards, as JSON and as CSV."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Connection

from services.leaderboard.api.answers import CSV, JSON, tagged, wants_csv
from services.leaderboard.api.board_rows import Asked, BoardPage, as_csv, board_row, part_of
from services.leaderboard.api.context import Context
from services.leaderboard.api.unscored import FAILED, WAITING_OR_RUNNING, UnscoredPage, read_unscored
from services.leaderboard.boards import Board, rank
from services.leaderboard.challenges import Challenge, find_challenge
from services.leaderboard.ensembles import find_ensemble
from services.leaderboard.moments import Moment, moment_for
from services.leaderboard.submissions import submissions_on_boards
from shared.http import Problem
from shared.visibility import Phase, Viewer, sees_private_scores

At = Annotated[str | None, Query(max_length=40, description="A ledger position, or a time with its zone: as it stood then.")]


def make_router(context: Context) -> APIRouter:
    """The routes of boards."""
    router = APIRouter(tags=["boards"])
    viewers = Annotated[Viewer, Depends(context.viewer)]

    @router.get("/v1/challenges/{challenge_id}/leaderboards/new")
    def new(challenge_id: str, at: At = None) -> UnscoredPage:
        """What waits, runs, or is not scored yet, the oldest first, each with its place in the queue of its pool."""
        return read_unscored(context, challenge_id, WAITING_OR_RUNNING, at, oldest_first=True)

    @router.get("/v1/challenges/{challenge_id}/leaderboards/failed")
    def failed(challenge_id: str, at: At = None) -> UnscoredPage:
        """What failed, the newest first. Why, its team is told at the submission itself."""
        return read_unscored(context, challenge_id, FAILED, at, oldest_first=False)

    @router.get(
        "/v1/challenges/{challenge_id}/leaderboards/{board}",
        response_model=BoardPage,
        responses={HTTPStatus.OK.value: {"content": {"text/csv": {}}}, HTTPStatus.NOT_MODIFIED.value: {}},
    )
    def board(request: Request, challenge_id: str, board: Board, viewer: viewers, asked: Annotated[Asked, Query()]) -> Response:
        """A board: `public` and `competition` for everybody, the private ones for administrators, and for everybody after the end.

        With `at`, the board as it stood at that moment, for those who might see it then. The `ETag` changes when the answer does.
        """
        with context.engine.connect() as connection:
            challenge = find_challenge(connection, challenge_id)
            moment = moment_for(connection, challenge, asked.at)
            phase = challenge.phase_at(moment.recorded_at) if moment else challenge.phase
            check_sees(viewer, board, phase)
            page = part_of(read_board(connection, challenge, board, moment), asked)
        if wants_csv(request, asked.format):
            return tagged(request, as_csv(page), CSV, page.position)
        return tagged(request, page.model_dump_json(), JSON, page.position)

    return router


def check_sees(viewer: Viewer, board: Board, phase: Phase) -> None:
    """Raises a 403 `Problem` for a private board before its time."""
    if board.is_private and not sees_private_scores(viewer, phase):
        detail = "The private board is open to administrators, and to everybody once the challenge is closed."
        raise Problem(HTTPStatus.FORBIDDEN, "private-board", detail)


def read_board(connection: Connection, challenge: Challenge, board: Board, moment: Moment | None = None) -> BoardPage:
    """A board as it stands, or stood."""
    submissions = submissions_on_boards(connection, challenge.challenge_id, moment.position if moment else None)
    metrics, score_kind = challenge.problem.metrics, challenge.problem.score_kind
    names = [metric.name for metric in metrics]
    ensemble = find_ensemble(connection, challenge.challenge_id, moment.position if moment else None)
    rows = [board_row(each, board, names, score_kind, ensemble) for each in rank(submissions, metrics, board, score_kind)]
    changes = [each.changed_at_position for each in submissions] + ([ensemble.from_position] if ensemble else [])
    return BoardPage(
        challenge=challenge.challenge_id,
        board=board,
        position=moment.position if moment else max(changes, default=0),
        metrics=list(metrics),
        combined=ensemble.combined("test" if board.is_private else "valid") if ensemble else {},
        n_rows=len(rows),
        rows=rows,
    )
