"""Who is asking: from a bearer token to a person."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, text


@dataclass(frozen=True)
class Principal:
    """A person who showed a valid token."""

    user_id: UUID
    administrator: bool


def hash_token(token: str) -> bytes:
    """What is stored of a token. A plain hash is enough: tokens are 256 random bits, nothing a dictionary finds."""
    return hashlib.sha256(token.encode()).digest()


def authenticate(connection: Connection, token: str) -> Principal | None:
    """The person whom an unexpired token belongs to, or None."""
    row = connection.execute(text("SELECT * FROM vault.authenticate(:hash)"), {"hash": hash_token(token)}).one_or_none()
    return Principal(row.user_id, row.administrator) if row else None
