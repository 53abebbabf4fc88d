"""Routes: boards, as JSON and as CSV."""

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Connection

from services.leaderboard.api.answers import CSV, JSON, Answer, wants_csv
from services.leaderboard.api.board_rows import Asked, BoardPage, KnownRows, as_csv, board_row, part_of
from services.leaderboard.api.context import Context
from services.leaderboard.api.unscored import FAILED, WAITING_OR_RUNNING, UnscoredPage, read_unscored
from services.leaderboard.boards import Board, rank
from services.leaderboard.challenges import Challenge, challenge_as_of, find_challenge
from services.leaderboard.ensembles import Ensemble, find_ensemble
from services.leaderboard.kept_boards import Kept
from services.leaderboard.moments import Moment, moment_in
from services.leaderboard.submissions import Submission, submissions_on_boards
from shared.http import Problem
from shared.visibility import Phase, Viewer, sees_private_scores

AnswerKey = tuple[Board, bool, str | None, str | None, int, int | None]
#: Of one challenge. A crowd asks for the same few; who asks for each part in each order must not fill the memory.
MAX_ANSWERS, MAX_ANSWER_BYTES = 8, 32 * 2**20
At = Annotated[str | None, Query(max_length=40, description="A ledger position, or a time with its zone: as it stood then.")]


def make_router(context: Context) -> APIRouter:
    """The routes of boards."""
    router = APIRouter(tags=["boards"])
    viewers = Annotated[Viewer, Depends(context.looking)]

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
    async def board(
        request: Request, challenge_id: str, board: Board, viewer: viewers, asked: Annotated[Asked, Query()]
    ) -> Response:
        """A board: `public` and `competition` for everybody, the private ones for administrators, and for everybody after the end.

        With `at`, the board as it stood at that moment, for those who might see it then. The `ETag` changes when the answer does.
        """
        csv = wants_csv(request, asked.format)
        if asked.at is not None:
            return (await asyncio.to_thread(then, challenge_id, board, viewer, asked, asked.at, csv=csv)).response(request)
        kept = context.boards.at_hand(challenge_id)
        if kept is None:
            kept = await asyncio.to_thread(context.boards.read, challenge_id)
        check_sees(viewer, board, kept.phase)
        # What was sent before is sent again without a thread: a crowd that looks at one board asks for the same bytes.
        answer = answers_of(kept).get(answer_key(board, asked, csv=csv))
        if answer is None:
            answer = await asyncio.to_thread(make_answer, kept, board, asked, csv=csv)
        return answer.response(request)

    def then(challenge_id: str, board: Board, viewer: Viewer, asked: Asked, at: str, *, csv: bool) -> Answer:
        with context.engine.connect() as connection:
            challenge = find_challenge(connection, challenge_id)
            moment = moment_in(connection, challenge, at)
            check_sees(viewer, board, challenge.phase_at(moment.recorded_at))
            page = part_of(read_board(connection, challenge, board, moment), asked)
        return Answer.of(as_csv(page) if csv else page.model_dump_json(), CSV if csv else JSON, page.position)

    return router


def check_sees(viewer: Viewer, board: Board, phase: Phase) -> None:
    """Raises a 403 `Problem` for a private board before its time."""
    if board.is_private and not sees_private_scores(viewer, phase):
        detail = "The private board is open to administrators, and to everybody once the challenge is closed."
        raise Problem(HTTPStatus.FORBIDDEN, "private-board", detail)


def read_board(connection: Connection, challenge: Challenge, board: Board, moment: Moment) -> BoardPage:
    """A board as it stood."""
    submissions = submissions_on_boards(connection, challenge.challenge_id, moment.position)
    challenge = challenge_as_of(connection, challenge, moment.position)
    ensemble = find_ensemble(connection, challenge, moment.position)
    page = _page(challenge, board, submissions, ensemble, {})
    return page.model_copy(update={"position": moment.position})


def page_of(kept: Kept, board: Board) -> BoardPage:
    """A board as it stands: the very same page as long as it does."""
    if board not in kept.made:
        with kept.making:
            if board not in kept.made:
                submissions = list(kept.submissions.values())
                kept.made[board] = _page(kept.challenge, board, submissions, kept.ensemble, kept.rows)
    page: BoardPage = kept.made[board]
    return page


def answers_of(kept: Kept) -> dict[AnswerKey, Answer]:
    """What was answered out of it so far."""
    answers: dict[AnswerKey, Answer] = kept.made.setdefault("answers", {})
    return answers


def answer_key(board: Board, asked: Asked, *, csv: bool) -> AnswerKey:
    """Equal for what is answered by the same bytes."""
    return board, csv, asked.team, asked.sort, asked.offset, asked.limit


def make_answer(kept: Kept, board: Board, asked: Asked, *, csv: bool) -> Answer:
    """A part of a board as it stands, as it is sent. Raises a 422 `Problem` as `part_of` does."""
    page = part_of(page_of(kept, board), asked)
    answer = Answer.of(as_csv(page) if csv else page.model_dump_json(), CSV if csv else JSON, page.position)
    answers = answers_of(kept)
    with kept.making:
        if sum(len(each.body) for each in answers.values()) > MAX_ANSWER_BYTES or len(answers) >= MAX_ANSWERS:
            answers.clear()
        answers[answer_key(board, asked, csv=csv)] = answer
    return answer


def _page(
    challenge: Challenge, board: Board, submissions: Sequence[Submission], ensemble: Ensemble | None, known: KnownRows
) -> BoardPage:
    metrics, score_kind = challenge.problem.metrics, challenge.problem.score_kind
    names = [metric.name for metric in metrics]
    rows = [board_row(each, board, names, score_kind, ensemble, known) for each in rank(submissions, metrics, board, score_kind)]
    changes = [each.changed_at_position for each in submissions] + ([ensemble.changed_at_position] if ensemble else [])
    # What it is made of was checked where it was read; checking ten thousand rows again takes as long as all else.
    return BoardPage.model_construct(
        challenge=challenge.challenge_id,
        board=board,
        position=max(changes, default=0),
        metrics=list(metrics),
        combined=ensemble.combined("test" if board.is_private else "valid") if ensemble else {},
        n_rows=len(rows),
        rows=rows,
    )
