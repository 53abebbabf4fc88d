"""Who looks at the page: the visitor's API token in a cookie that no script can read.

The portal keeps no session of its own; a token that the API no longer takes is simply no login.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from fastapi import Request, Response

from services.portal.upstream import RefusedError, Upstream, UpstreamDownError, Visitor
from services.portal.views import Me, Token

POSITION_COOKIE = "palio_position"
#: Longer than any projection lags in ordinary running; a read with an old position costs nothing.
POSITION_COOKIE_AGE_S = 60
UNAUTHORISED = 401
#: What a token may consist of (RFC 6750, b64token): anything else in the cookie is not ours and goes into no header.
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,4096}=*")
#: A ledger position is a bigint.
POSITION = re.compile(r"[0-9]{1,18}")
#: A path on this origin: one slash first, no second one, nothing that a browser turns into one, no control character.
LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


@dataclass(frozen=True)
class Session:
    """A visitor, and who the write API says it is. `me` is None for a stranger, and while that service is down."""

    visitor: Visitor
    me: Me | None = None

    @property
    def logged_in(self) -> bool:
        """Whether there is a token that was not refused."""
        return self.visitor.token is not None


@dataclass(frozen=True)
class Cookies:
    """How the token travels. Over https the name's `__Host-` prefix makes browsers refuse one set by a neighbouring host."""

    secure: bool
    same_site: Literal["lax"] = "lax"

    @property
    def name(self) -> str:
        """Name of the token's cookie."""
        return "__Host-palio_token" if self.secure else "palio_token"

    def visitor(self, request: Request) -> Visitor:
        """What the cookies of a request say; nonsense in them counts as nothing."""
        token = request.cookies.get(self.name, "")
        position = request.cookies.get(POSITION_COOKIE, "")
        return Visitor(
            token=token if TOKEN.fullmatch(token) else None,
            position=int(position) if POSITION.fullmatch(position) else None,
        )

    def log_in(self, response: Response, token: Token) -> None:
        """Give the browser the token for as long as it is valid."""
        remaining_s = int((token.expires_at - datetime.now(UTC)).total_seconds())
        response.set_cookie(
            self.name, token.token, max_age=max(remaining_s, 0), secure=self.secure, httponly=True, samesite=self.same_site
        )

    def log_out(self, response: Response) -> None:
        """Take the token from the browser."""
        response.delete_cookie(self.name, secure=self.secure, httponly=True, samesite=self.same_site)

    def remember_write(self, response: Response, position: int | None) -> None:
        """Let the next pages wait until they show this write."""
        if position is not None:
            response.set_cookie(
                POSITION_COOKIE,
                str(position),
                max_age=POSITION_COOKIE_AGE_S,
                secure=self.secure,
                httponly=True,
                samesite=self.same_site,
            )


async def session_of(visitor: Visitor, upstream: Upstream) -> Session:
    """Ask the write API whose token this is.

    A refused token becomes a stranger's visit, so that reading goes on; with the write API down the token stays, nameless.
    """
    if visitor.token is None:
        return Session(visitor)
    try:
        me = await upstream.writes.read("/v1/me", Me, visitor)
    except RefusedError as error:
        if error.status == UNAUTHORISED:
            return Session(Visitor(position=visitor.position))
        return Session(visitor)
    except UpstreamDownError:
        return Session(visitor)
    return Session(visitor, me)


def local_path(wanted: str) -> str:
    """Where to go after logging in: the wanted path if it is on this origin, else the first page."""
    return wanted if LOCAL_PATH.fullmatch(wanted) else "/"
