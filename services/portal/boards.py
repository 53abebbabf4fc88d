"""The pages of boards: each in the order and of the team that somebody asks for, by links and a form, so without scripts."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from services.portal.pictures import PICTURES
from services.portal.plots import Picture
from services.portal.rendering import ROWS_PER_PAGE
from services.portal.site import NOT_CACHED, Site
from services.portal.upstream import Visitor
from services.portal.views import Board, Challenge, Submissions, UnscoredBoard

GET_AND_HEAD = ["GET", "HEAD"]
#: Slugs of challenges; anything else is not even asked for, so a path never reaches another endpoint of an API.
ChallengeId = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9_-]{1,62}$")]
Scored = Literal["public", "competition", "private", "private-competition"]
Unscored = Literal["new", "failed"]
AnyBoard = Scored | Unscored | Literal["mine"]


@dataclass(frozen=True)
class Part:
    """Which rows of a board, in which order. Empty: all, by rank."""

    team: str = ""
    sort: str = ""
    offset: int = 0

    @property
    def query(self) -> str:
        """As the end of an address: empty, or from the question mark on."""
        given = {name: str(value) for name, value in vars(self).items() if value}
        return f"?{urlencode(given)}" if given else ""

    @property
    def asked(self) -> dict[str, str]:
        """As the read API is asked."""
        return {name: str(value) for name, value in vars(self).items() if value} | {"limit": str(ROWS_PER_PAGE)}

    def of_team(self, team: str) -> "Part":
        """Only this team's."""
        return replace(self, team=team, offset=0)

    def by(self, column: str, *, largest_first: bool = False) -> "Part":
        """In the order of a column; in the opposite one if that is the order already. By rank for no column."""
        sort = f"{'-' if largest_first else ''}{column}"
        if sort == self.sort and column:
            sort = column if largest_first else f"-{column}"
        return replace(self, sort=sort, offset=0)

    def order_of(self, column: str) -> str | None:
        """How the rows are ordered by a column, in the words of `aria-sort`; None if they are not."""
        return {column: "ascending", f"-{column}": "descending"}.get(self.sort) if column or not self.sort else None

    def from_row(self, offset: int) -> "Part":
        """From another row on."""
        return replace(self, offset=max(offset, 0))


async def part_of(
    team: Annotated[str, Query(max_length=200)] = "",
    sort: Annotated[str, Query(max_length=200)] = "",
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> Part:
    """A dependency: the part that an address asks for."""
    return Part(team, sort, offset)


class Boards:
    """Reads boards, for whoever looks."""

    def __init__(self, site: Site) -> None:
        self._reads = site.upstream.reads

    async def challenge(self, challenge_id: str, visitor: Visitor) -> Challenge:
        """What the board is of."""
        return await self._reads.read(f"/v1/challenges/{challenge_id}", Challenge, visitor)

    async def scored(self, challenge_id: str, board: Scored, visitor: Visitor, part: Part) -> Board:
        """A part of a board of scored submissions."""
        return await self._reads.read(f"/v1/challenges/{challenge_id}/leaderboards/{board}", Board, visitor, part.asked)

    async def unscored(self, challenge_id: str, board: Unscored, visitor: Visitor) -> UnscoredBoard:
        """What waits or runs, or what failed."""
        return await self._reads.read(f"/v1/challenges/{challenge_id}/leaderboards/{board}", UnscoredBoard, visitor)

    async def picture(self, challenge_id: str, kind: str, visitor: Visitor) -> Picture | None:
        """A plot of public scores, drawn; None where there is nothing to see."""
        view, draw = PICTURES[kind]
        return draw(await self._reads.read(f"/v1/challenges/{challenge_id}/plots/{kind}", view, visitor))

    async def mine(self, challenge_id: str, visitor: Visitor) -> Submissions:
        """The submissions of the visitor's own teams."""
        return await self._reads.read("/v1/submissions", Submissions, visitor, {"challenge": challenge_id})


def board_routes(site: Site) -> APIRouter:
    """Each board as a page, and what its script puts in the place of the table."""
    router = APIRouter()
    boards = Boards(site)
    asked_part = Annotated[Part, Depends(part_of)]

    async def table(challenge_id: str, board: AnyBoard, visitor: Visitor, part: Part) -> tuple[str, dict[str, Any]]:
        """The template of a board's table, and what it shows."""
        match board:
            case "mine":
                return "_mine.html", {"submissions": (await boards.mine(challenge_id, visitor)).items}
            case "new" | "failed":
                return "_unscored.html", {"kind": board, "board": await boards.unscored(challenge_id, board, visitor)}
            case "public" | "competition" | "private" | "private-competition":
                shown = await boards.scored(challenge_id, board, visitor, part)
                return "_board.html", {"board": shown, "part": part}

    @router.api_route("/challenges/{challenge_id}/boards/{board}", methods=GET_AND_HEAD)
    async def page(request: Request, challenge_id: ChallengeId, board: AnyBoard, part: asked_part) -> Response:
        session = await site.session(request)
        if board == "mine" and not session.logged_in:
            return RedirectResponse(f"/login?next={request.url.path}", status_code=303)
        challenge = await boards.challenge(challenge_id, session.visitor)
        template, values = await table(challenge_id, board, session.visitor, part)
        values |= {"challenge": challenge, "kind": board, "part": part, "table": template}
        return site.page(request, "board.html", session, **values)

    @router.api_route("/challenges/{challenge_id}/plots", methods=GET_AND_HEAD)
    async def plots(request: Request, challenge_id: ChallengeId) -> HTMLResponse:
        session = await site.session(request)
        challenge = await boards.challenge(challenge_id, session.visitor)
        drawn = {kind: await boards.picture(challenge_id, kind, session.visitor) for kind in PICTURES}
        pictures = {kind: picture for kind, picture in drawn.items() if picture}
        return site.page(request, "plots.html", session, challenge=challenge, pictures=pictures)

    @router.api_route("/challenges/{challenge_id}/boards/{board}/table", methods=GET_AND_HEAD)
    async def fragment(request: Request, challenge_id: ChallengeId, board: AnyBoard, part: asked_part) -> HTMLResponse:
        template, values = await table(challenge_id, board, site.cookies.visitor(request), part)
        return site.fragment(template, **values)

    @router.api_route("/challenges/{challenge_id}/boards/{board}/csv", methods=GET_AND_HEAD)
    async def as_csv(request: Request, challenge_id: ChallengeId, board: Scored, part: asked_part) -> Response:
        """The browser has the token only in a cookie that the API does not read; so this passes a private board on."""
        query = replace(part, offset=0).query
        address = f"/v1/challenges/{challenge_id}/leaderboards/{board}{query}{'&' if query else '?'}format=csv"
        chunks = await site.upstream.reads.stream(address, site.cookies.visitor(request))
        headers = {**NOT_CACHED, "Content-Disposition": f'attachment; filename="{challenge_id}-{board}.csv"'}
        return StreamingResponse(chunks, media_type="text/csv; charset=utf-8", headers=headers)

    return router
