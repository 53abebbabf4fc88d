"""The pages about challenges and submissions. Reading only, but for the buttons that join a challenge and withdraw a submission."""

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from services.portal.boards import GET_AND_HEAD, Boards, ChallengeId, Part
from services.portal.site import NOT_CACHED, Site
from services.portal.upstream import Api, RefusedError, Visitor
from services.portal.views import Challenge, Challenges, Joined, Submission

#: The end of a log that the page shows: the newest lines, few enough for a telephone. The whole log is one link away.
SHOWN_LOG_BYTES = 64 * 1024
#: Answers that mean: no log for this visitor.
NO_LOG = frozenset({403, 404})
STATES_WITH_LOG = frozenset({"training", "trained", "scored", "failed"})


@dataclass(frozen=True)
class LogEnd:
    """The end of a log. `is_cut`: there is more before it."""

    text: str
    is_cut: bool


async def log_end(reads: Api, submission: Submission, visitor: Visitor) -> LogEnd | None:
    """The end of a log; None where there is none yet, or none for this visitor. Holds no more of it than it returns.

    Who is logged in is asked for by trying: besides the team, administrators may read it.
    """
    if visitor.token is None or submission.state not in STATES_WITH_LOG:
        return None
    end = bytearray()
    is_cut = False
    try:
        async for chunk in await reads.stream(f"/v1/submissions/{submission.id}/log", visitor):
            end += chunk
            if len(end) > SHOWN_LOG_BYTES:
                is_cut = True
                del end[:-SHOWN_LOG_BYTES]
    except RefusedError as error:
        if error.status in NO_LOG:
            return None
        raise
    if is_cut:
        # From the next whole line on, which also never begins inside a character.
        del end[: end.find(b"\n") + 1]
    return LogEnd(end.decode("utf-8", errors="replace"), is_cut)


def challenge_routes(site: Site) -> APIRouter:
    """The list of challenges, a challenge, its board, joining it."""
    router = APIRouter()
    reads, boards = site.upstream.reads, Boards(site)

    @router.api_route("/", methods=GET_AND_HEAD)
    async def challenges(request: Request) -> HTMLResponse:
        session = await site.session(request)
        listed = await reads.read("/v1/challenges", Challenges, session.visitor)
        return site.page(request, "challenges.html", session, challenges=listed.items)

    @router.api_route("/challenges/{challenge_id}", methods=GET_AND_HEAD)
    async def challenge(request: Request, challenge_id: ChallengeId) -> HTMLResponse:
        session = await site.session(request)
        shown = await reads.read(f"/v1/challenges/{challenge_id}", Challenge, session.visitor)
        own = (await boards.mine(challenge_id, session.visitor)).items if session.logged_in else []
        return site.page(
            request,
            "challenge.html",
            session,
            challenge=shown,
            board=await boards.scored(challenge_id, "public", session.visitor, Part()),
            kind="public",
            part=Part(),
            picture=await boards.picture(challenge_id, "scores", session.visitor),
            own_submissions=own,
            wheel=site.wheels.newest(),
            origin=site.origin,
        )

    @router.api_route("/challenges/{challenge_id}/board", methods=GET_AND_HEAD)
    async def board(request: Request, challenge_id: ChallengeId) -> HTMLResponse:
        # The board is the same for everyone, so the token is not even checked: many watch, and each change asks again.
        visitor = site.cookies.visitor(request)
        shown = await boards.scored(challenge_id, "public", Visitor(position=visitor.position), Part())
        return site.fragment("_board.html", board=shown, part=Part())

    @router.post("/challenges/{challenge_id}/join")
    async def join(request: Request, challenge_id: ChallengeId) -> RedirectResponse:
        visitor = site.cookies.visitor(request)
        if visitor.token is None:
            return RedirectResponse(f"/login?next=/challenges/{challenge_id}", status_code=303)
        _, position = await site.upstream.writes.write(f"/v1/challenges/{challenge_id}/joins", {}, Joined, visitor)
        response = RedirectResponse(f"/challenges/{challenge_id}", status_code=303)
        site.cookies.remember_write(response, position)
        return response

    return router


def submission_routes(site: Site) -> APIRouter:
    """A submission, its state, its log."""
    router = APIRouter()
    reads = site.upstream.reads

    async def read(submission_id: UUID, visitor: Visitor) -> tuple[Submission, LogEnd | None]:
        submission = await reads.read(f"/v1/submissions/{submission_id}", Submission, visitor)
        return submission, await log_end(reads, submission, visitor)

    @router.api_route("/submissions/{submission_id}", methods=GET_AND_HEAD)
    async def submission(request: Request, submission_id: UUID) -> HTMLResponse:
        session = await site.session(request)
        shown, log = await read(submission_id, session.visitor)
        return site.page(request, "submission.html", session, submission=shown, log=log)

    @router.api_route("/submissions/{submission_id}/state", methods=GET_AND_HEAD)
    async def state(request: Request, submission_id: UUID) -> HTMLResponse:
        shown, log = await read(submission_id, site.cookies.visitor(request))
        return site.fragment("_submission.html", submission=shown, log=log)

    @router.post("/submissions/{submission_id}/withdraw")
    async def withdraw(request: Request, submission_id: UUID) -> RedirectResponse:
        visitor = site.cookies.visitor(request)
        if visitor.token is None:
            return RedirectResponse(f"/login?next=/submissions/{submission_id}", status_code=303)
        position = await site.upstream.writes.delete(f"/v1/submissions/{submission_id}", visitor)
        response = RedirectResponse(f"/submissions/{submission_id}", status_code=303)
        site.cookies.remember_write(response, position)
        return response

    @router.api_route("/submissions/{submission_id}/log", methods=GET_AND_HEAD)
    async def whole_log(request: Request, submission_id: UUID) -> Response:
        """The browser has the token only in a cookie that the API does not read; so this passes the log on."""
        chunks = await reads.stream(f"/v1/submissions/{submission_id}/log", site.cookies.visitor(request))
        return StreamingResponse(chunks, media_type="text/plain; charset=utf-8", headers=NOT_CACHED)

    return router
