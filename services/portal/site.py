"""What every page has: the templates, the two APIs, the cookies, and one way to make an answer."""

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from services.portal.packages import WheelFolder
from services.portal.sessions import Cookies, Session, session_of
from services.portal.upstream import Upstream

#: Pages differ by visitor and change with every event.
NOT_CACHED = {"Cache-Control": "no-store", "Vary": "Cookie"}


@dataclass(frozen=True)
class Site:
    """The parts of the portal, put together by `main.py`."""

    upstream: Upstream
    templates: Environment
    cookies: Cookies
    wheels: WheelFolder
    #: Without a slash at the end.
    origin: str

    async def session(self, request: Request) -> Session:
        """Who is looking."""
        return await session_of(self.cookies.visitor(request), self.upstream)

    def page(self, request: Request, template: str, session: Session, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page. A cookie whose token the API refused is taken back on the way."""
        html = self.templates.get_template(template).render(session=session, path=request.url.path, **values)
        response = HTMLResponse(html, status_code=status, headers=NOT_CACHED)
        if self.cookies.name in request.cookies and not session.logged_in:
            self.cookies.log_out(response)
        return response

    def fragment(self, template: str, **values: Any) -> HTMLResponse:
        """A part of a page, which the page's script puts in the place of the old one."""
        return HTMLResponse(self.templates.get_template(template).render(**values), headers=NOT_CACHED)
