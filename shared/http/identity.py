"""Who is asking: the bearer token of a request, as FastAPI dependencies."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from shared.http.problems import Problem
from shared.vault import Principal, authenticate

bearer = HTTPBearer(auto_error=False, description="A token from `POST /v1/tokens`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


def optional_principal(engine: Engine) -> Callable[[Credentials], Principal | None]:
    """A dependency: the person asking, or None without a token. A wrong or expired token is 401, never nobody."""

    def dependency(credentials: Credentials) -> Principal | None:
        if credentials is None:
            return None
        with engine.connect() as connection:
            principal = authenticate(connection, credentials.credentials)
        if principal is None:
            raise unauthorised("The token is unknown or has expired. Log in again: palio login, or POST /v1/tokens.")
        return principal

    return dependency


def unauthorised(detail: str) -> Problem:
    """401 with the header that says how to authenticate."""
    return Problem(HTTPStatus.UNAUTHORIZED, "not-authenticated", detail, headers={"WWW-Authenticate": "Bearer"})


def require(principal: Principal | None) -> Principal:
    """The person asking; 401 for nobody."""
    if principal is None:
        raise unauthorised("This needs a token. Log in: palio login, or POST /v1/tokens.")
    return principal


def require_administrator(principal: Principal | None) -> Principal:
    """The administrator asking; 403 for anybody else."""
    person = require(principal)
    if not person.administrator:
        raise Problem(HTTPStatus.FORBIDDEN, "not-administrator", "Only administrators may do this. Ask one, or to become one.")
    return person
