"""Sealing personal data with a key per person (Fernet: AES-128-CBC with HMAC-SHA256, from `cryptography`)."""

from collections.abc import Iterable
from uuid import UUID

from cryptography.fernet import Fernet
from sqlalchemy import Connection, text

#: What readers see of a person whose key is destroyed.
ERASED = "(erased)"


def create_key(connection: Connection, user_id: UUID) -> str:
    """Make and store a person's key. Once a person: a second call raises `IntegrityError`."""
    key = Fernet.generate_key().decode()
    connection.execute(text("INSERT INTO vault.person_keys VALUES (:user_id, :key)"), {"user_id": user_id, "key": key})
    return key


def seal(key: str, value: str) -> str:
    """Encrypt personal data for the ledger."""
    return Fernet(key).encrypt(value.encode()).decode()


def unseal_all(connection: Connection, sealed: Iterable[tuple[UUID, str]]) -> list[str]:
    """Decrypt values, each with its person's key, in the order given; `ERASED` for a person whose key is destroyed."""
    pairs = list(sealed)
    rows = connection.execute(
        text("SELECT user_id, key FROM vault.person_keys WHERE user_id = ANY(CAST(:ids AS uuid[]))"),
        {"ids": [str(user_id) for user_id, _ in pairs]},
    )
    keys = {row.user_id: Fernet(row.key) for row in rows}
    return [keys[user_id].decrypt(value).decode() if user_id in keys else ERASED for user_id, value in pairs]


def unseal(connection: Connection, user_id: UUID, value: str) -> str:
    """Decrypt one value; `ERASED` if the person's key is destroyed."""
    return unseal_all(connection, [(user_id, value)])[0]
