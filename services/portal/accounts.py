"""Registering, logging in and out. The portal keeps no password: it hands a form to the API and gives the browser the token."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.portal.sessions import local_path
from services.portal.site import Site
from services.portal.upstream import RefusedError, Visitor
from services.portal.views import Registered, Token

GET_AND_HEAD = ["GET", "HEAD"]
#: A refusal below this is about what was typed, so the form is shown again with it; from here on it is our trouble.
SERVER_ERROR = 500
#: After a POST: fetch the next page with GET, so that reloading it sends nothing again.
SEE_OTHER = 303

#: A field that is left out counts as empty: the API says what is wrong with that.
Field = Annotated[str, Form()]


@dataclass(frozen=True)
class Accounts:
    """The two forms, and what becomes of them."""

    site: Site

    async def form(self, request: Request, template: str, **typed: str) -> HTMLResponse:
        """A form, with what was typed before."""
        return await self._form(request, template, typed)

    async def log_in(self, name: str, password: str, after: str) -> RedirectResponse:
        """Give the browser a token and send it on. Raises `RefusedError`."""
        credentials = {"name": name, "password": password}
        token, _ = await self.site.upstream.writes.write("/v1/tokens", credentials, Token, Visitor())
        response = RedirectResponse(after, status_code=SEE_OTHER)
        self.site.cookies.log_in(response, token)
        return response

    async def register(self, name: str, email: str, password: str) -> RedirectResponse:
        """Make an account, and log in with it. Raises `RefusedError` if there is none then."""
        account = {"name": name, "email": email, "password": password}
        await self.site.upstream.writes.write("/v1/users", account, Registered, Visitor())
        try:
            return await self.log_in(name, password, "/")
        except RefusedError:
            # The account stands; only the way in is missing. The form again would say that the name is taken.
            return RedirectResponse("/login", status_code=SEE_OTHER)

    async def refused(self, request: Request, template: str, error: RefusedError, **typed: str) -> HTMLResponse:
        """The form again with what was typed, but for the password, and what the API says about it."""
        if error.status >= SERVER_ERROR:
            raise error
        return await self._form(request, template, typed, error=error.detail or error.title, status=error.status)

    async def _form(
        self, request: Request, template: str, typed: Mapping[str, str], *, error: str = "", status: int = 200
    ) -> HTMLResponse:
        values = {"name": "", "email": "", "next": "/", **typed}
        session = await self.site.session(request)
        return self.site.page(request, template, session, status=status, error=error, typed=values)


def account_routes(site: Site) -> APIRouter:
    """`/register`, `/login`, `/logout`."""
    router = APIRouter()
    accounts = Accounts(site)

    @router.api_route("/login", methods=GET_AND_HEAD)
    async def login_form(request: Request, next: str = "/") -> HTMLResponse:  # noqa: A002  (the parameter's name in the URL)
        return await accounts.form(request, "login.html", next=local_path(next))

    @router.post("/login")
    async def login(
        request: Request,
        name: Field = "",
        password: Field = "",
        next: Field = "/",  # noqa: A002  (the field's name in the form)
    ) -> Response:
        after = local_path(next)
        try:
            return await accounts.log_in(name, password, after)
        except RefusedError as error:
            return await accounts.refused(request, "login.html", error, name=name, next=after)

    @router.post("/logout")
    async def logout() -> RedirectResponse:
        response = RedirectResponse("/", status_code=SEE_OTHER)
        site.cookies.log_out(response)
        return response

    @router.api_route("/register", methods=GET_AND_HEAD)
    async def register_form(request: Request) -> HTMLResponse:
        return await accounts.form(request, "register.html")

    @router.post("/register")
    async def register(request: Request, name: Field = "", email: Field = "", password: Field = "") -> Response:
        try:
            return await accounts.register(name, email, password)
        except RefusedError as error:
            return await accounts.refused(request, "register.html", error, name=name, email=email)

    return router
