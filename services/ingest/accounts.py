"""Accounts: register, log in, who am I. Everyone is a team of one at first."""

import os
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from uuid import UUID, uuid4

from pwdlib import PasswordHash
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from services.ingest.names import clean_name, is_visible, name_key
from shared.events import AdministratorAppointed, Metadata, TeamCreated, UserRegistered
from shared.http import Problem
from shared.http.identity import unauthorised
from shared.ledger import NewEvent, append
from shared.vault import Principal, create_key, hash_token, seal

PASSWORDS = PasswordHash.recommended()
#: Compared against when there is no such account, so that the answer takes as long.
NOBODYS_HASH = PASSWORDS.hash(secrets.token_hex(16))
MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 1_000
#: The longest address that SMTP takes.
MAX_EMAIL_LENGTH = 254
#: Each takes 64 MB and a processor for a while, and anybody may ask: no more at a time than there are processors.
HASHING = threading.BoundedSemaphore(os.cpu_count() or 1)
#: One @, no spaces or control characters, something with a dot or a bare host after it. Whether it takes mail, only mail tells.
EMAIL = re.compile(r"[^\s@<>\"(),:;\\]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*")


@dataclass(frozen=True)
class Account:
    """A person as they see themselves."""

    user_id: UUID
    name: str
    email: str
    team_id: UUID


@dataclass(frozen=True)
class Registration:
    """A new account, and the ledger position at which it exists."""

    account: Account
    position: int


def register(engine: Engine, name: str, email: str, password: str) -> Registration:
    """Make an account and its one-person team. Raises `Problem`: 409 for a name or address that is taken, 422 for a bad one."""
    name = clean_name(name, "name")
    email = email.strip()
    if len(email) > MAX_EMAIL_LENGTH or not is_visible(email) or not EMAIL.fullmatch(email):
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-email", "This is not a mail address, such as ada@example.org.")
    if not MIN_PASSWORD_LENGTH <= len(password) <= MAX_PASSWORD_LENGTH:
        detail = f"A password has {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-password", detail)
    if not _is_text(password):
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "bad-password", "The password holds a character that is none. Choose another one."
        )
    # Slow on purpose, so before the transaction.
    with HASHING:
        password_hash = PASSWORDS.hash(password)
    account = Account(user_id=uuid4(), name=name, email=email, team_id=uuid4())
    try:
        with engine.begin() as connection:
            return Registration(account, _create_account(connection, account, password_hash))
    except IntegrityError as error:
        if "users_name_is_unique" in str(error.orig):
            raise Problem(HTTPStatus.CONFLICT, "name-taken", f"The name {name} is taken. Choose another one.") from error
        if "users_email_is_unique" in str(error.orig):
            raise Problem(HTTPStatus.CONFLICT, "email-taken", "This address has an account. Log in instead.") from error
        raise


def _create_account(connection: Connection, account: Account, password_hash: str) -> int:
    key = create_key(connection, account.user_id)
    connection.execute(
        text("INSERT INTO vault.accounts (user_id, password_hash) VALUES (:user_id, :password_hash)"),
        {"user_id": account.user_id, "password_hash": password_hash},
    )
    connection.execute(
        text(
            "INSERT INTO users (user_id, name, name_key, email, email_key, team_id)"
            " VALUES (:user_id, :name, :name_key, :email, :email_key, :team_id)"
        ),
        {
            "user_id": account.user_id,
            "name": account.name,
            "name_key": name_key(account.name),
            "email": account.email,
            "email_key": name_key(account.email),
            "team_id": account.team_id,
        },
    )
    sealed_name = seal(key, account.name)
    metadata = Metadata(correlation_id=str(account.user_id), actor_id=account.user_id)
    registered = UserRegistered(user_id=account.user_id, name=sealed_name, email=seal(key, account.email))
    team = TeamCreated(team_id=account.team_id, name=sealed_name, members=(account.user_id,))
    return append(connection, [NewEvent(registered, metadata, 0), NewEvent(team, metadata, 0)]).position


@dataclass(frozen=True)
class IssuedToken:
    """A token, shown once: only its hash is stored."""

    token: str
    expires_at: datetime


def issue_token(engine: Engine, name: str, password: str, valid_days: int) -> IssuedToken:
    """Log in. Raises 401 with one text, and after the same time, whether the name or the password was wrong."""
    # Nobody is registered with what is no text, and neither driver nor hash takes it.
    if not _is_text(name) or not _is_text(password):
        name, password = "", ""
    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT user_id, password_hash FROM users JOIN vault.accounts USING (user_id) WHERE name_key = :key"),
            {"key": name_key(name)},
        ).one_or_none()
    with HASHING:
        valid, stronger_hash = PASSWORDS.verify_and_update(password, row.password_hash if row else NOBODYS_HASH)
    if row is None or not valid:
        raise unauthorised("The name or the password is wrong.")
    issued = IssuedToken(f"palio_{secrets.token_urlsafe(32)}", datetime.now(UTC) + timedelta(days=valid_days))
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO vault.tokens (token_hash, user_id, expires_at) VALUES (:hash, :user_id, :expires_at)"),
            {"hash": hash_token(issued.token), "user_id": row.user_id, "expires_at": issued.expires_at},
        )
        if stronger_hash is not None:
            connection.execute(
                text("UPDATE vault.accounts SET password_hash = :hash WHERE user_id = :user_id"),
                {"hash": stronger_hash, "user_id": row.user_id},
            )
    return issued


def _is_text(value: str) -> bool:
    """Whether it can be written as UTF-8, without NULs: JSON can also spell half a surrogate pair."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


def account_of(connection: Connection, principal: Principal) -> Account:
    """The account of the person asking."""
    row = connection.execute(
        text("SELECT user_id, name, email, team_id FROM users WHERE user_id = :user_id"), {"user_id": principal.user_id}
    ).one()
    return Account(row.user_id, row.name, row.email, row.team_id)


def appoint_administrator(engine: Engine, name: str) -> bool:
    """Make a person an administrator; False if they are one already. Raises `LookupError` if there is nobody of this name."""
    with engine.begin() as connection:
        row = connection.execute(
            text(
                "SELECT user_id, administrator FROM users JOIN vault.accounts USING (user_id)"
                " WHERE name_key = :key FOR UPDATE OF accounts"
            ),
            {"key": name_key(name)},
        ).one_or_none()
        if row is None:
            raise LookupError(f"nobody is registered as {name}")
        if row.administrator:
            return False
        connection.execute(
            text("UPDATE vault.accounts SET administrator = true WHERE user_id = :user_id"), {"user_id": row.user_id}
        )
        append(connection, [NewEvent(AdministratorAppointed(user_id=row.user_id), Metadata(correlation_id=str(row.user_id)))])
    return True
