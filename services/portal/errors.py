"""Errors as pages for people: what happened, and what to do next. Nothing internal is shown; it is in the log."""

from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from services.portal.protection import SECURITY_HEADERS
from services.portal.sessions import Session
from services.portal.site import Site
from services.portal.upstream import RefusedError, UpstreamDownError
from shared.telemetry import get_logger

log = get_logger(__name__)

#: Title and advice by status; the advice is there even if a service says nothing more.
WORDS = {
    400: ("That could not be read", "Go back, and send it again."),
    403: ("Not allowed", "If you think it should be, log in as somebody who may, or ask the challenge's organiser."),
    404: (
        "Not found",
        "The address may be mistyped, or what was here is not there for you. All challenges are on the first page.",
    ),
    405: ("Not possible here", "This address does something else. All challenges are on the first page."),
    409: ("Not now", "Something changed in the meantime. Go back, reload the page, and look again."),
    413: ("Too large", "Go back, and send less."),
    422: ("Something in it is not right", "Go back, mend it, and send it again."),
    429: ("Too often", "Wait a little, and try again."),
    500: (
        "Something broke on our side",
        "It was logged. Try again; if it stays, tell the operator the time and the address of this page.",
    ),
    502: (
        "A part of Palio does not answer",
        "Nothing you did. Submissions that were accepted are safe and go on. Try again in a minute.",
    ),
    503: ("Not yet", "The newest changes are still on their way to this page. Try again in a few seconds."),
}
ELSE = "Go back, and try something else. All challenges are on the first page."
UNAUTHORISED = 401


def install_error_pages(app: FastAPI, site: Site) -> None:
    """Answer every error of this application with a page."""

    def page(request: Request, status: int, detail: str = "") -> HTMLResponse:
        title, advice = WORDS.get(status, (HTTPStatus(status).phrase, ELSE))
        # Without asking who this is: what failed may be just that.
        session = Session(site.cookies.visitor(request))
        return site.page(request, "error.html", session, status=status, title=title, advice=advice, detail=detail)

    @app.exception_handler(RefusedError)
    async def when_refused(request: Request, error: RefusedError) -> Response:
        if error.status == UNAUTHORISED:
            wanted = request.url.path if request.method in {"GET", "HEAD"} else "/"
            response = RedirectResponse(f"/login?next={quote(wanted)}", status_code=303)
            site.cookies.log_out(response)
            return response
        return page(request, error.status, error.detail)

    @app.exception_handler(UpstreamDownError)
    async def when_upstream_is_down(request: Request, error: UpstreamDownError) -> HTMLResponse:
        log.error("upstream_down", upstream=error.service, cause=error.cause, path=request.url.path)
        return page(request, 502)

    @app.exception_handler(RequestValidationError)
    async def when_invalid(request: Request, _error: RequestValidationError) -> HTMLResponse:
        # Only parts of addresses are checked by the framework, such as a submission's id: what can't be one is not there.
        return page(request, 404)

    @app.exception_handler(HTTPException)
    async def when_http_error(request: Request, error: HTTPException) -> HTMLResponse:
        status = HTTPStatus(error.status_code)
        detail = "" if error.detail == status.phrase else str(error.detail)
        response = page(request, status, detail)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def when_broken(request: Request, error: Exception) -> HTMLResponse:
        log.error("request_failed", path=request.url.path, method=request.method, exc_info=error)
        response = page(request, 500)
        # This one answer is given outside the layer that protects all others.
        response.headers.update(SECURITY_HEADERS)
        return response
