"""Routes: users, tokens, me."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from services.ingest.accounts import account_of, issue_token, register
from services.ingest.api.context import POSITION_HEADER, Context
from shared.vault import Principal


class NewUser(BaseModel):
    """Who registers."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(examples=["ada"])
    email: str = Field(examples=["ada@example.org"])
    password: SecretStr


class User(BaseModel):
    """Who registered, and their one-person team."""

    id: str
    name: str
    team_id: str


class Login(BaseModel):
    """Who wants a token."""

    model_config = ConfigDict(extra="forbid")

    name: str
    password: SecretStr


class Token(BaseModel):
    """A bearer token, shown this once."""

    token: str
    expires_at: AwareDatetime


class Team(BaseModel):
    """A team by id and name."""

    id: str
    name: str


class Me(BaseModel):
    """The person asking."""

    id: str
    name: str
    email: str
    administrator: bool
    team: Team


def make_router(context: Context) -> APIRouter:
    """The routes of accounts."""
    router = APIRouter(tags=["accounts"])

    @router.post("/v1/users", status_code=HTTPStatus.CREATED)
    def create_user(new: NewUser, response: Response) -> User:
        """Register an account; its person is a team of one."""
        registration = register(context.engine, new.name, new.email, new.password.get_secret_value())
        response.headers[POSITION_HEADER] = str(registration.position)
        account = registration.account
        return User(id=str(account.user_id), name=account.name, team_id=str(account.team_id))

    @router.post("/v1/tokens", status_code=HTTPStatus.CREATED)
    def create_token(login: Login) -> Token:
        """Log in: a token to send as `Authorization: Bearer`."""
        issued = issue_token(context.engine, login.name, login.password.get_secret_value(), context.settings.token_days)
        return Token(token=issued.token, expires_at=issued.expires_at)

    @router.get("/v1/me")
    def me(person: Annotated[Principal, Depends(context.person)]) -> Me:
        """Who the token belongs to."""
        with context.engine.connect() as connection:
            account = account_of(connection, person)
        team = Team(id=str(account.team_id), name=account.name)
        return Me(id=str(account.user_id), name=account.name, email=account.email, administrator=person.administrator, team=team)

    return router
